"""How long a step took, beside how long it usually takes."""

from platform_cli.runs.usual import with_usual
from platform_cli.runs.values import Attempt, Run, State, StepRun


def a_run(name: str, *seconds: float, state: State = State.SUCCEEDED) -> Run:
    steps = tuple(
        StepRun(name=f"s{place}", width=1, attempts=(
            Attempt(task_id="t", number=0, state=state, began=1.0, ended=1.0 + each),
        ))
        for place, each in enumerate(seconds)
    )  # fmt: skip
    return Run(flow="F", metaflow_run_id=name, state=state, steps=steps, seconds=9.0, name=name, began=float(ord(name)))


def usual(run: Run, *others: Run) -> list[float | None]:
    return [step.usual for step in with_usual(run, others).steps]


def test_what_is_usual_is_the_median_of_each_step():
    assert usual(a_run("x", 1.0, 1.0), a_run("a", 10.0, 2.0), a_run("b", 30.0, 2.0), a_run("c", 12.0, 4.0)) == [
        12.0,
        2.0,
    ]


def test_one_run_is_not_usual():
    assert usual(a_run("x", 1.0), a_run("a", 10.0)) == [None]


def test_runs_that_failed_and_the_run_itself_do_not_count():
    failed = a_run("b", 500.0, state=State.FAILED)
    assert usual(a_run("x", 1.0), a_run("x", 1.0), a_run("a", 10.0), a_run("c", 20.0), failed) == [15.0]


def test_a_step_that_is_new_has_nothing_usual():
    assert usual(a_run("x", 1.0, 1.0), a_run("a", 10.0), a_run("b", 10.0)) == [10.0, None]
