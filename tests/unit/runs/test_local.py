"""Real flows on this machine: what Metaflow prints and records is what the platform reads."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from platform_cli.runs.follow import Follower
from platform_cli.runs.local import environment_of

CARD_DATA = re.compile(r'= "((?:[A-Za-z0-9+/]{4}){20,}[A-Za-z0-9+/]{0,3}=*)"')
PLATFORM = [sys.executable, "-c", "import sys; from platform_cli.cli.main import main; sys.exit(main())"]
HEAD = """
import os, sys, time
from metaflow import FlowSpec, Parameter, step, kubernetes, retry
from platform_cli.errors import ContractBroken
"""


def platform(*words: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder), "HOME": str(folder), **more}
    return subprocess.run(
        [*PLATFORM, *words],
        capture_output=True, text=True, env=environ, cwd=folder, check=False,
    )  # fmt: skip


def a_flow(folder: Path, start: str, *, end: str = "pass", decorator: str = "", head: str = "") -> Path:
    path = folder / "risk.py"
    path.write_text(
        f"{HEAD}{head}\nclass Risk(FlowSpec):\n"
        "    who = Parameter('who', default='x')\n    n = Parameter('n', default=1)\n"
        f"    {decorator}\n    @step\n    def start(self):\n        {start}\n        self.next(self.end)\n"
        f"    @step\n    def end(self):\n        {end}\n\nif __name__ == '__main__':\n    Risk()\n"
    )
    return path


def test_settings_that_point_at_a_cluster_do_not_reach_a_run_on_this_machine():
    environ = {
        "PATH": "/bin", "AWS_PROFILE": "mine", "METAFLOW_PROFILE": "prod", "METAFLOW_DEFAULT_DATASTORE": "s3",
        "METAFLOW_SERVICE_URL": "http://prod", "METAFLOW_DEFAULT_DECOSPECS": "kubernetes", "PYTHONSTARTUP": "x.py",
    }  # fmt: skip
    made = environment_of(environ, file=Path("/f/risk.py"), root=Path("/data/.metaflow"), owner="ada")
    assert made == {
        "PATH": "/bin",
        "AWS_PROFILE": "mine",
        "METAFLOW_USER": "ada",
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": "/data",
        "METAFLOW_DEFAULT_DATASTORE": "local",
        "METAFLOW_DEFAULT_METADATA": "local",
        "METAFLOW_HOME": "/data/.metaflow/no-profile",
        "PYTHONUNBUFFERED": "1",
        "_PLATFORM_FLOW": "/f/risk.py",
    }


def test_root_runs_flows_although_metaflow_takes_root_for_nobody():
    made = environment_of({}, file=Path("/f/risk.py"), root=Path("/data/.metaflow"), owner="root")
    assert made["METAFLOW_USER"] == "root-user"


def test_the_lines_that_metaflow_prints_are_the_lines_that_are_followed(tmp_path: Path):
    """The contract with Metaflow: without these lines the tree of a run stays empty."""
    flow = Path(__file__).parents[3] / "flows" / "hello" / "hello.py"
    environ = {**os.environ, "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(tmp_path)}
    said = subprocess.run(
        [sys.executable, flow, "--no-pylint", "run", "--people=Ada,Grace"],
        capture_output=True, text=True, env=environ, cwd=tmp_path, check=True,
    ).stdout  # fmt: skip
    follower = Follower("Hello")
    for line in said.splitlines():
        follower.feed(line, 0.0)
    run = follower.picture(over=True, succeeded=True)
    assert run.metaflow_run_id.isdigit()
    assert [(step.name, step.width, step.done, step.retries) for step in run.steps] == [
        ("start", 1, 1, 0), ("greet", 2, 2, 1), ("show", 1, 1, 0), ("end", 1, 1, 0),
    ]  # fmt: skip
    assert [text for lines in follower.lines.values() for text in lines if text.startswith("Hello, G")] == [
        "Hello, Grace!"
    ]


def test_a_run_shows_its_steps_its_card_and_one_last_line(tmp_path: Path):
    flow = Path(__file__).parents[3] / "flows" / "hello" / "hello.py"
    done = platform("run", str(flow), "-p", "people=Ada", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["state"], document["headline"], document["error"]) == ("succeeded", "1 greeted", None)
    page = Path(document["cards"]["show"])
    assert page.is_relative_to(tmp_path / ".metaflow" / "mf.cards" / "Hello")
    assert any(b"Hello, Ada!" in base64.b64decode(text) for text in CARD_DATA.findall(page.read_text()))
    assert "✓ greet" in done.stderr
    assert "1 retry" in done.stderr
    assert not list(tmp_path.glob("*.html"))


def test_a_flow_that_asks_for_kubernetes_runs_on_the_laptop_too(tmp_path: Path):
    """Metaflow alone refuses: "The @kubernetes decorator requires --datastore=s3" (metaflow issue 2588)."""
    flow = a_flow(
        tmp_path, "self.here = os.uname().nodename", end="self.headline = 'ran on ' + self.here",
        decorator="@kubernetes(memory=100_000, image='nowhere/nothing:1')",
    )  # fmt: skip
    done = platform("run", str(flow), folder=tmp_path, METAFLOW_DEFAULT_DECOSPECS="kubernetes")
    assert done.returncode == 0, done.stderr
    assert f"ran on {os.uname().nodename}" in done.stdout.splitlines()[-1]


def test_a_broken_contract_in_a_step_is_65_from_the_command(tmp_path: Path):
    flow = a_flow(tmp_path, "raise ContractBroken('customers.csv: age is null 3 times', wanted='none', fix='Mend it.')")
    done = platform("run", str(flow), folder=tmp_path)
    assert done.returncode == 65
    assert done.stderr.endswith("step start: customers.csv: age is null 3 times; wanted none.\n  Mend it.\n")
    assert done.stdout == ""


def test_a_step_that_left_with_metaflows_no_retry_code_after_recording_the_breach_is_65(tmp_path: Path):
    """What a breach under @retry does: recorded, then 202, which alone stops Metaflow's retries."""
    head = (
        "from metaflow.exception import MetaflowExceptionWrapper\n"
        "def leave(flow):\n"
        "    flow._exception = MetaflowExceptionWrapper(ContractBroken('age is null'))\n    sys.exit(202)\n"
    )
    flow = a_flow(tmp_path, "leave(self)", head=head, decorator="@retry(times=3, minutes_between_retries=0)")
    done = platform("run", str(flow), "--json", folder=tmp_path)
    assert (done.returncode, len(json.loads(done.stdout)["steps"][0]["attempts"])) == (65, 1)


