"""A run's records are read without Metaflow; real `platform-step` processes and Metaflow's own runtime wrote them."""

import signal
import sys
import time
from pathlib import Path

import pytest

from platform_cli.records.run import Claim, RunRecords, parse_log
from platform_cli.runs.recorded import metaflow_attempts, read_recorded
from platform_cli.runs.values import Attempt, Run, State, StepRun
from platform_cli.store import open_store
from tests.unit.cli.frame import platform
from tests.unit.runner.harness import Bench

FLOW = """
    import os, sys, time
    from metaflow import FlowSpec, retry, step

    class Told(FlowSpec):
        @step
        def start(self):
            print("one")
            print("two", file=sys.stderr)
            time.sleep(0.3)
            print("three")
            self.shards = [0, 1]
            self.next(self.work, foreach="shards")

        @retry(times=2)
        @step
        def work(self):
            print("shard", self.input, flush=True)
            sys.stdout.write("no end")
            sys.stdout.flush()
            time.sleep(float(os.environ.get("SLEEP", "0")))
            if os.environ.get("FAIL"):
                raise ValueError("no such shard")
            self.next(self.join)

        @step
        def join(self, inputs):
            self.next(self.end)

        @step
        def end(self):
            pass

    if __name__ == "__main__":
        Told()
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench.with_flow(tmp_path, FLOW)


def records_of(bench: Bench) -> RunRecords:
    return RunRecords(open_store(str(bench.folder / ".metaflow")), "Told", bench.run)


@pytest.mark.slow
def test_an_attempt_succeeded_when_metaflow_says_its_task_is_ok(bench: Bench):
    bench.done("start", "", "--parameters=[]")
    bench.environment["FAIL"] = "1"
    assert bench.step("work", "-0").code == 1
    del bench.environment["FAIL"]
    bench.done("work", "-0", try_=1)
    records = records_of(bench)
    assert [records.attempts("start", "t"), records.attempts("work", "t-0"), records.attempts("work", "t-1")] == [
        [0],
        [0, 1],
        [],
    ]
    assert [records.succeeded("start", "t", 0), records.succeeded("work", "t-0", 0)] == [True, False]
    assert records.succeeded("work", "t-0", 1)
    assert records.is_done("work", "t-0", 0)
    figures = records.figures("work", "t-0", 0)
    assert (figures["exit_class"], figures["exit_code"]) == ("builtins.ValueError", 1)
    claim = records.claim("work", "t-0", 1)
    assert isinstance(claim, Claim)
    assert (claim.try_, claim.cloned) == (1, "")


@pytest.mark.slow
def test_both_streams_of_a_log_are_one_in_the_order_of_their_times_and_equal_metaflows(bench: Bench):
    bench.done("start", "", "--parameters=[]")
    lines = records_of(bench).lines("start", "t", 0)
    assert [(line.text, line.stream) for line in lines] == [("one", "stdout"), ("two", "stderr"), ("three", "stdout")]
    assert lines[0].time <= lines[1].time < lines[2].time
    assert bench.client("run['start'].task.stdout") == "one\nthree\n"


@pytest.mark.slow
def test_a_last_line_without_an_end_is_stored_however_long_ago_it_was_printed(bench: Bench):
    bench.done("start", "", "--parameters=[]")
    bench.environment["SLEEP"] = "2"
    bench.done("work", "-0")
    assert [line.text for line in records_of(bench).lines("work", "t-0", 0)] == ["shard 0", "no end"]


@pytest.mark.slow
@pytest.mark.kills
def test_a_killed_attempt_is_told_as_failed_with_the_lines_it_had_said(bench: Bench):
    bench.done("start", "", "--parameters=[]")
    bench.environment["SLEEP"] = "60"
    process = bench.start("work", "-1")
    while not any(line.text == "shard 1" for line in records_of(bench).lines("work", "t-1", 0)):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    run = read_recorded(records_of(bench), now=0.0)
    assert run is not None
    (step,) = (step for step in run.steps if step.name == "work")
    assert (run.state, step.state, step.attempts[0].exit_code) == (State.FAILED, State.FAILED, None)
    assert [line.text for line in records_of(bench).lines("work", "t-1", 0)] == ["shard 1"]


@pytest.mark.slow
def test_a_run_of_this_machine_is_listed_shown_and_its_log_read(bench: Bench):
    done = platform("run", "flow.py", "--json", folder=bench.folder)
    assert done.returncode == 0, done.stderr
    listed = platform("list", folder=bench.folder)
    assert [line.split()[1:3] for line in listed.stdout.splitlines()[1:]] == [["Told", "succeeded"]]
    run = listed.stdout.splitlines()[1].split()[0]
    shown = platform("status", "@latest", folder=bench.folder)
    assert [line.split()[:2] for line in shown.stdout.splitlines()] == [
        ["✓", run], ["✓", "start"], ["✓", "work"], ["✓", "join"], ["✓", "end"],
    ]  # fmt: skip
    assert shown.stderr == f"@latest is {run}\n"
    said = platform("logs", run, "start", folder=bench.folder).stdout.splitlines()
    assert sorted(said) == ["one", "three", "two"]
    several = platform("logs", run[:6], "work", folder=bench.folder).stdout.splitlines()
    asked = {"_PLATFORM_COMPLETE": "bash_complete", "COMP_WORDS": f"platform logs {run[:4]}", "COMP_CWORD": "2"}
    assert platform(folder=bench.folder, **asked).stdout == f"plain,{run}\n"
    assert sorted(several) == ["work | no end", "work | no end", "work | shard 0", "work | shard 1"]


def test_a_line_without_the_format_belongs_to_the_time_before_it():
    body = b"[MFLOG|0|2026-11-23T10:00:00.5Z|task|1]a]b\n\tcontinued\n[MFLOG|0|2026-11-23T10:00:01.5Z|task|2]\n"
    assert [(line.time, line.text) for line in parse_log(body, "stdout")] == [
        ("2026-11-23T10:00:00.5Z", "a]b"),
        ("2026-11-23T10:00:00.5Z", "\tcontinued"),
        ("2026-11-23T10:00:01.5Z", ""),
    ]


class Claims(RunRecords):
    """Records of one task, written out."""

    def __init__(self, *claims: tuple[int, float]) -> None:
        self._claims = claims

    def attempts(self, step: str, task: str) -> list[int]:  # noqa: ARG002
        return list(range(len(self._claims)))

    def claim(self, step: str, task: str, attempt: int) -> Claim:  # noqa: ARG002
        number, at = self._claims[attempt]
        return Claim(try_=number, host="pod", time=at)


def a_run(*attempts: tuple[int, float, State]) -> tuple[Run, StepRun]:
    told = tuple(
        Attempt(task_id="t", number=number, state=state, began=began, ended=None if state is State.RUNNING else began,
                node=f"n{number}")
        for number, began, state in attempts
    )  # fmt: skip
    step = StepRun(name="work", width=1, attempts=told)
    run = Run(flow="Told", metaflow_run_id="argo-x", state=State.RUNNING, steps=(step,), seconds=9.0, began=1000.0)
    return run, step


@pytest.mark.parametrize(
    ("claims", "attempts", "numbers"),
    [
        pytest.param([(0, 1003.0), (1, 1013.0)], [(0, 0.0, State.FAILED), (1, 10.0, State.FAILED)],
                     {"n0": 0, "n1": 1}, id="as they came"),
        pytest.param([(0, 1003.0), (1, 1013.0), (0, 1053.0)], [(0, 50.0, State.RUNNING)], {"n0": 2},
                     id="argo counts anew after a restart by hand"),
        pytest.param([(0, 1003.0), (1, 1013.0)], [(0, 50.0, State.RUNNING)], {},
                     id="begun after a restart, and not yet claimed"),
        pytest.param([(0, 1003.0), (0, 1005.0)], [(0, 0.0, State.RUNNING)], {"n0": 1},
                     id="the duplicate pod that came later is the one that counts"),
    ],
)  # fmt: skip
def test_metaflows_number_of_an_attempt_is_found_by_who_claimed_it_when(
    claims: list[tuple[int, float]], attempts: list[tuple[int, float, State]], numbers: dict[str, int]
):
    run, step = a_run(*attempts)
    assert metaflow_attempts(Claims(*claims), run, step) == numbers


def test_the_program_under_test_does_not_import_metaflow():
    import subprocess  # noqa: PLC0415

    program = "import sys, platform_cli.records.run, platform_cli.runs.recorded; print('metaflow' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "False\n"
