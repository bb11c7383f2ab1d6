"""One step of one flow in one process: what it reads, what it writes, how Metaflow's own client sees it."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.unit.runner.harness import STEP, Bench

FLOW = """
    from metaflow import FlowSpec, Parameter, card, step

    class Shapes(FlowSpec):
        word = Parameter("word", default="default")
        count = Parameter("count", type=int, default=3)

        @step
        def start(self):
            print("hello", self.word)
            self.items = list(range(self.count))
            self.next(self.each, foreach="items")

        @step
        def each(self):
            self.doubled = self.input * 2
            self.next(self.gather)

        @step
        def gather(self, inputs):
            self.values = [each.doubled for each in inputs]
            self.next(self.choose)

        @step
        def choose(self):
            self.way = "long" if len(self.values) > 2 else "short"
            self.next({"long": self.extra, "short": self.end}, condition="way")

        @step
        def extra(self):
            self.extra_seen = True
            self.next(self.end)

        @step
        def end(self):
            print("values", self.values)

    if __name__ == "__main__":
        Shapes()
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench.with_flow(tmp_path, FLOW)


def parameters(**values: str) -> str:
    return "--parameters=" + json.dumps([{"name": name, "value": value} for name, value in values.items()])


def through_choose(bench: Bench, count: int) -> None:
    bench.done("start", "", parameters(word="w", count=str(count)))
    for index in range(count):
        bench.done("each", f"-{index}")
    bench.done("gather")
    bench.done("choose")


def test_metaflows_own_client_sees_the_run_as_its_own(bench: Bench) -> None:
    through_choose(bench, 3)
    bench.done("extra")
    bench.done("end")
    seen = bench.client(
        "{'successful': run.successful, 'finished': run.finished, 'values': run.data.values, 'word': run.data.word,"
        " 'out': run['start'].task.stdout, 'err': run['start'].task.stderr, 'each': sorted(t.id for t in run['each']),"
        " 'attempt': run['end'].task.current_attempt, 'user': 'user:tester' in run.tags}"
    )
    assert seen == {
        "successful": True,
        "finished": True,
        "values": [0, 2, 4],
        "word": "w",
        "out": "hello w\n",
        "err": "",
        "each": ["t-0", "t-1", "t-2"],
        "attempt": 0,
        "user": True,
    }


def test_a_foreach_tells_argo_its_splits_and_a_switch_the_step_it_chose(bench: Bench) -> None:
    through_choose(bench, 3)
    assert bench.output("start", "splits") == [0, 1, 2]
    assert bench.text("choose", "next") == "extra"


def test_a_case_that_goes_straight_to_the_merge_is_followed(bench: Bench) -> None:
    through_choose(bench, 1)
    assert bench.text("choose", "next") == "end"
    bench.done("end")
    assert bench.client("['extra_seen' in run.data, run.data.values]") == [False, [0]]


def test_a_branch_that_ran_in_an_earlier_attempt_is_not_an_input(bench: Bench) -> None:
    """First the switch chose `extra`, after a restart `end`: what `extra` left is no evidence."""
    through_choose(bench, 3)
    bench.done("extra")
    (bench.folder / "flow.py").write_text(
        (bench.folder / "flow.py").read_text().replace("len(self.values) > 2", "len(self.values) > 9")
    )
    bench.done("choose", "", "--epoch=1")
    bench.done("end", "", "--epoch=1")
    assert bench.client("'extra_seen' in run.data") is False


def test_a_step_writes_nothing_for_argo_when_it_decides_nothing(bench: Bench) -> None:
    bench.done("start", "", parameters(count="1"))
    bench.done("each", "-0")
    assert not (bench.folder / "outputs-0-each").exists()


def test_parameters_are_written_once_by_the_first_attempt_of_the_start_step(bench: Bench) -> None:
    bench.done("start", "", parameters(word="first"))
    bench.done("start", "", parameters(word="second"), "--epoch=1")
    assert bench.client("[run['start'].task.current_attempt, run['start'].task.data.word]") == [1, "first"]


