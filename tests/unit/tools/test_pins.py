"""The pins of the tools hang together, and a binary's folder is named after all that decides what it is."""

import re
import subprocess
from pathlib import Path

import pytest

from tools import pins
from tools.pins import read_families, read_family, tools_of

TOOLS = Path(__file__).resolve().parents[3] / "tools"
FAMILIES = read_families(TOOLS)
SUM = "example.org/thing v1.2.3 h1:x=\n"
MOD = "module platform/tools/thing\n\ngo 1.26.0\n\ntool example.org/thing/cmd/run\n\nrequire example.org/thing v1.2.3\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A family with one tool."""
    family = tmp_path / "thing"
    family.mkdir()
    (family / "go.mod").write_text(MOD)
    (family / "go.sum").write_text(SUM)
    return family


def test_a_cluster_needs_these_tools() -> None:
    assert set(tools_of(FAMILIES)) == {
        *("kind", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"),
        *("kubeadm", "etcd", "coredns", "crictl", "pause", "runc-capped", "local-path-provisioner", "kwok", "helm"),
        *("argo", "argoexec", "workflow-controller", "versitygw", "prometheus", "promtool", "pushgateway"),
        "kubeconform",
    }


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_every_module_is_pinned_to_one_release_and_its_checksum(name: str) -> None:
    family = FAMILIES[name]
    assert all(re.fullmatch(r"v\d+\.\d+\.\d+\S*", version) for version in family.requirements.values())
    sums = (TOOLS / name / "go.sum").read_text()
    # what is replaced has the checksum of the replacement
    if family.module and f"replace {family.module} " not in (TOOLS / name / "go.mod").read_text():
        assert f"{family.module} {family.version} h1:" in sums


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_every_family_compiles_with_the_one_toolchain(name: str) -> None:
    wanted = re.search(r"^go (\S+)$", (TOOLS / name / "go.mod").read_text(), re.MULTILINE)
    assert wanted
    assert _numbers(wanted[1]) <= _numbers(pins.TOOLCHAIN.removeprefix("go"))


def test_the_parts_of_kubernetes_are_of_one_release() -> None:
    minor = FAMILIES["kubernetes"].version.removeprefix("v1.")
    replaced = re.findall(r"^\tk8s\.io/\S+ => \S+ (\S+)$", (TOOLS / "kubernetes" / "go.mod").read_text(), re.MULTILINE)
    assert set(replaced) == {f"v0.{minor}"}


def test_a_release_fills_in_the_flags_of_its_build(folder: Path) -> None:
    (folder / "build.toml").write_text('tags = ["a", "b"]\nldflags = ["-X v={version}", "-X m={major}.{minor}"]\n')
    assert read_family(folder).flags == (
        "-trimpath",
        "-buildvcs=false",
        "-tags=a,b",
        "-ldflags=-s -w -X v=v1.2.3 -X m=1.2",
    )


@pytest.mark.parametrize("file", ["go.mod", "go.sum", "build.toml", "main.go", "sub/other.go"])
def test_the_key_changes_with_every_file_that_decides_what_is_built(folder: Path, file: str) -> None:
    before = read_family(folder).key
    path = folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_text((path.read_text() if path.exists() else "") + "\n")
    assert read_family(folder).key != before


def test_the_key_changes_with_the_compiler(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_family(folder).key
    monkeypatch.setattr(pins, "TOOLCHAIN", "go1.99.0")
    assert read_family(folder).key != before


def test_the_key_is_the_same_wherever_the_checkout_lies(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "thing"
    other.mkdir(parents=True)
    for name in ("go.mod", "go.sum"):
        (other / name).write_text((folder / name).read_text())
    assert read_family(other).key == read_family(folder).key


@pytest.mark.parametrize(
    ("package", "tool"),
    [
        ("example.org/thing", "thing"),
        ("example.org/thing/cmd/run", "run"),
        ("example.org/thing/v3", "thing"),
        ("example.org/thing/v3/cmd/run", "run"),
    ],
)
def test_a_tool_is_called_what_go_calls_its_program(folder: Path, package: str, tool: str) -> None:
    (folder / "go.mod").write_text(
        f"module m\n\ntool {package}\n\nrequire {package.split('/cmd', maxsplit=1)[0]} v3.0.0\n"
    )
    assert list(read_family(folder).tools) == [tool]


def test_a_tool_in_two_families_is_refused(folder: Path) -> None:
    other = folder.with_name("twin")
    other.mkdir()
    (other / "go.mod").write_text(MOD)
    (other / "go.sum").write_text(SUM)
    with pytest.raises(SystemExit, match="tool 'run' is in two families: thing and twin"):
        tools_of(read_families(folder.parent))


def test_a_word_that_means_nothing_in_build_toml_is_refused(folder: Path) -> None:
    (folder / "build.toml").write_text("flags = []\n")
    with pytest.raises(SystemExit, match=r"build\.toml: got flags; wanted some of copy, ldflags, share, tags, write"):
        read_family(folder)


@pytest.mark.parametrize(
    "script", ["scripts/machine.sh", "scripts/dockerd.sh", "tools/postgres/entrypoint.sh", "tools/node/prepare.sh"]
)
def test_a_script_is_read_to_its_end_by_a_plain_shell(script: str) -> None:
    assert subprocess.run(["sh", "-n", TOOLS.parent / script], check=False).returncode == 0


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
