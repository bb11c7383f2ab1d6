"""Whether a step could ever get a place, judged by objects as a real cluster gives them."""

import copy

import pytest

from platform_cli.cluster.preflight import Facts, amount, why_never

IMAGE = "platform/flow:local"


def a_node(**more: object) -> dict:
    node: dict = {
        "metadata": {"name": "n", "labels": {"pool": "cpu"}},
        "spec": {},
        "status": {
            "allocatable": {"cpu": "2", "memory": "4Gi", "pods": "110"},
            "images": [{"names": [f"docker.io/{IMAGE}"]}],
        },
    }
    for path, value in more.items():
        part = node
        *above, last = path.split("__")
        for name in above:
            part = part.setdefault(name, {})
        part[last] = value
    return node


GPU_NODE = a_node(
    metadata__labels={"pool": "gpu"},
    spec__taints=[{"key": "nvidia.com/gpu", "value": "t4", "effect": "NoSchedule"}],
    status__allocatable={"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": "2"},
)


def a_template(*, cpu: str = "1", memory: str = "1Gi", gpus: str = "", **step: object) -> dict:
    limits = {"memory": memory, **({"nvidia.com/gpu": gpus} if gpus else {})}
    container = {
        "image": step.pop("image", IMAGE),
        "resources": {"requests": {"cpu": cpu, "memory": memory}, "limits": limits},
    }
    return {
        "metadata": {"name": "t"},
        "spec": {
            "serviceAccountName": "platform-flow",
            "executor": {"serviceAccountName": "platform-executor"},
            "podPriorityClassName": "platform-adhoc",
            "templates": [{"name": "flow", "dag": {"tasks": []}}, {"name": "fit", "container": container, **step}],
        },
    }


def facts(**more: object) -> Facts:
    usual = {
        "nodes": [a_node(), GPU_NODE],
        "quotas": [],
        "limit_ranges": [],
        "priority_classes": {"platform-adhoc"},
        "accounts": {"platform-flow", "platform-executor"},
        "node_pools": None,
    }
    return Facts(**{**usual, **more})


def a_quota(hard: dict, **spec: object) -> dict:
    return {"metadata": {"name": "all"}, "spec": {"hard": hard, **spec}}


def test_a_step_that_fits_has_no_reason():
    assert why_never(a_template(cpu="2", memory="4Gi"), facts()) == []


def test_a_full_cluster_is_no_reason():
    full = a_quota({"requests.cpu": "2"}) | {"status": {"used": {"requests.cpu": "2"}}}
    assert why_never(a_template(), facts(quotas=[full])) == []


@pytest.mark.parametrize(
    ("template", "known", "reason"),
    [
        pytest.param(
            a_template(memory="8Gi", nodeSelector={"pool": "cpu"}), facts(),
            "step fit asks for 8Gi of memory; the largest node has 4Gi", id="more-memory-than-any-node-of-the-pool",
        ),
        pytest.param(
            a_template(cpu="2500m", nodeSelector={"pool": "cpu"}), facts(),
            "step fit asks for 2500m cores; the largest node has 2", id="more-cores",
        ),
        pytest.param(
            a_template(gpus="4", nodeSelector={"pool": "gpu"}), facts(),
            "step fit asks for 4 GPUs; the largest node has 2", id="more-gpus",
        ),
        pytest.param(
            a_template(gpus="1"), facts(nodes=[a_node()]),
            "step fit asks for 1 GPU; no node has GPUs", id="no-gpu-anywhere",
        ),
        pytest.param(
            a_template(gpus="1"), facts(),
            "step fit fits only on nodes with the taint nvidia.com/gpu=t4:NoSchedule, which it does not tolerate",
            id="taint",
        ),
        pytest.param(
            a_template(nodeSelector={"pool": "gpu", "type": "h100"}), facts(),
            "step fit wants a node with pool=gpu, type=h100; there is none", id="no-node-of-that-kind",
        ),
        pytest.param(
            a_template(image="platform/flow-gpu:local", nodeSelector={"pool": "cpu"}), facts(),
            "the image platform/flow-gpu:local is on no node, and is never pulled", id="image-never-loaded",
        ),
        pytest.param(
            a_template(), facts(priority_classes=set()),
            'the priority class "platform-adhoc" does not exist', id="priority-class",
        ),
        pytest.param(
            a_template(), facts(accounts={"platform-flow"}),
            'the service account "platform-executor" does not exist', id="service-account",
        ),
        pytest.param(
            a_template(memory="3Gi"), facts(quotas=[a_quota({"limits.memory": "2Gi"})]),
            'step fit asks for 3Gi of memory; the quota "all" has 2Gi in all', id="quota",
        ),
        pytest.param(
            a_template(gpus="1", tolerations=[{"operator": "Exists"}]),
            facts(quotas=[a_quota({"requests.nvidia.com/gpu": "0"})]),
            'step fit asks for 1 GPU; the quota "all" has 0 in all', id="quota-of-gpus",
        ),
        pytest.param(
            a_template(), facts(quotas=[a_quota({"limits.cpu": "4"})]),
            'step fit has no limit of cpu, which the quota "all" wants of every pod', id="quota-that-wants-a-limit",
        ),
        pytest.param(
            a_template(memory="3Gi"),
            facts(limit_ranges=[{"spec": {"limits": [{"type": "Container", "max": {"memory": "2Gi"}}]}}]),
            "step fit asks for 3Gi of memory; the limit range gives at most 2Gi", id="limit-range",
        ),
        pytest.param(
            a_template(cpu="10m"),
            facts(limit_ranges=[{"spec": {"limits": [{"type": "Container", "min": {"cpu": "50m"}}]}}]),
            "step fit asks for 10m cores; the limit range wants at least 50m", id="limit-range-minimum",
        ),
    ],
)  # fmt: skip
def test_the_reason_is_one_sentence(template: dict, known: Facts, reason: str):
    assert why_never(template, known) == [reason]


