"""Real Workflow documents become runs; tests/unit/runs/documents/README.md says where they come from."""

import base64
import copy
import gzip
import json
from typing import Any

import pytest

from platform_cli.cluster.cluster import unpacked
from platform_cli.runs.values import Run, State
from platform_cli.runs.workflow import (
    flow_file_of,
    is_in_a_fan_out,
    parameters_of,
    pod_name,
    read_workflow,
    step_templates,
)
from tests.unit.runs.documents import recorded, run_of


def states(run: Run) -> dict[str, str]:
    return {step.name: step.state.value for step in run.steps}


@pytest.mark.parametrize(
    ("name", "state", "steps"),
    [
        ("exception", State.FAILED, {"start": "succeeded", "work": "failed", "end": "skipped"}),
        ("contract", State.FAILED, {"start": "failed", "work": "skipped", "end": "skipped"}),
        ("memory", State.SUCCEEDED, {"start": "succeeded", "work": "succeeded", "end": "succeeded"}),
        ("no_room", State.RUNNING, {"start": "pending", "work": "pending", "end": "pending"}),
        ("stopped", State.FAILED, {"start": "failed", "work": "skipped", "end": "skipped"}),
        ("fan_out", State.SUCCEEDED, dict.fromkeys(["start", "work", "join", "end"], "succeeded")),
    ],
)
def test_a_run_has_the_steps_of_its_flow_in_the_flows_order(name: str, state: State, steps: dict[str, str]):
    run = run_of(recorded(name))
    assert (run.state, states(run)) == (state, steps)


def test_a_run_whose_end_was_left_out_has_failed_although_argo_is_green():
    document = recorded("omitted")
    assert document["workflow"]["status"]["phase"] == "Succeeded"
    run = run_of(document)
    assert (run.state, states(run)["end"]) == (State.FAILED, "skipped")


def test_a_run_that_argo_calls_failed_has_succeeded_when_its_end_did():
    document = recorded("memory")
    document["workflow"]["status"] |= {"phase": "Failed", "message": "an exit hook failed"}
    assert run_of(document).state is State.SUCCEEDED


def test_an_attempt_tells_its_number_its_exit_code_and_what_argo_says_of_it():
    start = run_of(recorded("memory")).steps[0]
    assert [(each.number, each.state, each.exit_code, each.said) for each in start.attempts] == [
        (0, State.FAILED, 137, "main: OOMKilled (exit code 137)"),
        (1, State.SUCCEEDED, 0, ""),
    ]
    assert (start.retries, start.done, start.width) == (1, 1, 1)


def test_the_tasks_of_a_fan_out_are_known_by_their_path():
    work = run_of(recorded("fan_out")).steps[1]
    assert ({each.path for each in work.attempts}, {each.task_id for each in work.attempts}) == (
        {"-0", "-1"},
        {"t-0", "t-1"},
    )
    assert work.width == 2


@pytest.mark.parametrize("name", ["exception", "memory", "no_room"])
def test_the_name_of_a_pod_is_worked_out_as_argo_does(name: str):
    document = recorded(name)
    nodes = document["workflow"]["status"]["nodes"].values()
    run = document["workflow"]["metadata"]["name"]
    names = {pod_name(run, node) for node in nodes if node["type"] == "Pod"}
    assert {pod["metadata"]["name"] for pod in document["pods"]} <= names


def test_a_failed_attempt_that_waits_for_the_next_shows_it_as_pending():
    document = recorded("memory")
    status = document["workflow"]["status"]
    retry = next(
        node for node in status["nodes"].values() if node["type"] == "Retry" and node["displayName"] == "start"
    )
    status |= {"phase": "Running"}
    retry |= {"phase": "Running", "children": retry["children"][:1], "message": "Backoff for 10 seconds"}
    attempts = run_of(document).steps[0].attempts
    assert [(each.number, each.state, each.said) for each in attempts[1:]] == [
        (1, State.PENDING, "Backoff for 10 seconds")
    ]


def test_times_count_from_the_creation_of_the_run_even_after_a_restart():
    document = recorded("exception")
    before = run_of(document)
    document["workflow"]["status"]["startedAt"] = "2026-11-23T23:00:00Z"
    assert [each.began for each in run_of(document).steps[0].attempts] == [
        each.began for each in before.steps[0].attempts
    ]
    assert before.steps[0].attempts[0].began >= 0


def test_nodes_that_argo_packed_are_read_as_well():
    document = recorded("fan_out")["workflow"]
    packed = copy.deepcopy(document)
    nodes = packed["status"].pop("nodes")
    packed["status"]["compressedNodes"] = base64.b64encode(gzip.compress(json.dumps(nodes).encode())).decode()
    assert read_workflow(unpacked(packed), now=0.0) == read_workflow(document, now=0.0)


def test_a_run_without_its_nodes_is_known_by_its_phase_alone():
    document = recorded("exception")["workflow"]
    del document["status"]["nodes"]
    assert read_workflow(document, now=0.0).state is State.FAILED


def test_a_run_at_which_nobody_has_looked_is_pending():
    document = recorded("exception")["workflow"]
    del document["status"]
    run = read_workflow(document, now=0.0)
    assert (run.state, run.is_over, run.steps) == (State.PENDING, False, ())


def test_a_run_says_whose_it_is_and_of_which_class():
    run = run_of(recorded("exception"))
    assert (run.flow, run.owner, run.queue, run.metaflow_run_id) == (
        "Trouble", "runs-rec", "adhoc", f"argo-{run.name}",
    )  # fmt: skip


def test_the_flows_file_and_its_parameters_are_found_in_the_document():
    document = recorded("exception")["workflow"]
    assert flow_file_of(document) == "flows/trouble/flow.py"
    assert parameters_of(document)["how"] == "exception"
    assert parameters_of(document)["platform-epoch"] == "0"


@pytest.mark.parametrize(("step", "inside"), [("start", False), ("work", True), ("join", False)])
def test_whether_a_step_may_have_several_tasks_is_seen_before_it_begins(step: str, inside: bool):
    document: Any = recorded("fan_out")["workflow"]
    del document["status"]["nodes"]
    assert is_in_a_fan_out(document, step) is inside


def test_a_foreign_workflow_is_shown_by_its_templates():
    container = {"name": "main", "container": {"image": "x", "command": ["true"]}}
    nodes = {"x": {"id": "x", "name": "x", "type": "Pod", "phase": "Succeeded", "templateName": "main"}}
    document = {
        "metadata": {"name": "x", "creationTimestamp": "2026-11-23T10:00:00Z"},
        "spec": {"templates": [container]},
        "status": {"phase": "Succeeded", "nodes": nodes, "finishedAt": "2026-11-23T10:00:09Z"},
    }
    run = read_workflow(document, now=0.0)
    assert (run.state, run.seconds, states(run), run.steps[0].attempts[0].pod) == (
        State.SUCCEEDED, 9.0, {"main": "succeeded"}, "x",
    )  # fmt: skip
    assert len(step_templates(document)) == 1
