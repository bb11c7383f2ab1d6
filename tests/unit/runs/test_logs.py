"""Two sources of one log, and no line lost or doubled."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_cli.errors import NotFound
from platform_cli.records.run import LogLine
from platform_cli.runs.logs import Choice, Piece, Seam, Wish, is_argos_own, merged, pieces_of, read_pod_lines
from platform_cli.runs.values import Attempt, Run, State, StepRun

STAMP = "2026-11-23T10:00:00.1Z"
texts = st.sampled_from(["", "a", "b", "epoch 1", "epoch 2"])


def lines(*words: str) -> list[LogLine]:
    return [LogLine(time=f"2026-11-23T10:00:{number:02d}Z", text=word) for number, word in enumerate(words)]


@given(stored=st.lists(texts), heard=st.data())
def test_what_the_pod_did_not_say_is_taken_from_the_store_and_nothing_twice(stored: list[str], heard: st.DataObject):
    kept = heard.draw(st.lists(st.booleans(), min_size=len(stored), max_size=len(stored)))
    live = heard.draw(st.permutations([text for text, was_heard in zip(stored, kept, strict=True) if was_heard]))
    seam = Seam()
    shown = [line.text for line in seam.first(lines(*live))] + [line.text for line in seam.rest(lines(*stored))]
    assert Counter(shown) == Counter(stored)


def test_what_only_the_pod_said_stays():
    seam = Seam()
    heard = [line.text for line in seam.first(lines("before the log was taken", "a"))]
    assert heard == ["before the log was taken", "a"]
    assert seam.rest(lines("a")) == []


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ('time=2026-11-23T10:00:00.000Z level=INFO msg="sub-process exited" argo=true error="<nil>"', True),
        ('time="2026-11-23T10:00:00.000Z" level=info msg="capturing logs" argo=true', True),
        ('{"time":"2026-11-23T10:00:00Z","level":"INFO","msg":"capturing logs","argo":true}', True),
        ('time=2026-11-23T10:00:00.000Z level=INFO msg="a step that logs like this"', False),
        ("sub-process exited", False),
    ],
    ids=["logfmt", "quoted", "json", "a step's own logfmt", "a step's own words"],
)
def test_argoexecs_own_lines_are_told_from_the_steps(text: str, own: bool):
    assert is_argos_own(text) is own
    assert list(read_pod_lines([f"2026-11-23T10:00:00.1Z {text}"])) == ([] if own else [LogLine(time=STAMP, text=text)])


def test_how_argoexec_ends_is_not_what_a_step_said():
    raw = [f"{STAMP} {text}" for text in ("Error: exit status 2", "a step that checks others", "Error: exit status 1")]
    assert [line.text for line in read_pod_lines(raw)] == ["Error: exit status 2", "a step that checks others"]


def test_a_last_line_without_an_end_is_taken_apart_from_what_argoexec_goes_on_with():
    own = 'time=2026-11-23T10:00:01.000Z level=INFO msg="sub-process exited" argo=true error="<nil>"'
    assert list(read_pod_lines([f"{STAMP} no end{own}"])) == [LogLine(time=STAMP, text="no end")]


def test_lines_of_several_tasks_come_in_the_order_of_their_times():
    one, two = Piece(step="work", task_id="t-0", number=0), Piece(step="work", task_id="t-1", number=1)
    first, second = lines("a", "b", "c"), [LogLine(time="2026-11-23T10:00:01.5Z", text="between")]
    together = list(merged([(one, first), (two, second)]))
    assert [each.line.text for each in together] == ["a", "b", "between", "c"]
    assert {each.piece.label for each in together} == {"work-0", "work-1 (attempt 1)"}


def test_a_clock_that_steps_back_turns_no_two_lines_of_a_task_round():
    piece = Piece(step="work", task_id="t", number=0)
    back = [LogLine(time="2026-11-23T10:00:09Z", text="a"), LogLine(time="2026-11-23T10:00:01Z", text="b")]
    assert [each.line.text for each in merged([(piece, back)])] == ["a", "b"]


def test_a_wish_is_for_time_and_words():
    wish = Wish(since="2026-11-23T10:00:01", grep=re.compile("epoch"))
    assert [line.text for line in lines("epoch 0", "epoch 1", "loss", "epoch 3") if wish(line)] == [
        "epoch 1",
        "epoch 3",
    ]


def an_attempt(task: str, number: int, state: State) -> Attempt:
    ended = None if state is State.RUNNING else 2.0
    return Attempt(task_id=task, number=number, state=state, began=1.0, ended=ended, node=f"{task}({number})")


RUN = Run(
    flow="Told", metaflow_run_id="argo-x", state=State.RUNNING, seconds=9.0, name="x",
    steps=(
        StepRun(name="start", width=1, attempts=(an_attempt("t", 0, State.SUCCEEDED),)),
        StepRun(name="work", width=3, attempts=(
            an_attempt("t-0", 0, State.FAILED), an_attempt("t-0", 1, State.SUCCEEDED),
            an_attempt("t-10", 0, State.RUNNING), an_attempt("t-1-5", 0, State.FAILED),
            an_attempt("t-2", 0, State.PENDING),
        )),
        StepRun(name="end", width=1, attempts=()),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "nodes"),
    [
        pytest.param(Choice(), ["t(0)", "t-0(1)", "t-10(0)", "t-1-5(0)"], id="the latest attempt of every task"),
        pytest.param(Choice(place="work-1"), ["t-1-5(0)"], id="a path, and what is below it"),
        pytest.param(Choice(place="work-0"), ["t-0(1)"], id="one task"),
        pytest.param(Choice(failed=True), ["t-0(0)", "t-1-5(0)"], id="what failed, though a later attempt did not"),
        pytest.param(Choice(place="end"), [], id="a step that has not begun"),
    ],
)
def test_the_attempts_that_are_meant_are_found(choice: Choice, nodes: list[str]):
    assert [piece.attempt.node for piece in pieces_of(RUN, None, choice) if piece.attempt] == nodes


def test_a_step_that_the_flow_does_not_have_is_named():
    with pytest.raises(NotFound, match=r'the run has no step "wrok"(.|\n)*Did you mean "work"\?'):
        pieces_of(RUN, None, Choice(place="wrok-0"))
