"""How a run ended, as an exit code and a sentence: from the class of the exception that the failed task recorded."""

import signal
from pathlib import Path

import pytest

from platform_cli.errors import ExitCode, PlatformError
from platform_cli.records.local import Failure
from platform_cli.runs.local import Finished
from platform_cli.runs.values import Attempt, Run, State, StepRun
from platform_cli.runs.verdict import judge

FILE = Path("flows/risk.py")


def a_run(*failed: str, run_id: str = "17", state: State = State.FAILED) -> Run:
    steps = [StepRun(name="start", width=1, attempts=(an_attempt("1", State.SUCCEEDED),))]
    steps += [StepRun(name=name, width=1, attempts=(an_attempt("2", State.FAILED),)) for name in failed]
    return Run(flow="Risk", metaflow_run_id=run_id, state=state, steps=tuple(steps), seconds=3.0)


def an_attempt(task: str, state: State) -> Attempt:
    return Attempt(task_id=task, number=0, state=state, began=0.0, ended=1.0)


def judged(
    run: Run,
    *,
    error: str = "",
    message: str = "",
    stopped_by: int = 0,
    returncode: int = 1,
    outside: tuple[str, ...] = (),
) -> PlatformError | None:
    finished = Finished(
        run=run,
        returncode=returncode,
        stopped_by=stopped_by,
        lines={("score", "2"): ("reading", "", "KeyError: 'id'")},
        outside=outside,
    )
    return judge(
        finished, FILE, "platform run flows/risk.py", lambda _step, _task: Failure(error=error, message=message)
    )


def test_a_run_that_succeeded_has_no_verdict():
    assert judged(a_run(state=State.SUCCEEDED), returncode=0) is None


@pytest.mark.parametrize(
    ("name", "code"),
    [
        pytest.param("ContractBroken", 65, id="a-broken-contract"),
        pytest.param("ModelRefused", 65, id="a-model-that-is-not-the-registered-one"),
        pytest.param("Conflict", 8, id="a-day-published-from-something-else"),
        pytest.param("NoChampion", 6, id="no-champion"),
        pytest.param("Unreachable", 5, id="a-dead-service"),
        pytest.param("StoreUnsafe", 4, id="a-store-that-cannot-promise"),
    ],
)
def test_an_error_of_the_platform_gives_its_own_exit_code(name: str, code: int):
    error = judged(
        a_run("score"), error=f"platform_cli.errors.{name}", message="bill is null 3 times; wanted none.\n  Mend it."
    )
    assert error is not None
    assert (type(error).__name__, int(error.exit_code)) == (name, code)
    assert str(error) == "step score: bill is null 3 times; wanted none.\n  Mend it."


def test_any_other_exception_is_a_failed_run_with_its_last_lines_and_the_way_to_resume():
    error = judged(a_run("score"), error="builtins.KeyError", message="'id'")
    assert error is not None
    assert error.exit_code is ExitCode.RUN_FAILED
    assert str(error) == (
        "run 17 of Risk failed in step score (task 2): KeyError: 'id'.\n"
        "  Mend it, then resume: platform run flows/risk.py --resume 17\n"
        "  Its last lines:\n"
        "    reading\n"
        "    KeyError: 'id'"
    )


def test_a_name_outside_the_errors_of_the_platform_proves_nothing():
    error = judged(a_run("score"), error="evil.ContractBroken", message="x")
    assert error is not None
    assert error.exit_code is ExitCode.RUN_FAILED


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [
        pytest.param(signal.SIGINT, 130, "interrupted", id="ctrl-c"),
        pytest.param(signal.SIGTERM, 143, "terminated", id="sigterm"),
    ],
)
def test_a_signal_decides_over_everything_that_failed_because_of_it(number: int, code: int, word: str):
    error = judged(a_run("score"), error="builtins.KeyboardInterrupt", message="", stopped_by=number)
    assert error is not None
    assert int(error.exit_code) == code
    assert str(error) == f"run 17 of Risk was {word} in step score.\n  Resume: platform run flows/risk.py --resume 17"


def test_a_run_that_never_began_did_nothing_and_is_a_matter_of_usage():
    error = judged(
        a_run(run_id=""),
        returncode=2,
        outside=("Metaflow 2.19.39 executing Risk for user:me", "Usage: x", "", "Error: Invalid value for '--n': abc"),
    )
    assert error is not None
    assert error.exit_code is ExitCode.USAGE
    assert (
        str(error) == "flows/risk.py: Invalid value for '--n': abc.\n  Its parameters: python flows/risk.py run --help"
    )