def test_a_run_without_given_parameters_takes_the_flows_defaults(bench: Bench) -> None:
    bench.done("start", "", "--parameters=[]")
    assert bench.client("[run['start'].task.data.word, run['start'].task.data.count]") == ["default", 3]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ('[{"name":"wrod","value":"x"}]', 'the flow has no parameter "wrod". Did you mean "word"?'),
        ('[{"name":"count","value":"many"}]', "many is not a valid integer"),
        ("[1", "--parameters is not JSON"),
        ('[{"name":"word","value":"a"},{"name":"word","value":"b"}]', "each name once, with its text as value"),
        ('{"word":"a"}', "each name once, with its text as value"),
    ],
    ids=["unknown name", "wrong type", "no JSON", "a name twice", "no list"],
)
def test_parameters_that_the_flow_does_not_allow_end_the_run_before_any_code(
    bench: Bench, given: str, says: str
) -> None:
    outcome = bench.step("start", "", f"--parameters={given}")
    assert outcome.code == 2
    assert says in outcome.last_line
    assert outcome.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["flow.py", "start"], "the following arguments are required: --run"),
        (["flow.py", "start", "--run=x"], '--run is "x"; wanted argo-<name of the workflow>'),
        (["flow.py", "start", "--run=argo-x", "--try={{retries}}"], '--try is "{{retries}}"; wanted a whole number'),
        (["flow.py", "start", "--run=argo-x", "--path=3"], 'path is "3"; wanted indices such as -3-0'),
        (["flow.py", "start", "--run=argo-x", "--epo=1"], "unrecognized arguments: --epo=1"),
        (["flow.py", "each", "--run=argo-x"], 'path of step "each" is ""; wanted 1 indices'),
        (["flow.py", "eahc", "--run=argo-x"], 'flow Shapes has no step "eahc". Did you mean "each"?'),
        (["flow.py", "start", "--run=argo-x", "--origin=x"], '--origin is "x"; wanted argo-<run>[/<step>]'),
    ],
    ids=["no run", "odd run", "unfilled try", "odd path", "abbreviated", "path too short", "odd step", "odd origin"],
)
def test_arguments_that_the_template_cannot_have_meant_are_refused(
    bench: Bench, arguments: list[str], says: str
) -> None:
    answer = subprocess.run(
        [STEP, *arguments], cwd=bench.folder, env=bench.variables, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 2
    assert says in " ".join(answer.stderr.split())


def test_a_file_that_starts_no_flow_is_refused(bench: Bench) -> None:
    (bench.folder / "flow.py").write_text("x = 1\n")
    outcome = bench.step("start")
    assert (outcome.code, outcome.last_line) == (
        2,
        f"platform-step: start: {bench.folder}/flow.py starts no flow; wanted a flow that the file starts. "
        'End it with `if __name__ == "__main__": TheFlow()`. (exit 2)',
    )


def test_a_step_leaves_its_figures_beside_its_artifacts(bench: Bench) -> None:
    bench.done("start", "", parameters(count="1"))
    figures = json.loads((bench.task_folder("start") / "0.figures.json").read_text())
    measured = {name: figures.pop(name) for name in ("began_seconds", "duration_seconds", "code_seconds")}
    assert 0 < measured["code_seconds"] < measured["duration_seconds"]
    assert figures.pop("cpu_seconds") > 0.05
    assert figures.pop("peak_memory_bytes") > 20 * 2**20
    assert figures == {
        "flow": "Shapes",
        "run": "argo-x",
        "step": "start",
        "path": "",
        "attempt": 0,
        "try": 0,
        "exit_code": 0,
        "exit_class": "",
    }


def test_one_step_is_one_python_process_and_no_shell(bench: Bench) -> None:
    """The step counts the children that its process ever had, and its own parent's."""
    source = bench.folder / "flow.py"
    source.write_text(
        source.read_text().replace(
            'print("hello", self.word)',
            "import os, resource; self.children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss;"
            ' self.mine = open(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read()',
        )
    )
    process = bench.start("start", "", "--parameters=[]")
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert bench.client("[run['start'].task.data.children, run['start'].task.data.mine]") == [0, ""]
    assert json.loads((bench.task_folder("start") / "0.claim.json").read_text())["process"] == process.pid
