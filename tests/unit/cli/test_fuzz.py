"""Command lines that nobody would type: no traceback, a code of the contract, nothing written on exit 2."""

import random
from pathlib import Path

import pytest

from platform_cli.cli import main as frame
from platform_cli.errors import ExitCode

WORDS = [
    *(*frame.VERBS, "list", "show", "get", "verify", "rnu", "--help", "-h", "--version", "--json", "-v", "--jsn", "--"),
    *("latest", "2026-11-22", "2026-13-45", "--env", "local", "nowhere", "--flow", "riskiness-score", "--contract"),
    *("-o", "out.csv", "out.parquet", "--force", "-p", "a=b", "a", "=", "--resume", "1", "--max-workers", "0", "-1"),
    *("99999999999999999999", "--top", "nan", "bash", "", " ", "-", "ü", "'", '"', "$(id)", "{{x}}", "%s", "\n"),
    *("\udcff", "../../etc/passwd", "/", ".", "none.py"),
]

# These verbs change an environment or reach for a service; the fuzz is about the frame, not about them.
FORBIDDEN = {"models"}


def command_lines(count: int) -> list[list[str]]:
    random_words = random.Random(20261122)
    lines = []
    while len(lines) < count:
        line = [random_words.choice(WORDS) for _ in range(random_words.randint(0, 6))]
        if random_words.random() < 0.7:
            line.insert(0, random_words.choice(sorted(frame.VERBS)))
        if not FORBIDDEN & set(line):
            lines.append(line)
    return lines


def test_any_command_line_ends_with_a_code_of_the_contract_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    known = {int(code) for code in ExitCode}
    for line in command_lines(2000):
        before = everything_below(tmp_path)
        code = frame.main(line)
        said = capsys.readouterr()
        assert code in known, line
        assert code != ExitCode.FAILED, (line, said.err)
        assert "-v" in line or "--verbose" in line or "Traceback" not in said.err, line
        if code == ExitCode.USAGE:
            assert said.out == "", line
            assert said.err.strip(), line
            assert everything_below(tmp_path) == before, line


def everything_below(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))
