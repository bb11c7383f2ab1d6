"""Tools are built once per pin, whole or not at all, also where two processes want one at the same time."""

import os
import subprocess
import sys
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


@pytest.mark.parametrize(("keep", "left"), [("", False), ("1", True)], ids=["dropped", "kept on request"])
def test_the_compilers_cache_goes_when_everything_is_built(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: str, left: bool
) -> None:
    tool_build.build("hello")
    monkeypatch.delenv("GOCACHE")
    monkeypatch.setenv("PLATFORM_KEEP_GO_CACHE", keep)
    cache = tmp_path / "cache" / "platform" / "go-build"
    cache.mkdir()
    tool_build.main(["--all"])
    assert cache.exists() == left


def test_the_compilers_cache_stays_while_a_tool_is_missing(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOCACHE")
    cache = tmp_path / "cache" / "platform" / "go-build"
    cache.mkdir(parents=True)
    tool_compile.drop_build_cache(read_families(tools))
    assert cache.exists()


def test_processes_that_build_at_once_build_once(tools: Path) -> None:
    code = (
        "import pathlib, sys; from tools import build, compile; build.TOOLS = pathlib.Path(sys.argv[1])\n"
        "compiled = []; compile_ = compile._compile\n"
        "compile._compile = lambda *a: (compiled.append(1), compile_(*a))\n"
        "build.build('hello'); print(len(compiled))"
    )
    command = [sys.executable, "-c", code, str(tools)]
    started = [
        subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert sorted(process.communicate()[0].strip() for process in started) == ["0", "0", "1"]


def test_a_folder_without_a_tool_line_is_named(tools: Path) -> None:
    (tools / "hello" / "go.mod").write_text("module platform/tools/hello\n")
    with pytest.raises(SystemExit, match=r"hello/go.mod has no line `tool <package>`"):
        tool_build.build("hello")
