"""The picture of a run comes from Metaflow's own lines; tests/unit/runs/test_local.py pins them with real runs."""

from platform_cli.runs.follow import Follower, TaskLine
from platform_cli.runs.values import Run, State

STAMP = "2026-11-23 17:15:51.395 "


def the_run_after(*lines: str, over: bool = False, succeeded: bool = False) -> Run:
    follower = Follower("Hello")
    for second, line in enumerate(lines):
        follower.feed(STAMP + line, float(second))
    return follower.picture(over=over, succeeded=succeeded)


def test_a_run_has_the_name_that_metaflow_gave_it():
    assert the_run_after("Workflow starting (run-id 17):").metaflow_run_id == "17"


def test_a_step_runs_until_its_task_finishes():
    begun = the_run_after("[17/start/1 (pid 9)] Task is starting.")
    ended = the_run_after("[17/start/1 (pid 9)] Task is starting.", "[17/start/1 (pid 9)] Task finished successfully.")
    assert (begun.steps[0].state, ended.steps[0].state) == (State.RUNNING, State.SUCCEEDED)


def test_a_fan_out_knows_its_width_before_all_its_tasks_begin():
    run = the_run_after(
        "[17/start/1 (pid 9)] Task is starting.",
        "[17/start/1 (pid 9)] Foreach yields 3 child steps.",
        "[17/start/1 (pid 9)] Task finished successfully.",
        "[17/work/2 (pid 10)] Task is starting.",
        "[17/work/2 (pid 10)] Task finished successfully.",
    )
    assert (run.steps[1].name, run.steps[1].done, run.steps[1].width, run.steps[1].state) == (
        "work", 1, 3, State.RUNNING,
    )  # fmt: skip


def test_a_retry_is_another_attempt_of_the_same_task():
    run = the_run_after(
        "[17/work/2 (pid 10)] Task is starting.",
        "[17/work/2 (pid 10)] Task failed.",
        "[17/work/2 (pid 11)] Task is starting (retry).",
        "[17/work/2 (pid 11)] Task finished successfully.",
    )
    [step] = run.steps
    assert [(attempt.number, attempt.state) for attempt in step.attempts] == [(0, State.FAILED), (1, State.SUCCEEDED)]
    assert (step.state, step.retries, step.done) == (State.SUCCEEDED, 1, 1)


def test_the_fallback_of_catch_is_another_attempt():
    run = the_run_after(
        "[17/work/2 (pid 10)] Task is starting.",
        "[17/work/2 (pid 10)] Task failed.",
        "[17/work/2 (pid 11)] Task fallback is starting to handle the failure.",
        "[17/work/2 (pid 11)] Task finished successfully.",
    )
    assert run.steps[0].state is State.SUCCEEDED


def test_a_resumed_run_says_what_it_took_over():
    run = the_run_after("[18/start/1] Cloning previously run task 17/start/1")
    assert run.steps[0].state is State.REUSED


def test_what_still_ran_when_the_run_was_over_has_failed():
    run = the_run_after("[17/start/1 (pid 9)] Task is starting.", over=True)
    assert (run.state, run.steps[0].state) == (State.FAILED, State.FAILED)


def test_what_a_step_prints_is_kept_for_the_day_it_fails():
    follower = Follower("Hello")
    told = follower.feed(f"{STAMP}[17/start/1 (pid 9)] bill_amount_1m is null", 0.0)
    assert told == TaskLine(step="start", task_id="1", text="bill_amount_1m is null")
    assert list(follower.lines["start", "1"]) == ["bill_amount_1m is null"]


def test_only_the_last_lines_are_kept_of_a_step_that_prints_without_end():
    follower = Follower("Hello")
    for number in range(10_000):
        follower.feed(f"{STAMP}[17/start/1 (pid 9)] line {number}", 0.0)
    assert list(follower.lines["start", "1"])[-1] == "line 9999"
    assert len(follower.lines["start", "1"]) == 15


def test_times_are_seconds_since_the_run_began():
    run = the_run_after(
        "Workflow starting (run-id 17):",
        "[17/start/1 (pid 9)] Task is starting.",
        "[17/start/1 (pid 9)] working",
        "[17/start/1 (pid 9)] Task finished successfully.",
        "Done!",
    )
    assert (run.seconds, run.steps[0].seconds(run.seconds)) == (4.0, 2.0)
