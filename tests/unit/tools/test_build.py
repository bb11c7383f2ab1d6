"""Tools are built once per pin, whole or not at all, also where two processes want one at the same time."""

import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from tools import build as tool_build
from tools import compile as tool_compile
from tools.pins import read_families

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = 'package main\n\nfunc main() { println("built") }\n'


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of tools with one, of a few lines; patched, because the real ones take minutes."""
    folder = tmp_path / "tools" / "hello"
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text("module platform/tools/hello\n\ngo 1.26.0\n\ntool platform/tools/hello\n")
    (folder / "go.sum").write_text("")
    (folder / "main.go").write_text(PROGRAM)
    monkeypatch.setattr(tool_build, "TOOLS", folder.parent)
    # the real toolchain may have to be fetched; this program compiles with any
    monkeypatch.setattr(tool_compile, "TOOLCHAIN", "local")
    # Go keeps its compiled standard library below the same folder; without it every build takes half a minute.
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    monkeypatch.setenv("GOCACHE", os.environ.get("GOCACHE") or str(caches / "go-build"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder.parent


def test_a_tool_is_built_outside_the_repository_and_runs(tools: Path, tmp_path: Path) -> None:
    binary = tool_build.build("hello")
    assert binary.is_relative_to(tmp_path / "cache" / "platform" / "tools")
    assert subprocess.run([binary], capture_output=True, text=True, check=True).stderr == "built\n"


def test_the_second_call_builds_nothing(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tool_build.build("hello")
    monkeypatch.setattr(tool_compile, "_compiler", lambda: "/no/such/compiler")
    assert tool_build.build("hello") == first


def test_upstreams_files_are_there_without_a_build(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tools / "hello" / "build.toml").write_text('share = ["manifests"]\n')
    upstream = tools.parent / "module"
    (upstream / "manifests").mkdir(parents=True)
    (upstream / "manifests" / "a.yaml").write_text("kind: A")
    monkeypatch.setattr(tool_compile, "_module_folder", lambda _: upstream)
    family = read_families(tools)["hello"]
    files = tool_compile.files_of(family)
    assert (files / "manifests" / "a.yaml").read_text() == "kind: A"
    assert not (files.parent / "hello").exists()


def test_another_pin_is_another_binary(tools: Path) -> None:
    first = tool_build.build("hello")
    pin = tools / "hello" / "go.mod"
    pin.write_text(pin.read_text() + "\n// bumped\n")
    assert tool_build.build("hello") != first


def test_a_tool_that_does_not_compile_leaves_nothing_that_looks_built(tools: Path, tmp_path: Path) -> None:
    (tools / "hello" / "main.go").write_text("this is no Go")
    with pytest.raises(SystemExit, match=r"go build .* ended with 1:"):
        tool_build.build("hello")
    assert not list((tmp_path / "cache").rglob("hello"))


def test_a_failed_build_says_the_command_the_folder_and_the_last_lines(tools: Path) -> None:
    (tools / "hello" / "main.go").write_text("package main\n\nfunc main() { absent() }\n")
    with pytest.raises(SystemExit) as failed:
        tool_build.build("hello")
    first, *rest = str(failed.value).splitlines()
    assert "go build -trimpath" in first
    assert first.endswith(f"in {tools / 'hello'} ended with 1:")
    assert rest[-1].endswith("main.go:3:15: undefined: absent")


def test_a_name_that_is_no_tool_is_answered_with_those_that_are(tools: Path) -> None:
    with pytest.raises(SystemExit, match="no tool is called helo; there are hello"):
        tool_build.build("helo")


def test_tools_of_one_family_are_compiled_by_one_command(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tools / "hello" / "again").mkdir()
    (tools / "hello" / "again" / "main.go").write_text(PROGRAM)
    module = tools / "hello" / "go.mod"
    module.write_text(module.read_text() + "\ntool platform/tools/hello/again\n")
    commands = []
    real = tool_compile._go
    monkeypatch.setattr(tool_compile, "_go", lambda *said: (commands.append(said), real(*said))[1])
    assert [path.name for path in tool_build.build_all(["again", "hello"]).values()] == ["again", "hello"]
    assert len(commands) == 1


def test_what_was_asked_is_printed_and_nothing_else(tools: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tool_build.main(["hello"])
    assert capsys.readouterr().out == f"{tool_build.build('hello')}\n"


def test_the_list_says_what_is_built(tools: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tool_build.main(["--list"])
    assert capsys.readouterr().out.split() == ["hello", "hello", "absent"]
    tool_build.build("hello")
    tool_build.main(["--list"])
    assert capsys.readouterr().out.split() == ["hello", "hello", "built"]


@pytest.fixture
def caches(tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What compiling left, where the user has chosen no folder for it and everything is built."""
    tool_build.build("hello")
    monkeypatch.delenv("GOCACHE")
    monkeypatch.delenv("GOMODCACHE", raising=False)
    monkeypatch.delenv("PLATFORM_KEEP_GO_CACHE", raising=False)
    folders = [tmp_path / "cache" / "platform" / name for name in ("go-build", "go-modules")]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "something").write_text("x")
    return folders


def test_gos_caches_go_when_everything_is_built(tools: Path, caches: list[Path]) -> None:
    tool_build.main(["--all"])
    assert [folder.exists() for folder in caches] == [False, False]


def test_gos_caches_stay_while_a_tool_is_missing(tools: Path, caches: list[Path]) -> None:
    tool_build.build("hello").unlink()
    tool_compile.drop_go_caches(read_families(tools))
    assert [folder.exists() for folder in caches] == [True, True]


def test_gos_caches_stay_on_request(tools: Path, caches: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_KEEP_GO_CACHE", "1")
    tool_build.main(["--all"])
    assert [folder.exists() for folder in caches] == [True, True]


def test_a_cache_that_the_user_chose_is_the_users(
    tools: Path, caches: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOMODCACHE", str(caches[1]))
    tool_build.main(["--all"])
    assert [folder.exists() for folder in caches] == [False, True]


def test_gos_caches_stay_while_another_process_compiles(tools: Path, caches: list[Path]) -> None:
    with tool_compile._using_go_caches(fcntl.LOCK_SH):
        tool_compile.drop_go_caches(read_families(tools))
    assert [folder.exists() for folder in caches] == [True, True]
