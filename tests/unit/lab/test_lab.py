"""What `platform cluster` knows before it touches a machine: its files, its keys, and that its parts agree."""

import json
import re
import socket
import stat
import tomllib
from pathlib import Path

import pytest
import yaml

from platform_cli.errors import NotAllowed
from platform_cli.lab.cluster import PORTS
from platform_cli.lab.engine import check_before_creating, kubernetes_version
from platform_cli.lab.images import FLOW_TAG, build_arguments, copied_by, key_of
from platform_cli.lab.parts import chart_values
from platform_cli.lab.state import ACCOUNTS, Folder, new_state, secret_documents

ROOT = Path(__file__).resolve().parents[3]
KIND = tomllib.loads((ROOT / "platform.toml").read_text())["environments"]["kind"]


def test_a_state_comes_back_as_it_was_written(tmp_path: Path):
    folder = Folder(tmp_path / "kind")
    assert folder.read() is None
    state = new_state("local")
    state.container, state.applied = "c0ffee", {"argo": "1"}
    folder.write(state)
    assert folder.read() == state


def test_what_holds_a_password_is_readable_by_its_owner_alone(tmp_path: Path):
    folder = Folder(tmp_path / "kind")
    state = new_state("local")
    folder.write(state)
    folder.write_credentials(state)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.path.iterdir()}
    assert modes == {"state.json": 0o600, "credentials": 0o600}
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_two_clusters_share_no_password():
    first, second = new_state("local").passwords, new_state("local").passwords
    assert first.keys() == second.keys()
    assert not set(first.values()) & set(second.values())


def test_clearing_leaves_nothing_of_a_cluster(tmp_path: Path):
    folder = Folder(tmp_path)
    state = new_state("local")
    folder.write(state)
    folder.write_credentials(state)
    folder.kubeconfig.touch()
    folder.clear()
    assert list(tmp_path.iterdir()) == []


def test_the_store_knows_exactly_the_accounts_that_its_policies_name():
    policies = json.loads((ROOT / "helm/platform/files/s3_policies.json").read_text())
    assert {account for accounts in policies.values() for account in accounts} == set(ACCOUNTS)


def test_only_production_flows_may_write_what_is_productions():
    scores = json.loads((ROOT / "helm/platform/files/s3_policies.json").read_text())["scores"]
    writers = {account for account, rights in scores.items() if "production/*" in rights.get("write", [])}
    assert writers == {"flows"}
    assert not [account for account, rights in scores.items() if "delete" in rights]


def test_every_secret_that_a_manifest_names_is_made():
    made = {document["metadata"]["name"] for document in secret_documents(new_state("local"))}
    texts = [file.read_text() for folder in ("helm", "k8s") for file in (ROOT / folder).rglob("*.yaml")]
    named = {
        word
        for text in texts
        for word in ("s3-root", "s3-accounts", "postgres-passwords", "argo-postgres", "argo-server-store",
                     "platform-executor-store")
        if f"name: {word}" in text or f"secretName: {word}" in text or f"name: {word}," in text
    }  # fmt: skip
    assert named <= made
    assert {"s3-root", "platform-executor-store", KIND["secret"], f"{KIND['secret']}-adhoc"} <= made


def test_one_port_per_service_wherever_it_is_written():
    config = yaml.safe_load((ROOT / "k8s/kind/cluster.yaml").read_text())
    opened = config["nodes"][0]["extraPortMappings"]
    assert {mapping["listenAddress"] for mapping in opened} == {"127.0.0.1"}
    assert {mapping["hostPort"] for mapping in opened} == set(PORTS.values())
    assert all(mapping["hostPort"] == mapping["containerPort"] for mapping in opened)
    values = yaml.safe_load((ROOT / "helm/values/platform-kind.yaml").read_text())
    argo = yaml.safe_load((ROOT / "k8s/kind/argo/argo-server-service.yaml").read_text())["spec"]["ports"][0]["nodePort"]
    node_ports = {name: part["nodePort"] for name, part in values.items() if "nodePort" in part}
    assert {**node_ports, "argo": argo} == PORTS
    outside = {"s3": "s3_endpoint", "mlflow": "models", "pushgateway": "metrics"}
    for name, port in PORTS.items():
        assert KIND["outside"][outside.get(name, name)] == f"http://127.0.0.1:{port}"


def test_the_flow_image_of_the_environment_is_the_one_that_up_loads():
    assert KIND["images"]["flow"] == FLOW_TAG


