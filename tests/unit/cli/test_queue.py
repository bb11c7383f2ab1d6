"""What a run that does not move waits for, from documents as a real cluster gave them."""

import pytest

from platform_cli.cli.queue import reason_of

UNSCHEDULABLE = {
    "status": {
        "phase": "Pending",
        "conditions": [
            {
                "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "message": "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint "
                "{nvidia.com/gpu: t4}. preemption: 0/3 nodes are available.",
            }
        ],
    }
}  # fmt: skip
NO_IMAGE = {
    "status": {
        "phase": "Pending",
        "containerStatuses": [
            {
                "name": "main",
                "state": {
                    "waiting": {
                        "reason": "ImagePullBackOff",
                        "message": 'Back-off pulling image "registry.example/flow:gone"',
                    }
                },
            }
        ],
    }
}
STARTING = {
    "status": {
        "phase": "Pending",
        "containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "PodInitializing"}}}],
    }
}
LOCKED = {
    "status": {"phase": "Pending", "message": "Waiting for ml/ConfigMap/platform-queues/adhoc lock. Lock status: 20/20"}
}
RUNNING = {"status": {"phase": "Running", "message": "", "nodes": {}}}


@pytest.mark.parametrize(
    ("workflow", "pods", "words"),
    [
        (RUNNING, [UNSCHEDULABLE], ["none of 3 nodes can take it", "too little cpu free", "taint"]),
        (RUNNING, [NO_IMAGE], ['image "registry.example/flow:gone" cannot be pulled']),
        (LOCKED, [], ["20"]),
    ],
    ids=["no-room", "no-image", "not-its-turn"],
)
def test_the_reason_is_said_in_plain_words(workflow: dict, pods: list[dict], words: list[str]):
    said = reason_of(workflow, pods)
    assert [word for word in words if word not in said] == [], said


@pytest.mark.parametrize(
    ("workflow", "pods"), [(RUNNING, []), (RUNNING, [STARTING]), ({}, [])], ids=["runs", "is-being-started", "is-new"]
)
def test_what_waits_for_nothing_has_no_reason(workflow: dict, pods: list[dict]):
    assert reason_of(workflow, pods) == ""


def test_a_pod_that_runs_says_nothing_about_the_run_that_waits_for_another():
    nodes = {
        "a": {"type": "Pod", "phase": "Pending", "message": "Unschedulable: 0/1 nodes are available: 1 Too many pods."}
    }
    assert "the only node cannot take it" in reason_of({"status": {"phase": "Running", "nodes": nodes}}, [STARTING])
