"""A cluster's run as a person sees it, from what a real cluster said."""

import io

from rich.console import Console

from platform_cli.cli.run_tree import lines_of, news_of, tree_of
from platform_cli.runs.usual import with_usual
from tests.unit.runs.documents import recorded, run_of


def test_a_run_is_a_tree_of_its_steps_with_what_failed_below_them():
    assert lines_of(run_of(recorded("exception"))) == [
        "✗ trouble-5671f73286  Trouble  failed  2 min 59 s",
        "  ✓ start                           37 s",
        "  ✗ work                            33 s  failed",
        "      main: Error (exit code 1)",
        "  · end                       left out",
    ]


def test_what_a_step_waits_for_is_said_in_plain_words():
    lines = lines_of(run_of(recorded("no_room")))
    assert lines[2] == (
        "      none of 3 nodes can take it: 1 is not of the pool it asks for, 2 are reserved by a taint"
    )


def test_a_fan_out_is_one_line_and_a_step_stands_beside_its_usual_time():
    run = run_of(recorded("fan_out"))
    others = [type(run)(**{**vars(run), "name": name}) for name in ("a", "b")]
    lines = lines_of(with_usual(run, others))
    assert [line.split("  ")[-1] for line in lines[1:3]] == ["usually 38 s", "2/2 tasks, usually 29 s"]


def test_a_terminal_gets_the_same_tree():
    page = io.StringIO()
    Console(file=page, width=100).print(tree_of(run_of(recorded("memory")), {"start": 12.0}))
    drawn = page.getvalue().splitlines()
    assert drawn[0].startswith("✓ trouble-922a144a9a  Trouble  succeeded")
    assert drawn[1].endswith("1 retry, usually 12 s")


def test_a_log_gets_a_line_for_each_thing_that_happened():
    assert [line.split()[:2] for line in news_of(run_of(recorded("memory")))][1:] == [
        ["✗", "start"], ["✓", "start"], ["✓", "work"], ["✓", "end"], ["✓", "trouble-922a144a9a"],
    ]  # fmt: skip
