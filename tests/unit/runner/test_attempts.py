"""Which attempt a launch is: pods are retried, duplicated, killed at any moment, and wake up after their successor."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.runner.harness import Bench

FLOW = """
    import os, time
    from pathlib import Path
    from metaflow import FlowSpec, catch, current, retry, step

    def wait_for(name):
        Path(name + ".waiting").touch()
        while not Path(name).exists():
            time.sleep(0.01)

    if "WAIT_AT_LOAD" in os.environ:
        wait_for(os.environ["WAIT_AT_LOAD"])

    class Attempts(FlowSpec):
        @step
        def start(self):
            self.items = list(range(int(os.environ.get("WIDTH", "2"))))
            self.next(self.each, foreach="items")

        @retry(times=1)
        @catch(var="caught", print_exception=False)
        @step
        def each(self):
            with open("ran.txt", "a") as file:
                file.write("%d\\n" % current.retry_count)
            self.by = os.environ.get("BY", "nobody")
            if "WAIT_IN_STEP" in os.environ:
                wait_for(os.environ["WAIT_IN_STEP"])
            if "FAIL" in os.environ:
                raise ValueError("as asked")
            self.next(self.gather)

        @step
        def gather(self, inputs):
            self.by = [each.by for each in inputs]
            self.next(self.end)

        @step
        def end(self):
            if "FAIL" in os.environ:
                raise ValueError("as asked")

    if __name__ == "__main__":
        Attempts()
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench.with_flow(tmp_path, FLOW)


def by(bench: Bench, **variables: str) -> Bench:
    """The same run, seen by a pod with other variables."""
    return Bench(folder=bench.folder, run=bench.run, environment=variables)


def until(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)


def ran(bench: Bench) -> list[str]:
    file = bench.folder / "ran.txt"
    return file.read_text().split() if file.exists() else []


def finish(process: "subprocess.Popen[str]") -> int:
    process.communicate(timeout=120)
    return process.returncode


def stopped_between_claim_and_attempt(bench: Bench) -> "subprocess.Popen[str]":
    """A process that has its claim and has not begun; stopped by the kernel, whatever it was about to do."""
    for _ in range(20):
        process = bench.start("each", "-0")
        number = len([name for name in bench.files("each", "-0") if "claim" in name]) if ran_before(bench) else 0
        until(lambda n=number: (bench.task_folder("each", "-0") / f"{n}.claim.json").exists(), process)  # type: ignore[misc]
        process.send_signal(signal.SIGSTOP)
        if f"{number}.attempt.json" not in bench.files("each", "-0"):
            return process
        process.kill()
        finish(process)
    raise AssertionError("never met the moment between claim and attempt")


def ran_before(bench: Bench) -> bool:
    return bench.task_folder("each", "-0").is_dir()


@pytest.mark.kills
def test_a_pod_killed_between_its_claim_and_its_first_file_hides_nothing(bench: Bench) -> None:
    """Metaflow's readers stop at an attempt that never began; every later one would be invisible."""
    bench.done("start")
    process = stopped_between_claim_and_attempt(bench)
    process.kill()
    finish(process)
    dead = [name for name in bench.files("each", "-0") if name.endswith("claim.json")]
    by(bench, BY="successor").done("each", "-0", try_=1)
    assert f"{len(dead) - 1}.attempt.json" in bench.files("each", "-0")
    bench.done("each", "-1")
    bench.done("gather")
    assert bench.client("run['gather'].task.data.by") == ["successor", "nobody"]


def test_a_duplicate_pod_of_a_finished_step_begins_nothing_and_tells_argo_the_same(bench: Bench) -> None:
    bench.done("start")
    first = bench.output("start", "splits")
    bench.forget_outputs()
    by(bench, WIDTH="5").done("start", try_=1)
    assert bench.output("start", "splits") == first == [0, 1]
    assert "1.claim.json" not in bench.files("start")


@pytest.mark.kills
def test_a_zombie_that_wakes_before_its_claim_begins_nothing(bench: Bench) -> None:
    bench.done("start")
    zombie = by(bench, WAIT_AT_LOAD="go", BY="zombie").start("each", "-0")
    until((bench.folder / "go.waiting").exists, zombie)
    by(bench, BY="successor").done("each", "-0", try_=1)
    (bench.folder / "go").touch()
    assert finish(zombie) == 0
    assert ran(bench) == ["0"]
    assert "1.attempt.json" not in bench.files("each", "-0")


@pytest.mark.kills
def test_a_zombie_that_wakes_in_its_step_is_not_what_its_children_read(bench: Bench) -> None:
    bench.done("start")
    zombie = by(bench, WAIT_IN_STEP="go", BY="zombie").start("each", "-0")
    until((bench.folder / "go.waiting").exists, zombie)
    zombie.send_signal(signal.SIGSTOP)
    by(bench, BY="successor").done("each", "-0", try_=1)
    (bench.folder / "go").touch()
    zombie.send_signal(signal.SIGCONT)
    assert finish(zombie) == 0
    bench.done("each", "-1")
    bench.done("gather")
    assert bench.client("run['gather'].task.data.by") == ["successor", "nobody"]
    assert ran(bench)[:2] == ["0", "1"]


