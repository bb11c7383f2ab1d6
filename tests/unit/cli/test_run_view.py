"""A run on stderr: what a person at a terminal sees, and what a log keeps."""

import io

import pytest
from rich.console import Console

from platform_cli.cli.run_view import _tree, view_of
from platform_cli.runs.follow import Follower

STAMP = "2026-11-23 17:15:51.395 "
A_RETRY = (
    "Workflow starting (run-id 17):",
    "[17/start/1 (pid 9)] Task is starting.",
    "[17/start/1 (pid 9)] Foreach yields 2 child steps.",
    "[17/start/1 (pid 9)] Task finished successfully.",
    "[17/work/2 (pid 10)] Task is starting.",
    "[17/work/3 (pid 11)] Task is starting.",
    "[17/work/3 (pid 11)] half way",
    "[17/work/3 (pid 11)] Task failed.",
    "[17/work/3 (pid 12)] Task is starting (retry).",
    "[17/work/2 (pid 10)] Task finished successfully.",
)


def shown(capsys: pytest.CaptureFixture[str], *lines: str, verbose: bool = False) -> list[str]:
    follower = Follower("Risk")
    with view_of("Risk", verbose=verbose) as watch:
        for second, line in enumerate(lines):
            watch(follower, follower.feed(STAMP + line, float(second)))
    said = capsys.readouterr()
    assert said.out == ""
    return said.err.splitlines()


def test_a_log_gets_one_line_for_each_news(capsys: pytest.CaptureFixture[str]):
    last = "[17/work/3 (pid 12)] Task finished successfully."
    assert shown(capsys, *A_RETRY, last) == [
        "Risk 17",
        "  ✓ start                2.0 s",
        "  ↻ work task 3, attempt 1: the one before failed",
        "  ✓ work                 6.0 s  2/2 tasks, 1 retry",
    ]


def test_a_step_that_failed_for_good_is_told_when_the_run_is_over(capsys: pytest.CaptureFixture[str]):
    assert shown(capsys, *A_RETRY, "[17/work/3 (pid 12)] Task failed.")[-1] == (
        "  ✗ work                 6.0 s  failed, 1/2 tasks, 1 retry"
    )


def test_what_steps_print_is_shown_when_asked_for(capsys: pytest.CaptureFixture[str]):
    assert "    work/3: half way" in shown(capsys, *A_RETRY, verbose=True)
    assert "    work/3: half way" not in shown(capsys, *A_RETRY)


def test_a_terminal_gets_a_tree_with_progress():
    follower = Follower("Risk")
    for second, line in enumerate(A_RETRY):
        follower.feed(STAMP + line, float(second))
    page = io.StringIO()
    Console(file=page, width=80).print(_tree(follower.picture(), now=12.0))
    assert page.getvalue().splitlines() == [
        "Risk 17",
        "├── ✓ start                2.0 s",
        "└── • work                 8.0 s  1/2 tasks, 1 retry",
    ]
