"""The walkthrough's commands run, in order, and print what the page shows."""

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "walkthrough.md"
BLOCK = re.compile(r"```console\n(.*?)```", flags=re.DOTALL)
CLUSTER = "## 7. The same in a cluster"
EXIT = re.compile(r"\[exit code (\d+)\]")

pytestmark = pytest.mark.slow


def commands_of(page: str) -> list[tuple[str, str]]:
    """Each command of the page with what is shown below it."""
    return [
        (first, shown)
        for block in BLOCK.findall(page)
        for first, _, shown in (entry.partition("\n") for entry in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:])
    ]


def run(command: str, place: Path, **more: str) -> str:
    environ = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    environ |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "METAFLOW_USER": "you", "NO_COLOR": "1"}
    environ |= more
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
    text = done.stdout.replace(str(place), "~/platform").replace(str(Path.home()), "~")
    lines = [line.rstrip() for line in text.splitlines()]
    lines += [f"[exit code {done.returncode}]"] if done.returncode else []
    return "".join(f"{line}\n" for line in lines)


def shape(text: str) -> list[str]:
    """What must be the same on every machine and day: the words, without identities, numbers and alignment."""
    # What is usual depends on the runs there were.
    text = re.sub(r", usually .*|  usually .*", "", text)
    text = re.sub(r"(?<=-)[0-9a-f]{10}(?![0-9a-z])|\b[0-9a-f]{12,}\b", "<id>", text)
    text = re.sub(r"\d+ min \d+ s|[\d.]+ s\b", "<time>", text)
    text = re.sub(r"-?\d[\d,.:T+-]*(e-\d+)?%?", "<n>", text)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder in which the commands run, with this checkout's flows."""
    (tmp_path / "flows").symlink_to(ROOT / "flows")
    return tmp_path


def follow(page: str, run_one: Callable[[str], str]) -> tuple[str, list[str]]:
    """Run the commands of a page; returns the page with what they printed, and where that differs from it."""
    written, at, differing = "", 0, []
    for command, shown in commands_of(page):
        printed = run_one(command)
        assert EXIT.findall(printed) == EXIT.findall(shown), f"$ {command}\n{printed}"
        entry = f"$ {command}\n{shown}"
        found = page.index(entry, at)
        written += page[at:found] + f"$ {command}\n{printed}"
        at = found + len(entry)
        if shape(printed) != shape(shown):
            differing.append(f"$ {command}\n{printed}\n-- the page shows\n{shown}")
    return written + page[at:], differing


def test_every_command_of_the_walkthrough_on_this_machine_prints_what_the_page_shows(
    place: Path, request: pytest.FixtureRequest
) -> None:
    here, mark, rest = PAGE.read_text().partition(CLUSTER)
    page, differing = follow(here, lambda command: run(command, place))
    if request.config.getoption("--update-golden"):
        PAGE.write_text(page + mark + rest)
        return
    assert not differing, "\n".join(differing)


@pytest.mark.cluster
def test_every_command_of_the_walkthrough_in_the_cluster_prints_what_the_page_shows(
    cluster: object, place: Path, request: pytest.FixtureRequest
) -> None:
    here, mark, rest = PAGE.read_text().partition(CLUSTER)
    (place / "platform.toml").symlink_to(ROOT / "platform.toml")
    # Somebody who was never here before: the same work would not be done twice.
    somebody = f"you-{uuid.uuid4().hex[:8]}"
    who = {"METAFLOW_USER": somebody, "PLATFORM_ENV": "kind"}
    page, differing = follow(rest, lambda command: run(command, place, **who).replace(somebody, "you"))
    if request.config.getoption("--update-golden"):
        PAGE.write_text(here + mark + page)
        return
    assert not differing, "\n".join(differing)