@pytest.mark.parametrize(
    ("template", "known"),
    [
        pytest.param(
            a_template(gpus="1", tolerations=[{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]),
            facts(), id="a-taint-that-is-tolerated",
        ),
        pytest.param(
            a_template(nodeSelector={"karpenter.sh/nodepool": "gpu"}), facts(node_pools={"gpu"}),
            id="nodes-that-an-autoscaler-will-make",
        ),
        pytest.param(
            a_template(), facts(nodes=[a_node(spec__taints=[
                {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}])]), id="a-node-cordoned-for-now",
        ),
        pytest.param(
            a_template(), facts(nodes=[a_node(spec__taints=[{"key": "spot", "effect": "PreferNoSchedule"}])]),
            id="a-taint-that-only-asks",
        ),
        pytest.param(
            a_template(memory="3Gi"),
            facts(quotas=[a_quota({"limits.memory": "2Gi"}, scopeSelector={"matchExpressions": [
                {"scopeName": "PriorityClass", "operator": "In", "values": ["platform-production"]}]})]),
            id="the-quota-of-another-queue",
        ),
        pytest.param(
            a_template(), facts(quotas=[a_quota({"limits.cpu": "4"})], limit_ranges=[
                {"spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}}]}}]), id="a-limit-given-by-default",
        ),
        pytest.param(
            a_template(image="registry.example/flow:1"), facts(), id="an-image-that-is-pulled",
        ),
        pytest.param(
            a_template(), facts(nodes=[a_node(status__images=[{"names": [f"x{n}"]} for n in range(50)])]),
            id="a-node-that-does-not-name-all-its-images",
        ),
        pytest.param(
            a_template(image="platform/flow-gpu:local"),
            facts(nodes=[a_node(metadata__annotations={"kwok.x-k8s.io/node": "fake"}, status__images=[])]),
            id="a-node-that-kwok-plays",
        ),
        pytest.param(
            a_template(memory="80Gi"),
            Facts(), id="a-caller-who-may-read-nothing",
        ),
    ],
)  # fmt: skip
def test_what_could_run_some_day_is_not_refused(template: dict, known: Facts):
    assert why_never(template, known) == []


def test_every_step_is_judged_and_each_reason_is_said_once():
    template = a_template(memory="8Gi", nodeSelector={"pool": "cpu"})
    second = copy.deepcopy(template["spec"]["templates"][1])
    second["name"] = "score"
    template["spec"]["templates"].append(second)
    assert why_never(template, facts(priority_classes=set())) == [
        'the priority class "platform-adhoc" does not exist',
        "step fit asks for 8Gi of memory; the largest node has 4Gi",
        "step score asks for 8Gi of memory; the largest node has 4Gi",
    ]


@pytest.mark.parametrize(
    ("text", "number"),
    [("2", 2), ("1930m", 1.93), ("4Gi", 4 * 2**30), ("3894804Ki", 3894804 * 1024), ("1e3", 1000), ("128M", 128e6)],
)
def test_quantities_are_read_as_kubernetes_writes_them(text: str, number: float):
    assert amount(text) == pytest.approx(number)