@pytest.mark.kills
def test_a_zombie_stopped_with_its_claim_in_hand_wakes_to_a_success_that_stays_visible(bench: Bench) -> None:
    """It claimed first, so its attempt is the earlier one, whenever it goes on."""
    bench.done("start")
    zombie = stopped_between_claim_and_attempt(by(bench, BY="zombie"))
    by(bench, BY="successor").done("each", "-0", try_=1)
    zombie.send_signal(signal.SIGCONT)
    assert finish(zombie) == 0
    bench.done("each", "-1")
    bench.done("gather")
    assert bench.client("run['gather'].task.data.by") == ["successor", "nobody"]


@pytest.mark.kills
def test_pods_that_start_at_once_share_no_attempt(bench: Bench) -> None:
    bench.done("start")
    processes = [by(bench, WAIT_IN_STEP="go").start("each", "-0") for _ in range(4)]
    while len(ran(bench)) < 4:
        assert all(process.poll() is None for process in processes)
        time.sleep(0.01)
    (bench.folder / "go").touch()
    assert [finish(process) for process in processes] == [0, 0, 0, 0]
    assert sorted(ran(bench)) == ["0", "1", "2", "3"]


def test_a_failed_attempt_is_followed_by_the_next_number_and_hides_no_success(bench: Bench) -> None:
    bench.done("start")
    assert by(bench, FAIL="1").step("each", "-0").code == 1
    bench.done("each", "-0", try_=1)
    seen = bench.client(
        "[(a.finished, a.successful) for a in (metaflow.Task(f'{name}/argo-x/each/t-0', attempt=n) for n in (0, 1))]"
    )
    assert seen == [[False, False], [True, True]]


def test_a_raw_retry_by_argos_own_button_runs_the_failed_step_on_what_its_parent_left(bench: Bench) -> None:
    """`argo retry` starts {{retries}} at 0 again and raises no epoch."""
    bench.done("start")
    for index in (0, 1):
        bench.done("each", f"-{index}")
    bench.done("gather")
    assert by(bench, FAIL="1").step("end").code == 1
    bench.done("end", try_=0)
    assert bench.client("[run.successful, run['end'].task.current_attempt]") == [True, 1]


def test_a_restart_runs_a_step_that_succeeded_before_and_a_pod_of_before_begins_nothing(bench: Bench) -> None:
    bench.done("start")
    by(bench, BY="before").done("each", "-0")
    by(bench, BY="after").done("each", "-0", "--epoch=1")
    by(bench, BY="late").done("each", "-0", try_=1)
    assert ran(bench) == ["0", "1"]
    assert bench.client("metaflow.Task(f'{name}/argo-x/each/t-0').data.by") == "after"


def test_the_seventh_attempt_is_refused_and_says_how_to_go_on(bench: Bench) -> None:
    bench.done("start")
    folder = bench.task_folder("start").parent.parent / "end" / "t"
    folder.mkdir(parents=True)
    for number in range(6):
        (folder / f"{number}.claim.json").write_text(json.dumps({"epoch": 0}))
    outcome = bench.step("end")
    assert outcome.code == 68
    assert outcome.last_line == (
        "platform-step: end: argo-x/end/t was begun 6 times; wanted at most 6 attempts, which is where Metaflow's "
        "readers stop. Begin a new run from here with `platform resume x`. (exit 68)"
    )
    assert not list(folder.glob("*.attempt.json"))


def test_argos_counter_and_not_the_attempt_decides_when_catch_speaks(bench: Bench) -> None:
    """Two pods never came to claim: the third launch is attempt 0, and the user's two tries are used up."""
    bench.done("start")
    bench.done("each", "-0", try_=2)
    assert ran(bench) == []
    assert "FailureHandledByCatch" in bench.client("metaflow.Task(f'{name}/argo-x/each/t-0').data.caught.type")


def test_after_a_restart_the_users_code_is_tried_again_at_any_attempt(bench: Bench) -> None:
    bench.done("start")
    failing = by(bench, FAIL="1")
    assert failing.step("each", "-0").code == 1
    failing.done("each", "-0", try_=1)
    bench.done("each", "-0", "--epoch=1", try_=0)
    assert ran(bench) == ["0", "1", "2"]
    assert bench.client("metaflow.Task(f'{name}/argo-x/each/t-0').data.caught") is None


def test_catch_handles_what_the_last_try_raised(bench: Bench) -> None:
    bench.done("start")
    by(bench, FAIL="1").done("each", "-0", try_=1)
    assert bench.client("str(metaflow.Task(f'{name}/argo-x/each/t-0').data.caught.exception)") == "as asked"
