"""The right verdict for every way in which a run can go wrong, from what a real cluster said of it."""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from platform_cli.runs.failures import Evidence, Kind, Verdict
from platform_cli.runs.why import explain
from tests.unit.runs.documents import evidence_of, recorded, run_of


def verdict_of(document: Any, step: str = "") -> Verdict:
    return explain(run_of(document), evidence_of(document), step=step)


@pytest.mark.parametrize(
    ("name", "step", "kind", "sentence"),
    [
        ("exception", "", Kind.EXCEPTION, "step work failed: KeyError: 'income'"),
        ("contract", "", Kind.CONTRACT,
         'step start broke its data contract: column "income" has 3 nulls; wanted none'),
        ("memory", "start", Kind.OUT_OF_MEMORY, "step start ran out of memory: it asked for 256Mi and wanted more"),
        ("no_room", "", Kind.UNSCHEDULABLE,
         "step start waits: none of 3 nodes can take it: 1 is not of the pool it asks for, 2 are reserved by a taint"),
        ("image", "", Kind.IMAGE,
         'step start waits: image "registry.example/flow:gone" cannot be pulled: the registry cannot be reached'),
        ("image_deadline", "", Kind.IMAGE,
         'step start never started: image "registry.example/flow:gone" cannot be pulled: '
         "the registry cannot be reached"),
        ("secret", "", Kind.REFUSED, 'step start waits: needs the Secret "warehouse", which does not exist'),
        ("timeout", "", Kind.TIMEOUT, "step start took too long: its @timeout ended it after 3 s"),
        ("deadline", "", Kind.TIMEOUT,
         "step start took too long: the deadline of its queue, or of the run, ended it after 50 s"),
        ("omitted", "", Kind.END_OMITTED,
         "run omitted-runs-rec never came to its step end, although Argo calls it green"),
        ("stopped", "", Kind.STOPPED, "run stopped-runs-rec was stopped"),
        ("exception", "end", Kind.UPSTREAM, "step end did not begin, because another step failed"),
        ("fan_out", "", Kind.SUCCEEDED, "run talk-1da0c82894 succeeded"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)  # fmt: skip
def test_a_real_run_gets_the_right_verdict(name: str, step: str, kind: Kind, sentence: str):
    verdict = verdict_of(recorded(name), step)
    assert (verdict.kind, verdict.sentence) == (kind, sentence)


def test_an_exception_is_shown_with_its_traceback_and_the_way_on():
    verdict = verdict_of(recorded("exception"))
    assert verdict.evidence[0] == "Traceback (most recent call last):"
    assert verdict.evidence[-1] == "KeyError: 'income'"
    assert (verdict.step, verdict.path, verdict.attempt) == ("work", "", 0)
    assert "platform resume trouble-5671f73286" in verdict.fix
    assert "platform submit flows/trouble/flow.py" in verdict.fix


def test_who_stopped_a_run_is_said_where_it_is_known():
    document = recorded("stopped")
    known = evidence_of(document)
    evidence = Evidence(workflow=known.workflow, now=known.now, stopped_by="risk-team")
    assert explain(run_of(document), evidence).sentence == "run stopped-runs-rec was stopped by risk-team"


def failed_with(message: str, code: int | None = None, **told: Any) -> Callable[[], Any]:
    """The real document of a run that failed in `work`, with what the cluster says in other cases."""

    def make() -> Any:
        document = recorded("exception")
        for node in document["workflow"]["status"]["nodes"].values():
            if node["displayName"] == "work(0)":
                node["message"] = message
                node["outputs"] = {} if code is None else {"exitCode": str(code)}
                document["told"][node["id"]] = {"number": 0, "figures": {}, "lines": [], **told}
        return document | {"pods": [], "events": []}

    return make


@pytest.mark.parametrize(
    ("document", "kind", "sentence"),
    [
        # Source: argo-workflows v4.0.2, workflow/controller/operator.go (podReconciliation)
        pytest.param(failed_with("pod deleted"), Kind.NODE_LOST, "step work lost its node or its pod", id="deleted"),
        # Source: Kubernetes 1.34, pkg/kubelet/eviction/helpers.go
        pytest.param(
            failed_with("The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi."),
            Kind.EVICTED,
            "step work was evicted: The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi",
            id="evicted",
        ),
        # Source: Kubernetes 1.34, pkg/kubelet/nodeshutdown/nodeshutdown_manager.go
        pytest.param(
            failed_with("Pod was terminated in response to imminent node shutdown.", 143),
            Kind.NODE_LOST,
            "step work lost its node or its pod",
            id="node shutdown",
        ),
        pytest.param(
            failed_with("main: Error (exit code 143)", 143),
            Kind.NODE_LOST,
            "step work was told to stop (SIGTERM), as when its node is drained",
            id="drained",
        ),
        pytest.param(
            failed_with("main: Error (exit code 137)", 137),
            Kind.KILLED,
            "step work was killed (SIGKILL), and nobody says why",
            id="killed",
        ),
        pytest.param(
            failed_with(
                "main: Error (exit code 137)", 137,
                figures={"exit_class": "platform_cli.errors.OutOfMemory", "peak_memory_bytes": 250 << 20},
            ),
            Kind.OUT_OF_MEMORY,
            "step work ran out of memory: it asked for 256Mi and used 250 MiB",
            id="python could not get what it asked for",
        ),
        pytest.param(
            failed_with(
                "main: Error (exit code 66)", 66,
                lines=["platform-step: work: the latest attempt of a/b/start/t did not succeed (exit 66)"],
            ),
            Kind.UPSTREAM,
            "step work lacks an input: the latest attempt of a/b/start/t did not succeed",
            id="an input is missing",
        ),
        pytest.param(
            failed_with("main: Error (exit code 67)", 67), Kind.REFUSED,
            "step work was given code that is not what its hash says", id="wrong code",
        ),
        pytest.param(
            failed_with("main: Error (exit code 68)", 68), Kind.REFUSED,
            "step work was begun six times, and Metaflow's readers see no seventh", id="a seventh attempt",
        ),
        pytest.param(
            failed_with("main: Error (exit code 3)", 3), Kind.FAILED, "step work ended with code 3", id="a bare code"
        ),
        pytest.param(
            failed_with(
                'pods "x" is forbidden: exceeded quota: adhoc, requested: requests.cpu=2, used: requests.cpu=7, '
                "limited: requests.cpu=8"
            ),
            Kind.UNSCHEDULABLE,
            'step work never started: quota "adhoc" is used up: requests.cpu=2 asked, requests.cpu=7 in use, '
            "requests.cpu=8 allowed",
            id="quota",
        ),
    ],
)  # fmt: skip
def test_what_a_cluster_says_in_other_cases_gets_the_right_verdict(
    document: Callable[[], Any], kind: Kind, sentence: str
):
    verdict = verdict_of(document())
    assert (verdict.kind, verdict.sentence) == (kind, sentence)


def test_a_preempted_pod_says_for_whom_it_had_to_go():
    document = failed_with("Pod was preempted", 143)()
    name = run_of(document).steps[1].attempts[0].pod
    condition = {"type": "DisruptionTarget", "message": "preempting to accommodate a higher priority pod"}
    document["pods"] = [{"metadata": {"name": name}, "status": {"conditions": [condition]}}]
    verdict = verdict_of(document)
    assert (verdict.kind, verdict.sentence) == (
        Kind.EVICTED, "step work was evicted: preempting to accommodate a higher priority pod",
    )  # fmt: skip
    assert verdict.fix == "Run it again in the same run: platform retry trouble-5671f73286"


def later(document: Any, seconds: float) -> Any:
    created = document["workflow"]["metadata"]["creationTimestamp"]
    return document | {"now": datetime.datetime.fromisoformat(created).timestamp() + seconds}


@pytest.mark.parametrize(("seconds", "kind"), [(20.0, Kind.RUNNING), (300.0, Kind.CONTROLLER_DOWN)])
def test_a_run_that_nobody_looks_at_has_no_controller(seconds: float, kind: Kind):
    document = later(recorded("exception"), seconds)
    document["workflow"]["status"] = {}
    assert verdict_of(document).kind is kind


@pytest.mark.parametrize(("seconds", "kind"), [(5.0, Kind.RUNNING), (300.0, Kind.CONTROLLER_DOWN)])
def test_a_pod_that_ended_without_the_runs_knowing_means_the_same(seconds: float, kind: Kind):
    document = recorded("exception")
    status = document["workflow"]["status"]
    status["phase"] = "Running"
    for node in status["nodes"].values():
        if node["displayName"].startswith("work"):
            node["phase"] = "Running"
            node.pop("finishedAt", None)
    (pod,) = (pod for pod in document["pods"] if "work" in pod["metadata"]["name"])
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"]
    document["now"] = datetime.datetime.fromisoformat(ended).timestamp() + seconds
    assert verdict_of(document).kind is kind


def test_what_failed_first_is_the_cause_of_what_failed_later():
    document = recorded("fan_out")
    nodes = document["workflow"]["status"]["nodes"].values()
    document["workflow"]["status"]["phase"] = "Failed"
    for node in nodes:
        if node["displayName"] == "end" or node["displayName"] == "end(0)":
            node["phase"] = "Failed"
        if node["displayName"].startswith("work"):
            node["phase"] = "Failed"
            node["message"] = "pod deleted"
    for told in document["told"].values():
        told |= {"figures": {}, "lines": []}
    assert verdict_of(document).sentence.startswith("step work-")


def test_a_step_that_runs_again_says_what_ended_the_attempt_before():
    document = recorded("memory")
    status = document["workflow"]["status"]
    status["phase"] = "Running"
    for node in status["nodes"].values():
        if node["displayName"] in ("start", "start(1)"):
            node["phase"] = "Running"
            node.pop("finishedAt", None)
    verdict = verdict_of(document, "start")
    assert verdict.sentence == "step start is running again, after 1 attempt that failed"
    assert verdict.evidence == ("step start ran out of memory: it asked for 256Mi and wanted more",)


def test_every_kind_of_verdict_stands_in_the_reference():
    page = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "runs.md").read_text()
    assert [kind for kind in Kind if f"`{kind}`" not in page] == []
