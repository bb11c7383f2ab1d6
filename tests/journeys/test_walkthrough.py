"""The walkthrough's commands run, in order, and print what the page shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "walkthrough.md"
BLOCK = re.compile(r"```console\n(.*?)```", flags=re.DOTALL)
EXIT = re.compile(r"\[exit code (\d+)\]")

pytestmark = pytest.mark.slow


def commands_of(page: str) -> list[tuple[str, str]]:
    """Each command of the page with what is shown below it."""
    return [
        (first, shown)
        for block in BLOCK.findall(page)
        for first, _, shown in (entry.partition("\n") for entry in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:])
    ]


def run(command: str, place: Path) -> str:
    environ = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    environ |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "METAFLOW_USER": "you", "NO_COLOR": "1"}
    done = subprocess.run(
        ["sh", "-c", command],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=place,
        env=environ,
        timeout=600,
    )
    text = done.stdout.replace(str(place), "~/platform")
    lines = [line.rstrip() for line in text.splitlines()]
    lines += [f"[exit code {done.returncode}]"] if done.returncode else []
    return "".join(f"{line}\n" for line in lines)


def shape(text: str) -> list[str]:
    """What must be the same on every machine and day: the words, without identities, numbers and alignment."""
    text = re.sub(r"\b[0-9a-f]{12,}\b", "<id>", text)
    text = re.sub(r"\d+ min \d+ s|[\d.]+ s\b", "<time>", text)
    text = re.sub(r"-?\d[\d,.:T+-]*(e-\d+)?%?", "<n>", text)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def test_every_command_of_the_walkthrough_prints_what_the_page_shows(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "flows").symlink_to(ROOT / "flows")
    page = PAGE.read_text()
    written, at, differing = "", 0, []
    for command, shown in commands_of(page):
        printed = run(command, tmp_path)
        assert EXIT.findall(printed) == EXIT.findall(shown), f"$ {command}\n{printed}"
        entry = f"$ {command}\n{shown}"
        found = page.index(entry, at)
        written += page[at:found] + f"$ {command}\n{printed}"
        at = found + len(entry)
        if shape(printed) != shape(shown):
            differing.append(f"$ {command}\n{printed}\n-- the page shows\n{shown}")
    if request.config.getoption("--update-golden"):
        PAGE.write_text(written + page[at:])
        return
    assert not differing, "\n".join(differing)
