"""
What the runner relies on in Metaflow, checked in a process of its own.

In: the Metaflow that this process imports; a folder to work in. Out: JSON on the standard output: for each contract
the sentence that says what no longer holds, or nothing. Never run as `__main__`, which belongs to the flow.
"""
# ruff: noqa: PLC0415, PT017 # each check imports what it checks; no pytest in this process

import inspect
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

Check = Callable[[], None]
CONTRACTS: dict[str, tuple[str, Check]] = {}

FLOW = """
from metaflow import FlowSpec, catch, current, step

class Contract(FlowSpec):
    @step
    def start(self):
        self.items = [5, 6, 7]
        self.next(self.each, foreach="items")

    @step
    def each(self):
        self.seen = self.input
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.seen = [each.seen for each in inputs]
        self.next(self.pick)

    @step
    def pick(self):
        self.way = "b"
        self.next({"a": self.other, "b": self.failing}, condition="way")

    @step
    def other(self):
        self.next(self.failing)

    @catch(var="caught", print_exception=False)
    @step
    def failing(self):
        self.reached = True
        raise ValueError("as asked")
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    Contract()
"""


def contract(sentence: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        CONTRACTS[check.__name__] = (sentence, check)
        return check

    return register


def command(*arguments: str) -> Any:
    """One of Metaflow's own commands on a fresh flow object, the way the runner gives it."""
    from platform_cli.runner.flowfile import metaflow_command, run_flow_file

    run_flow_file(Path("flow.py").resolve(), lambda flow: metaflow_command(flow, "local", list(arguments)))


def step(name: str, task: str, inputs: str, *more: str) -> None:
    command("step", name, "--run-id=argo-c", f"--task-id={task}", f"--input-paths={inputs}", *more)


def task(step_name: str, task_id: str, attempt: int | None = None) -> Any:
    from metaflow.datastore import FlowDataStore
    from metaflow.plugins.datastores.local_storage import LocalStorage

    store = FlowDataStore("Contract", None, storage_impl=LocalStorage, ds_root=str(Path(".metaflow").resolve()))
    return store.get_task_datastore("argo-c", step_name, task_id, attempt=attempt)


def files(step_name: str, task_id: str) -> set[str]:
    return {path.name for path in Path(".metaflow/Contract/argo-c", step_name, task_id).iterdir()}


@contract("A flow that starts itself no longer goes through FlowSpec.__init__(use_cli=True); see runner/flowfile.py.")
def a_flow_file_in_main_calls_the_command_line() -> None:
    from platform_cli.runner.flowfile import run_flow_file

    seen: list[Any] = []
    run_flow_file(Path("flow.py").resolve(), seen.append)
    assert [type(flow).__name__ for flow in seen] == ["Contract"]
    assert type(seen[0]).__module__ == "__main__"


@contract("`init --task-id` no longer leaves the parameters as _parameters/<task id>, attempt 0; see runner/task.py.")
def init_writes_the_parameters() -> None:
    command("init", "--run-id=argo-c", "--task-id=params")
    assert {"0.attempt.json", "0.DONE.lock", "0.data.json"} <= files("_parameters", "params")


@contract("A foreach no longer leaves its width as _foreach_num_splits; see runner/records.py.")
def a_foreach_leaves_its_width() -> None:
    step("start", "t", "argo-c/_parameters/params")
    assert task("start", "t")["_foreach_num_splits"] == 3
    assert task("start", "t")["_task_ok"] is True


@contract("A join no longer takes its inputs in the order of --input-paths; see graph/address.py.")
def a_join_keeps_the_order_of_its_inputs() -> None:
    for index in range(3):
        step("each", f"t-{index}", "argo-c/start/t", f"--split-index={index}")
    step("gather", "t", "argo-c/each/t-0,argo-c/each/t-1,argo-c/each/t-2")
    assert task("gather", "t")["seen"] == [5, 6, 7]


@contract("A switch no longer leaves its choice as _transition[0][0]; see runner/records.py.")
def a_switch_leaves_its_choice() -> None:
    step("pick", "t", "argo-c/gather/t")
    assert task("pick", "t")["_transition"][0] == ["failing"]


@contract("An attempt that failed is no longer marked done with _task_ok false; see runner/records.py.")
def a_failed_attempt_is_done_and_not_ok() -> None:
    try:
        step("failing", "t", "argo-c/pick/t", "--retry-count=0", "--max-user-code-retries=1")
    except ValueError:
        pass
    else:
        raise AssertionError("nothing was raised")
    assert "0.DONE.lock" in files("failing", "t")
    assert task("failing", "t", 0)["_task_ok"] is False


@contract("@catch no longer speaks where the attempt is above --max-user-code-retries; see runner/task.py.")
def catch_speaks_above_the_users_retries() -> None:
    step("failing", "t", "argo-c/pick/t", "--retry-count=1", "--max-user-code-retries=0")
    assert "reached" not in task("failing", "t")
    assert "FailureHandledByCatch" in str(task("failing", "t")["caught"].type)


@contract("A negative --max-user-code-retries is no longer taken; see runner/task.py.")
def the_users_retries_may_be_below_zero() -> None:
    step("failing", "t-late", "argo-c/pick/t", "--retry-count=0", "--max-user-code-retries=-1")
    assert task("failing", "t-late")["_task_ok"] is True


@contract("Metaflow's readers no longer stop at an attempt that never began; see runner/claims.py.")
def readers_stop_at_a_gap() -> None:
    step("end", "t", "argo-c/failing/t", "--retry-count=0")
    step("end", "t", "argo-c/failing/t", "--retry-count=2", "--max-user-code-retries=2")
    assert task("end", "t").attempt == 0
    Path(".metaflow/Contract/argo-c/end/t/1.attempt.json").write_text('{"time": 0}')
    assert task("end", "t").attempt == 2


@contract("Metaflow's readers no longer look at six attempts; see runner/claims.py.")
def there_are_six_attempts() -> None:
    from metaflow.metaflow_config import MAX_ATTEMPTS

    from platform_cli.runner.claims import MOST_ATTEMPTS

    assert MAX_ATTEMPTS == MOST_ATTEMPTS == 6


@contract(
    "A task is no longer cloned by `step --clone-only`, or its origin is no longer recorded; see runner/resume.py."
)
def a_task_is_cloned() -> None:
    from metaflow.clone_util import clone_task_helper

    command("step", "gather", "--run-id=argo-d", "--task-id=t", "--clone-only=argo-c/gather/t")
    noted = [
        json.loads(path.read_text())
        for path in Path(".metaflow/Contract/argo-d/gather/t/_meta").glob("sysmeta_origin*")
    ]
    assert {entry["field_name"]: entry["value"] for entry in noted} == {
        "origin-run-id": "argo-c",
        "origin-task-id": "t",
    }
    names = list(inspect.signature(clone_task_helper).parameters)
    assert names[:8] == [
        *["flow_name", "clone_run_id", "run_id", "step_name", "clone_task_id", "task_id"],
        *["flow_datastore", "metadata_service"],
    ]


@contract("Metaflow no longer reads the log lines that the runner writes; see runner/logs.py.")
def log_lines_are_read() -> None:
    from metaflow.mflog import LOG_SOURCES
    from metaflow.mflog.mflog import parse

    from platform_cli.runner.logs import decorate

    line = parse(decorate(b"caf\xc3\xa9 ]x["))
    assert line is not None
    assert (line.msg, line.logsource) == (b"caf\xc3\xa9 ]x[", b"task")
    assert "task" in LOG_SOURCES


@contract(
    "The hooks of a step decorator have changed, or one with an underscore shows in the graph; see runner/observer.py."
)
def a_decorator_hears_the_step() -> None:
    from platform_cli.runner.flowfile import metaflow_command, run_flow_file
    from platform_cli.runner.observer import Observation, observe

    seen, heard = Observation(), []

    def turn(flow: Any) -> None:
        observe(
            flow, "each", seen, before=lambda inputs: heard.append(len(inputs)), after=lambda: heard.append("after")
        )
        words = [
            "step",
            "each",
            "--run-id=argo-c",
            "--task-id=t-heard",
            "--split-index=1",
            "--input-paths=argo-c/start/t",
        ]
        metaflow_command(flow, "local", words)

    run_flow_file(Path("flow.py").resolve(), turn)
    assert heard == [1, "after"]
    assert 0 < seen.began <= seen.ended
    assert "_platform_step" not in str(task("_parameters", "params")["_graph_info"])


@contract("The step's own code is no longer called from a function named _exec_step_function; see runner/ending.py.")
def the_trace_names_the_caller_of_the_step() -> None:
    try:
        step("failing", "t-trace", "argo-c/pick/t", "--retry-count=0", "--max-user-code-retries=3")
    except ValueError as error:
        assert "_exec_step_function" in [frame.name for frame in traceback.extract_tb(error.__traceback__)]


@contract("Metaflow's own sync no longer reads the metadata that the runner saves; see runner/metadata.py.")
def saved_metadata_are_read_by_metaflow() -> None:
    from metaflow.datastore import FlowDataStore
    from metaflow.metadata_provider.util import sync_local_metadata_from_datastore
    from metaflow.plugins.datastores.local_storage import LocalStorage

    from platform_cli.graph.address import Address
    from platform_cli.runner import metadata, records

    Path("remote").mkdir()
    Path("pod/.metaflow/Contract/argo-c/_meta").mkdir(parents=True)
    Path("pod/.metaflow/Contract/argo-c/_meta/_self.json").write_text("{}")
    remote = FlowDataStore("Contract", None, storage_impl=LocalStorage, ds_root=str(Path("remote").resolve()))
    store = records.Datastore(kind="s3", root="remote", flow="Contract", tasks=remote, store=None)  # type: ignore[arg-type]
    os.environ[metadata.VARIABLE] = str(Path("pod").resolve())
    metadata.save_metadata(store, "argo-c", Address("start"), 0)
    LocalStorage.get_datastore_root_from_config = lambda *_: str(Path("laptop/.metaflow").resolve())
    reader = remote.get_task_datastore("argo-c", "start", "t", attempt=0, allow_not_done=True)
    sync_local_metadata_from_datastore(metadata.FOLDER, reader)
    assert Path("laptop/.metaflow/Contract/argo-c/_meta/_self.json").is_file()


@contract("Metaflow asks git in another place; a pod would start processes for it; see runner/flowfile.py.")
def git_is_asked_through_two_caches() -> None:
    import metaflow
    from metaflow import metaflow_git, metaflow_version

    assert metaflow_git._git_info_cache == {}
    assert metaflow_version.get_version() == metaflow.__version__


@contract("Metaflow's S3 storage has other methods; a step would start a pool of processes; see runner/s3.py.")
def s3_storage_has_the_methods_that_are_replaced() -> None:
    from metaflow.plugins.datastores.s3_storage import S3Storage

    found = {
        name: list(inspect.signature(getattr(S3Storage, name)).parameters) for name in ("save_bytes", "load_bytes")
    }
    assert found == {
        "save_bytes": ["self", "path_and_bytes_iter", "overwrite", "len_hint"],
        "load_bytes": ["self", "paths"],
    }
    assert list(inspect.signature(S3Storage.is_file).parameters) == ["self", "paths"]


def main() -> None:
    Path("flow.py").write_text(FLOW)
    answers = {}
    for name, (sentence, check) in CONTRACTS.items():
        try:
            check()
            answers[name] = ""
        except BaseException as error:
            answers[name] = f"{sentence} ({type(error).__name__}: {error})"
    sys.__stdout__.write("\n" + json.dumps(answers) + "\n")
