"""A new run takes over what an earlier one finished, and runs again what lies at or behind the chosen step."""

import json
from pathlib import Path

import pytest

from tests.unit.runner.harness import Bench

FLOW = """
    import os
    from metaflow import FlowSpec, Parameter, step

    class Again(FlowSpec):
        word = Parameter("word", default="none")

        @step
        def start(self):
            self.seen = [os.environ.get("BY", "first")]
            self.next(self.left, self.right)

        @step
        def left(self):
            self.seen = self.seen + ["left by " + os.environ.get("BY", "first")]
            self.next(self.join)

        @step
        def right(self):
            if "FAIL" in os.environ:
                raise ValueError("as asked")
            self.seen = self.seen + ["right by " + os.environ.get("BY", "first")]
            self.next(self.join)

        @step
        def join(self, inputs):
            self.seen = [inputs.left.seen, inputs.right.seen]
            self.next(self.end)

        @step
        def end(self):
            self.said = self.word

    if __name__ == "__main__":
        Again()
"""


def parameters(word: str) -> str:
    return "--parameters=" + json.dumps([{"name": "word", "value": word}, {"name": "platform-epoch", "value": "0"}])


@pytest.fixture
def failed(tmp_path: Path) -> Bench:
    """A run whose step `right` failed."""
    bench = Bench.with_flow(tmp_path, FLOW, run="argo-first")
    bench.done("start", "", parameters("old"))
    bench.done("left")
    assert Bench(folder=tmp_path, run=bench.run, environment={"FAIL": "1"}).step("right").code == 1
    return bench


def resumed(bench: Bench, origin: str, *steps: str) -> Bench:
    again = Bench(folder=bench.folder, run="argo-second", environment={"BY": "second"})
    for step in steps:
        flags = [parameters("new")] if step == "start" else []
        again.done(step, "", f"--origin={origin}", *flags)
    return again


def test_what_succeeded_is_taken_over_and_what_failed_is_run(failed: Bench) -> None:
    again = resumed(failed, "argo-first", "start", "left", "right", "join", "end")
    assert again.client("[run.successful, run['join'].task.data.seen, run.data.said]") == [
        True,
        [["first", "left by first"], ["first", "right by second"]],
        "old",
    ]
    assert again.client("[run['left'].task.origin_pathspec, run['join'].task.origin_pathspec]") == [
        "Again/argo-first/left/t",
        None,
    ]


def test_the_chosen_step_and_what_follows_it_are_run_although_they_succeeded(failed: Bench) -> None:
    again = resumed(failed, "argo-first/left", "start", "left", "right", "join")
    assert again.client("run['join'].task.data.seen") == [["first", "left by second"], ["first", "right by second"]]


def test_from_the_start_everything_is_run_with_new_parameters(failed: Bench) -> None:
    again = resumed(failed, "argo-first/start", "start", "left", "right", "join", "end")
    assert again.client("[run['join'].task.data.seen[0], run.data.said]") == [["second", "left by second"], "new"]


def test_a_task_whose_input_was_run_again_is_not_taken_over(failed: Bench) -> None:
    """`left` succeeded there, but here it would rest on another `start`."""
    again = Bench(folder=failed.folder, run="argo-second", environment={"BY": "second"})
    again.done("start", "", parameters("new"))
    again.done("left", "", "--origin=argo-first")
    assert again.client("run['left'].task.data.seen") == ["second", "left by second"]


def test_a_resumed_run_can_be_resumed(failed: Bench) -> None:
    resumed(failed, "argo-first", "start", "left")
    third = Bench(folder=failed.folder, run="argo-third", environment={"BY": "third"})
    for step in ("start", "left", "right", "join"):
        third.done(step, "", "--origin=argo-second")
    assert third.client("run['join'].task.data.seen") == [["first", "left by first"], ["first", "right by third"]]