def test_the_pools_of_the_environment_are_labels_of_nodes():
    config = yaml.safe_load((ROOT / "k8s/kind/cluster.yaml").read_text())
    (gpu, _) = yaml.safe_load_all((ROOT / "k8s/kind/gpu/gpu-nodes.yaml").read_text())
    assert config["nodes"][0]["labels"].items() >= KIND["pools"]["cpu"]["selector"].items()
    assert gpu["metadata"]["labels"].items() >= KIND["pools"]["gpu"]["selector"].items()
    assert gpu["status"]["capacity"]["nvidia.com/gpu"] == str(KIND["pools"]["gpu"]["gpus"])


def test_the_chart_gets_one_image_for_each_part_that_has_one():
    names = ("versitygw", "postgres", "mlflow", "prometheus", "pushgateway")
    given = chart_values({name: f"platform/{name}:1" for name in names})
    assert given["s3"] == {"image": "platform/versitygw:1"}
    chart = yaml.safe_load((ROOT / "helm/platform/values.yaml").read_text())
    assert set(given) == {name for name, part in chart.items() if isinstance(part, dict) and "image" in part}


def test_a_key_changes_with_a_files_name_content_and_the_words_beside_it(tmp_path: Path):
    (tmp_path / "a").write_text("1")
    first = key_of([tmp_path], "word")
    assert first == key_of([tmp_path], "word")
    assert first != key_of([tmp_path], "other")
    (tmp_path / "a").rename(tmp_path / "b")
    second = key_of([tmp_path], "word")
    assert second != first
    (tmp_path / "b").write_text("2")
    assert key_of([tmp_path], "word") not in (first, second)


def test_an_image_is_made_of_what_its_dockerfile_copies(tmp_path: Path):
    for name in ("a.py", "b.py", "c.txt"):
        (tmp_path / name).touch()
    text = "FROM base AS x\nCOPY c.txt certificates.pem /build/\nFROM base\nCOPY --from=x /a /b\nCOPY *.py /app/\n"
    assert copied_by(text, tmp_path) == [tmp_path / "c.txt", tmp_path / "a.py", tmp_path / "b.py"]


def test_a_step_finds_every_room_that_its_own_rooms_import():
    """The image leaves out what compiles and submits; nothing that runs in a pod may need it."""
    copied = {path.name for path in copied_by((ROOT / "images/flow/Dockerfile").read_text(), ROOT)}
    rooms = {path.name for path in (ROOT / "platform_cli").iterdir() if path.is_dir() and path.name != "__pycache__"}
    needed = set()
    for room in sorted(rooms & copied):
        for file in (ROOT / "platform_cli" / room).rglob("*.py"):
            needed |= set(re.findall(r"^\s*(?:from|import) platform_cli\.(\w+)", file.read_text(), re.MULTILINE))
    assert needed & rooms <= copied
    assert {"runner", "scoring"} <= copied


def test_bytecode_beside_the_sources_changes_no_key(tmp_path: Path):
    (tmp_path / "a.py").write_text("1")
    before = key_of([tmp_path])
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("x")
    assert key_of([tmp_path]) == before


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("platform/kind-node:v1.34.4-0123abcd", (1, 34)),
        ("kindest/node:v1.37.0@sha256:00", (1, 37)),
    ],
    ids=["ours", "public"],
)
def test_a_node_images_tag_says_its_kubernetes(image: str, version: tuple[int, int]):
    assert kubernetes_version(image) == version


def test_a_build_gets_the_index_of_this_machine_and_nothing_where_there_is_none():
    given = build_arguments({"PIP_INDEX_URL": "https://index.example/simple", "UV_INDEX": "https://more.example"})
    assert given == {
        "PIP_INDEX_URL": "https://index.example/simple",
        "UV_DEFAULT_INDEX": "https://index.example/simple",
        "UV_INDEX": "https://more.example",
    }


def test_the_index_of_pips_own_configuration_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "pip.conf").write_text("[global]\nindex-url = https://index.example/simple\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert build_arguments({})["PIP_INDEX_URL"] == "https://index.example/simple"


def test_a_port_that_is_taken_is_named_before_anything_is_made():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(NotAllowed, match=f"port {port}, which s3 needs, is taken") as caught:
            check_before_creating("platform/kind-node:v1.34.4", {"s3": port})
    assert str(port) in caught.value.fix
