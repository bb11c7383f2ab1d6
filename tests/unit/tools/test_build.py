"""Tools are built once per pin, whole or not at all, also where two processes want one at the same time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import build as tool_build

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


def test_the_second_call_builds_nothing(tools: Path) -> None:
    first = tool_build.build("hello")
    (tools / "hello" / "main.go").write_text("this is no Go")
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


def test_processes_that_build_at_once_build_once(tools: Path) -> None:
    code = (
        "import pathlib, sys; from tools import build; build.TOOLS = pathlib.Path(sys.argv[1])\n"
        "compiled = []; compile_ = build._compile\n"
        "build._compile = lambda *a: (compiled.append(1), compile_(*a))\n"
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
