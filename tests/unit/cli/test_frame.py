"""The frame around every verb: what it imports, where it writes, how it ends."""

import importlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from platform_cli.cli import main as frame
from platform_cli.errors import Conflict
from tests.unit.cli.frame import PROGRAM, platform

HEAVY = (
    "metaflow",
    "mlflow",
    "hera",
    "kubernetes",
    "pandas",
    "sklearn",
    "numpy",
    "pyarrow",
    "boto3",
    "rich",
    "rich_click",
)

AddVerb = Callable[[Callable[[], None]], None]


@pytest.fixture
def a_verb(monkeypatch: pytest.MonkeyPatch) -> Iterator[AddVerb]:
    """Add a verb `try` that does what the test says."""

    def add(action: Callable[[], None]) -> None:
        module = types.ModuleType("a_verb_of_a_test")
        module.command = click.Command("try", callback=action)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(frame.VERBS, "try", (module.__name__, "A verb of a test."))

    return add


def test_help_imports_nothing_heavy(tmp_path: Path):
    program = (
        "import sys; from platform_cli.cli.main import main; code = main(['--help']);"
        f"heavy = sorted(set({HEAVY!r}) & set(sys.modules)); print(heavy, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (0, "[]\n")


def test_help_names_every_verb_with_its_line(capsys: pytest.CaptureFixture[str]):
    assert frame.main(["--help"]) == 0
    said = capsys.readouterr().out
    for verb, (_, line) in frame.VERBS.items():
        assert verb in said
        assert line.split()[0] in said


@pytest.mark.parametrize("verb", sorted(frame.VERBS))
def test_every_verb_of_the_table_loads_and_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]):
    assert isinstance(importlib.import_module(frame.VERBS[verb][0]).command, click.Command)
    assert frame.main([verb, "--help"]) == 0
    assert "Usage: platform " + verb in capsys.readouterr().out


def test_help_on_a_terminal_is_drawn_and_in_a_pipe_is_plain(tmp_path: Path):
    drawn = on_a_terminal("--help", folder=tmp_path)
    plain = platform("--help", folder=tmp_path).stdout
    assert "╭" in drawn
    assert "╭" not in plain


def test_ci_gets_plain_help_even_on_a_terminal(tmp_path: Path):
    assert "╭" not in on_a_terminal("--help", folder=tmp_path, CI="true")


def test_no_command_is_usage_and_shows_the_verbs(capsys: pytest.CaptureFixture[str]):
    assert frame.main([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Commands:" in said.err


def test_a_verb_that_does_not_exist_is_refused_with_the_one_meant(capsys: pytest.CaptureFixture[str]):
    assert frame.main(["scors"]) == 2
    assert capsys.readouterr().err == (
        'platform: there is no verb "scors". Did you mean "scores"?\n  See `platform --help`.\n'
    )


def test_an_option_that_does_not_exist_is_refused_with_the_one_meant(capsys: pytest.CaptureFixture[str]):
    assert frame.main(["version", "--jsno"]) == 2
    assert capsys.readouterr().err == (
        "platform version: No such option '--jsno'. Did you mean '--json'?\n  See `platform version --help`.\n"
    )


def test_an_error_of_the_platform_is_its_words_and_its_exit_code(a_verb: AddVerb, capsys: pytest.CaptureFixture[str]):
    def conflict() -> None:
        raise Conflict("2026-11-22 is published", wanted="the same input", fix="platform scores show 2026-11-22")

    a_verb(conflict)
    assert frame.main(["try"]) == 8
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "2026-11-22 is published; wanted the same input.\n  platform scores show 2026-11-22\n"


def test_an_exception_nobody_expected_is_one_line_and_the_way_to_the_traceback(
    a_verb: AddVerb, capsys: pytest.CaptureFixture[str]
):
    def fail() -> None:
        raise KeyError("first line\nsecond line")

    a_verb(fail)
    assert frame.main(["try"]) == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert said.startswith("KeyError: ")
    assert "the same command with -v shows the traceback" in said


@pytest.mark.parametrize("words", [["-v", "try"], ["try", "-v"], ["try", "--verbose"]], ids=" ".join)
def test_v_shows_the_traceback_wherever_it_stands(
    words: list[str], a_verb: AddVerb, capsys: pytest.CaptureFixture[str]
):
    def fail() -> None:
        raise KeyError("x")

    a_verb(fail)
    assert frame.main(words) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--env", "staging", "settings"], ["settings", "--env", "staging"]], ids=" ".join)
def test_the_environment_may_be_named_before_or_after_the_verb(words: list[str], tmp_path: Path):
    (tmp_path / "platform.toml").write_text('[environments.staging]\nowner = "somebody"\n')
    done = platform(*words, "--json", folder=tmp_path)
    assert json.loads(done.stdout)["owner"] == "somebody"


def test_an_unknown_environment_is_usage_and_names_the_known(tmp_path: Path):
    done = platform("settings", "--env", "stagin", folder=tmp_path)
    assert (done.returncode, done.stderr) == (2, 'environment "stagin" is not in platform.toml.\n  Known: local.\n')


def test_a_reader_that_left_is_no_error(tmp_path: Path):
    command = f"{sys.executable} -c '{PROGRAM}' completion bash | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_is_said_in_one_line(tmp_path: Path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, "version"],
            # Buffered, as everywhere but where somebody asked otherwise: what stays in the buffer must not fail again.
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "no space left on device, writing stdout.\n")


def test_ctrl_c_is_130_and_one_word(a_verb: AddVerb, capsys: pytest.CaptureFixture[str]):
    def interrupt() -> None:
        raise KeyboardInterrupt

    a_verb(interrupt)
    assert frame.main(["try"]) == 130
    assert capsys.readouterr().err == "interrupted.\n"


def test_sigterm_is_143_and_one_word(a_verb: AddVerb, capsys: pytest.CaptureFixture[str]):
    def wait_for_the_end() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    a_verb(wait_for_the_end)
    assert frame.main(["try"]) == 143
    assert capsys.readouterr().err == "terminated.\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_completion(shell: str, capsys: pytest.CaptureFixture[str]):
    assert frame.main(["completion", shell]) == 0
    assert "_PLATFORM_COMPLETE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "position", "offered"),
    [
        pytest.param("platform sco", "1", "plain,scores", id="a-verb"),
        pytest.param("platform scores ver", "2", "plain,verify", id="a-verb-below-a-verb"),
        pytest.param("platform run --max", "2", "plain,--max-workers", id="an-option"),
    ],
)
def test_completion_knows_verbs_and_options(tmp_path: Path, words: str, position: str, offered: str):
    done = platform(folder=tmp_path, COMP_WORDS=words, COMP_CWORD=position, _PLATFORM_COMPLETE="bash_complete")
    assert offered in done.stdout.splitlines()


def on_a_terminal(*words: str, folder: Path, **environ: str) -> str:
    """What the command writes when stdout is a terminal."""
    main, side = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words], stdout=side, stderr=side, cwd=folder,
        env={**os.environ, "TERM": "xterm", "CI": "", **environ},
    )  # fmt: skip
    os.close(side)
    said = b""
    try:
        while piece := os.read(main, 65536):
            said += piece
    except OSError:
        # Linux says so when the other side of a terminal is closed.
        pass
    os.close(main)
    assert done.wait() == 0
    return said.decode()