def test_a_failed_run_names_the_step_its_last_lines_and_the_command_that_resumes_it(tmp_path: Path):
    flow = a_flow(tmp_path, "pass", end="assert os.path.exists('mended'), 'not mended'")
    failed = platform("run", str(flow), folder=tmp_path)
    assert failed.returncode == 7
    assert "failed in step end (task 2): AssertionError: not mended." in failed.stderr
    assert "    AssertionError: not mended" in failed.stderr
    assert "Traceback" not in failed.stderr.replace("    Traceback", "")
    [resume] = [line for line in failed.stderr.splitlines() if "platform run" in line]
    words = resume.partition("platform ")[2].split()
    (tmp_path / "mended").touch()
    resumed = platform(*words, folder=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert "↺ start" in resumed.stderr


@pytest.mark.parametrize(
    ("start", "told"),
    [
        pytest.param("os.kill(os.getpid(), 9)", "its process was killed by SIGKILL", id="killed"),
        pytest.param("sys.exit(3)", "its process ended with code 3", id="left-without-a-word"),
    ],
)
def test_a_process_that_died_is_told_apart_from_an_exception(tmp_path: Path, start: str, told: str):
    done = platform("run", str(a_flow(tmp_path, start)), folder=tmp_path)
    assert done.returncode == 7
    assert told in done.stderr


@pytest.mark.parametrize(
    ("change", "words", "message"),
    [
        pytest.param(
            ("import os", "import oss"), (), r"risk.py:2: the flow cannot be loaded: ModuleNotFoundError", id="import"
        ),
        pytest.param(("self.next(self.end)", "pass"), (), "Step start is missing a self.next()", id="graph"),
        pytest.param(("", ""), ("-p", "n=abc"), "Invalid value for '--n': abc is not a valid integer", id="type"),
        pytest.param(("", ""), ("-p", "whu=abc"), 'Did you mean "who"?', id="unknown-parameter"),
        pytest.param(("", ""), ("-p", "who"), "wanted NAME=VALUE", id="no-value"),
        pytest.param(("", ""), ("-p", "who=1", "-p", "who=2"), 'parameter "who" is given twice', id="twice"),
        pytest.param(("", ""), ("--resume", "1", "-p", "who=2"), "a resumed run keeps its parameters", id="resume"),
    ],
)
def test_a_run_that_cannot_begin_is_told_in_one_message_and_leaves_nothing(
    tmp_path: Path, change: tuple[str, str], words: tuple[str, ...], message: str
):
    flow = a_flow(tmp_path, "pass")
    flow.write_text(flow.read_text().replace(*change, 1) if change[0] else flow.read_text())
    done = platform("run", str(flow), *words, folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob(".metaflow/Risk/[0-9]*"))


def test_a_value_that_begins_with_a_dash_reaches_the_flow_as_it_is(tmp_path: Path):
    flow = a_flow(tmp_path, "pass", end="self.headline = self.who")
    done = platform("run", str(flow), "-p", "who=--n $(id) 'x' =y", folder=tmp_path)
    assert "--n $(id) 'x' =y" in done.stdout, done.stderr


def test_resuming_a_run_that_is_not_there_is_not_found(tmp_path: Path):
    assert platform("run", str(a_flow(tmp_path, "pass")), "--resume", "123", folder=tmp_path).returncode == 6


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [
        pytest.param(signal.SIGINT, 130, "interrupted", id="ctrl-c"),
        pytest.param(signal.SIGTERM, 143, "terminated", id="sigterm"),
    ],
)
def test_a_signal_ends_the_run_and_everything_it_started(tmp_path: Path, number: int, code: int, word: str):
    flow = a_flow(tmp_path, "open('pid', 'w').write(str(os.getpid())); time.sleep(600)")
    process = begun(flow, tmp_path)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == code
    assert f" of Risk was {word} in step start.\n  Resume: platform run " in error
    assert "Traceback" not in error
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_a_second_signal_kills_a_step_that_does_not_listen(tmp_path: Path):
    deaf = (
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    )
    flow = a_flow(tmp_path, "open('pid', 'w').write(str(os.getpid())); time.sleep(600)", head=deaf)
    process = begun(flow, tmp_path)
    # Again and again, as an impatient person does: two that come at once are one to the kernel.
    while process.poll() is None:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
    process.communicate()
    assert process.returncode == 143
    assert is_gone(int((tmp_path / "pid").read_text()))


def begun(flow: Path, folder: Path) -> "subprocess.Popen[str]":
    """Start a run and wait until its step works."""
    process = subprocess.Popen(
        [*PLATFORM, "run", str(flow)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
        env={**os.environ, "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder)},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (folder / "pid").is_file() or not (folder / "pid").read_text():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


def is_gone(pid: int) -> bool:
    for _ in range(100):
        status = Path(f"/proc/{pid}/stat")
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False
