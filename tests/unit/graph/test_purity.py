"""The same sources give the same values and bytes for anybody, and nothing of the caller's gets in or stays changed."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from platform_cli.graph import load_graph
from tests.flowfiles import TWO_STEPS, flow_source, load_source

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden"
CANARY = "canary-7c1f"
PLANTED = [
    "METAFLOW_DEFAULT_DATASTORE",
    "METAFLOW_DATASTORE_SYSROOT_S3",
    "METAFLOW_KUBERNETES_NAMESPACE",
    "METAFLOW_KUBERNETES_SECRETS",
    "METAFLOW_KUBERNETES_LABELS",
    "METAFLOW_KUBERNETES_CPU",
    "METAFLOW_SERVICE_URL",
    "METAFLOW_SERVICE_AUTH_KEY",
    "METAFLOW_USER",
    "METAFLOW_FLOW_CONFIG_VALUE",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SESSION_TOKEN",
    "SLACK_WEBHOOK",
    "SLACK_TOKEN",
    "PLATFORM_SCORES",
    "PLATFORM_OWNER",
    "USER",
]

RENDER_ALL = """
import socket, sys, os
from pathlib import Path
def refuse(*args, **more): raise SystemExit("the network was used")
# Sockets themselves stay: a library asks at import whether there is IPv6, by binding one on loopback.
socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = refuse
socket.create_connection = socket.getaddrinfo = refuse
from platform_cli.cli.compile import read_environment, render
root = Path(sys.argv[1])
environment = read_environment("staging", root)
for file in sorted(root.glob("flows/*/flow.py")):
    for name, text in sorted(render(file, environment, root).texts().items()):
        sys.stdout.write(name + "\\n" + text)
"""


def render_all(**environ: str) -> str:
    kept = {name: os.environ[name] for name in ("PATH",)}
    done = subprocess.run(
        [sys.executable, "-c", RENDER_ALL, str(GOLDEN)],
        env={**kept, "PYTHONPATH": str(ROOT), **environ},
        cwd=environ.get("PWD"),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_every_golden_flow_renders_offline_to_the_same_bytes_for_any_user_seed_day_and_folder(tmp_path: Path):
    planted = dict.fromkeys(PLANTED, CANARY)
    profile = tmp_path / ".metaflowconfig" / "config.json"
    profile.parent.mkdir()
    profile.write_text(
        f'{{"METAFLOW_KUBERNETES_SERVICE_ACCOUNT": "{CANARY}", "METAFLOW_DEFAULT_DATASTORE": "{CANARY}"}}'
    )
    one = render_all(HOME="/nonexistent", PYTHONHASHSEED="1", TZ="UTC")
    other = render_all(HOME=str(tmp_path), PYTHONHASHSEED="4242", TZ="Asia/Tokyo", PWD=str(tmp_path), **planted)
    assert CANARY not in other
    assert hashlib.sha256(one.encode()).hexdigest() == hashlib.sha256(other.encode()).hexdigest()
    assert one.count("kind: WorkflowTemplate") == len(list(GOLDEN.glob("flows/*/flow.py")))


def test_a_flow_file_sees_nothing_of_the_callers_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("METAFLOW_SERVICE_AUTH_KEY", "AWS_SECRET_ACCESS_KEY", "SLACK_TOKEN", "MY_PASSWORD"):
        monkeypatch.setenv(name, CANARY)
    above = "import os\nseen = sorted(os.environ.items())\n"
    graph = load_source(tmp_path, flow_source('seen = Parameter("seen", default=str(seen))' + TWO_STEPS, above=above))
    assert graph.parameters[0].default is not None
    assert CANARY not in graph.parameters[0].default
    assert "METAFLOW_USER" in graph.parameters[0].default


def test_reading_a_flow_leaves_the_process_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    before = (dict(os.environ), list(sys.argv), list(sys.path), Path.cwd(), sys.dont_write_bytecode)
    above = "import os, sys\nos.environ['LEFT'] = '1'\nsys.path.append('/left')\nos.chdir('/')\nprint('talk')\n"
    load_source(tmp_path, flow_source(TWO_STEPS, above=above))
    assert (dict(os.environ), list(sys.argv), list(sys.path), Path.cwd(), sys.dont_write_bytecode) == before
    assert capsys.readouterr().out == ""
    assert not list(tmp_path.rglob("__pycache__"))


def test_two_flows_with_neighbours_of_one_name_each_get_their_own(tmp_path: Path):
    for name in ("one", "two"):
        folder = tmp_path / "flows" / name
        folder.mkdir(parents=True)
        (folder / "features.py").write_text(f'NAME = "{name}"\n')
        body = 'who = Parameter("who", default=features.NAME)' + TWO_STEPS
        (folder / "flow.py").write_text(flow_source(body, imports="import features"))
    defaults = [
        load_graph(tmp_path / "flows" / name / "flow.py", root=tmp_path).parameters[0].default
        for name in ("one", "two")
    ]
    assert defaults == ["one", "two"]
