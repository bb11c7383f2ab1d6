"""Each rule of an environment: what it adds, and what it refuses with which words."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from platform_cli.errors import FlowRefused
from platform_cli.graph import FlowGraph
from platform_cli.names import Channel
from platform_cli.policy import judge, render_flow
from platform_cli.policy.secrets import looks_secret
from platform_cli.template import Environment, Pool, Queue, Target, compile_flow
from platform_cli.units import Cpu, Duration, Memory
from tests.flowfiles import TWO_STEPS, load
from tests.schemas import problems

Gi = Memory.parse
CPU = Pool(name="cpu", cpu=Cpu(15000), memory=Gi("60Gi"), selector=(("node", "cpu"),))
LARGE = Pool(name="cpu-large", cpu=Cpu(31000), memory=Gi("250Gi"), selector=(("node", "large"),))
GPU = Pool(
    name="gpu",
    cpu=Cpu(7000),
    memory=Gi("60Gi"),
    gpus=1,
    gpu_type="t4",
    selector=(("node", "gpu"),),
    tolerations=(("nvidia.com/gpu", "", "NoSchedule"),),
)
QUEUE = Queue(name="production", cpu=Cpu(32000), memory=Gi("128Gi"), gpus=4)


def a_target(
    *, pools: tuple[Pool, ...] = (CPU, LARGE, GPU), queue: Queue = QUEUE, package: str = "", **more: Any
) -> Target:
    values: dict[str, Any] = {
        "name": "staging", "channel": Channel("production"), "pools": pools, "requires_digest": False,
        "images": (("flow", "flow:dev"), ("flow-gpu", "flow-gpu:dev")), **more,
    }  # fmt: skip
    return Target(
        environment=Environment(**values), queue=queue, channel=Channel("production"), code_hash="c0de", package=package
    )


def judged(graph: FlowGraph, target: Target | None = None) -> tuple[dict[str, Any], list[tuple[int, str, str]]]:
    target = target or a_target()
    documents = compile_flow(graph, target)
    found = judge(documents, graph, target)
    return documents[0], [(finding.where.line, finding.rule, finding.problem) for finding in found]


def step(document: dict[str, Any], name: str = "start") -> dict[str, Any]:
    return next(template for template in document["spec"]["templates"] if template["name"] == name)


def test_where_steps_share_a_core_each_reserves_its_part_of_it(tmp_path: Path):
    """On a laptop of two cores, four steps that ask for nothing (one core each) would else follow one another."""
    target = a_target(pools=(replace(CPU, shares=4),))
    document, _ = judged(load(tmp_path, "@resources(cpu=2, memory=8192)" + TWO_STEPS), target)
    assert step(document)["container"]["resources"]["requests"]["cpu"] == "500m"


def test_the_smallest_pool_that_fits_is_chosen(tmp_path: Path):
    document, _ = judged(load(tmp_path, "@resources(cpu=2, memory=8192)" + TWO_STEPS))
    assert step(document)["nodeSelector"] == {"node": "cpu"}
    assert "tolerations" not in step(document)
    assert step(document)["container"]["resources"] == {
        "requests": {"cpu": "2", "memory": "8Gi"},
        "limits": {"memory": "8Gi"},
    }


def test_a_step_too_large_for_the_small_pool_goes_to_the_large_one(tmp_path: Path):
    document, found = judged(load(tmp_path, "@resources(cpu=20)" + TWO_STEPS))
    assert (step(document)["nodeSelector"], found) == ({"node": "large"}, [])


def test_a_gpu_step_gets_the_gpu_pool_with_its_tolerations_and_image(tmp_path: Path):
    document, found = judged(load(tmp_path, "@resources(gpu=1)" + TWO_STEPS))
    template = step(document)
    assert template["nodeSelector"] == {"node": "gpu"}
    assert template["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert template["container"]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert template["container"]["image"] == "flow-gpu:dev"
    assert found == []


@pytest.mark.parametrize("name", ["gpu", "t4"])
def test_a_step_may_name_a_pool_or_the_type_of_its_gpus(name: str, tmp_path: Path):
    document, found = judged(load(tmp_path, f"@kubernetes(gpu=1, compute_pool='{name}')" + TWO_STEPS))
    assert (step(document)["nodeSelector"], found) == ({"node": "gpu"}, [])


@pytest.mark.parametrize(
    ("decorator", "problem"),
    [
        (
            "@resources(gpu=2)",
            'step "start" asks for 1 cores, 4Gi, 2 GPUs; pool "gpu" has 7 cores, 60Gi, 1 GPUs per node',
        ),
        (
            "@kubernetes(compute_pool='a100')",
            'step "start" asks for the pool "a100", which staging does not have',
        ),
    ],
    ids=["too-many", "unknown"],
)
def test_a_step_that_fits_no_pool_is_refused_at_its_decorator(decorator: str, problem: str, tmp_path: Path):
    _, found = judged(load(tmp_path, decorator + TWO_STEPS))
    assert found == [(5, "placement", problem)]


def test_a_gpu_step_is_refused_when_the_environment_has_no_gpu_pool(tmp_path: Path):
    _, found = judged(load(tmp_path, "@resources(gpu=1)" + TWO_STEPS), a_target(pools=(CPU,)))
    assert found == [(5, "placement", 'step "start" asks for 1 cores, 4Gi, 1 GPU; there is no pool with GPUs')]


def test_what_a_step_asks_above_the_queues_ceiling_is_refused_all_at_once(tmp_path: Path):
    small = Queue(name="adhoc", cpu=Cpu(4000), memory=Gi("16Gi"))
    _, found = judged(load(tmp_path, "@resources(cpu=6, memory=20480, gpu=1)" + TWO_STEPS), a_target(queue=small))
    assert [problem for _, rule, problem in found if rule == "queue"] == [
        'step "start" asks for 1 GPU; queue "adhoc" gives 0',
        'step "start" asks for 20Gi of memory; queue "adhoc" gives 16Gi',
        'step "start" asks for 6 cores; queue "adhoc" gives 4',
    ]


def test_a_queue_decides_priority_parallelism_semaphore_and_deadlines(tmp_path: Path):
    queue = Queue(
        name="production", priority_class="high", parallelism=7, semaphore="platform-queues/production", cpu=Cpu(8000),
        memory=Gi("16Gi"), deadline=Duration(7200), step_deadline=Duration(3600), keep=Duration(600),
    )  # fmt: skip
    document, _ = judged(load(tmp_path, TWO_STEPS), a_target(queue=queue))
    spec = document["spec"]
    assert (spec["podPriorityClassName"], spec["parallelism"], spec["activeDeadlineSeconds"]) == ("high", 7, 7200)
    assert spec["synchronization"] == {
        "semaphores": [{"configMapKeyRef": {"name": "platform-queues", "key": "production"}}]
    }
    assert spec["ttlStrategy"] == {"secondsAfterSuccess": 600, "secondsAfterFailure": 1800}
    assert spec["podGC"] == {"strategy": "OnPodSuccess", "deleteDelayDuration": "60s"}
    assert spec["archiveLogs"] is True
    assert step(document)["activeDeadlineSeconds"] == 3600


def test_a_timeout_is_the_steps_own_and_kubernetes_comes_five_minutes_later(tmp_path: Path):
    document, _ = judged(load(tmp_path, "@timeout(minutes=10)" + TWO_STEPS))
    assert step(document)["activeDeadlineSeconds"] == 900


def test_a_timeout_beyond_the_queues_is_refused(tmp_path: Path):
    _, found = judged(load(tmp_path, "@timeout(hours=30)" + TWO_STEPS))
    assert [(rule, problem) for _, rule, problem in found] == [
        ("deadline", 'step "start" may take 108000 s; queue "production" gives 86400 s')
    ]


def test_memory_doubles_after_an_oom_kill_up_to_the_ceiling_of_its_node(tmp_path: Path):
    document, _ = judged(load(tmp_path, "@resources(memory=20480)" + TWO_STEPS))
    size = "{{=lastRetry.exitCode != '137' ? '20Gi' : retries == '1' ? '40Gi' : '60Gi'}}"
    assert step(document)["podSpecPatch"] == (
        "containers:\n- name: main\n  resources:\n"
        f'    limits: {{memory: "{size}"}}\n    requests: {{memory: "{size}"}}\n'
    )


def test_a_step_that_has_all_memory_already_is_not_patched(tmp_path: Path):
    queue = Queue(name="production", cpu=Cpu(8000), memory=Gi("4Gi"))
    document, _ = judged(load(tmp_path, TWO_STEPS), a_target(queue=queue))
    assert "podSpecPatch" not in step(document)
    assert "OOMKilled' && asInt" not in step(document)["retryStrategy"]["expression"]


LOST = (
    "lastRetry.status == 'Error' || asInt(lastRetry.exitCode) in [-1, 5, 143] || "
    "asInt(lastRetry.exitCode) == 137 && !(lastRetry.message contains 'OOMKilled')"
)


@pytest.mark.parametrize(
    ("decorators", "again", "pause"),
    [
        ("", "", "10s"),
        ("@retry(times=2, minutes_between_retries=1)", "asInt(retries) < 2 || ", "60s"),
        ("@catch(var='e')", "asInt(retries) < 1 || ", "10s"),
        ("@catch(var='e')\n@retry(times=3)", "asInt(retries) < 4 || ", "120s"),
        ("@retry(times=1, minutes_between_retries=60)", "asInt(retries) < 1 || ", "600s"),
    ],
    ids=["none", "retry", "catch", "both", "long-pause"],
)
def test_retries_by_cause(decorators: str, again: str, pause: str, tmp_path: Path):
    queue = Queue(name="production", cpu=Cpu(8000), memory=Gi("4Gi"))
    document, _ = judged(load(tmp_path, decorators + TWO_STEPS), a_target(queue=queue))
    assert step(document)["retryStrategy"] == {
        "limit": "5",
        "retryPolicy": "Always",
        "expression": f"!(asInt(lastRetry.exitCode) in [65, 66, 67, 68]) && ({again}{LOST})",
        "backoff": {"duration": pause, "factor": "2", "cap": "10m"},
    }


def test_every_container_has_a_retry_strategy_because_try_is_filled_in_only_then(tmp_path: Path):
    above = "def good(): pass\n@exit_hook(on_success=[good])\n"
    document, _ = judged(load(tmp_path, TWO_STEPS, above=above))
    assert [t["name"] for t in document["spec"]["templates"] if "container" in t and "retryStrategy" not in t] == []


def test_every_pod_passes_the_restricted_standard(tmp_path: Path):
    document, _ = judged(load(tmp_path, TWO_STEPS))
    spec = document["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["executor"] == {"serviceAccountName": "platform-executor"}
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 10001
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert step(document)["container"]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert [volume["name"] for volume in spec["volumes"] if volume["emptyDir"] == {}] == ["tmp", "work"]


def test_the_pod_of_a_step_is_valid_for_kubernetes(tmp_path: Path):
    """Argo's schema knows less of a pod than Kubernetes does; so put one together as Argo would."""
    document, _ = judged(load(tmp_path, "@kubernetes(gpu=1, shared_memory=64, disk=100)" + TWO_STEPS))
    template, spec = step(document), document["spec"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", **spec["podMetadata"]},
        "spec": {
            "containers": [{"name": "main", **template["container"]}],
            "volumes": [*spec["volumes"], *template["volumes"]],
            "securityContext": spec["securityContext"],
            "tolerations": template["tolerations"],
            "nodeSelector": template["nodeSelector"],
            "activeDeadlineSeconds": template["activeDeadlineSeconds"],
            "automountServiceAccountToken": spec["automountServiceAccountToken"],
        },
    }
    assert problems(pod) == []
    pod["spec"]["containers"][0]["imagee"] = "typo"
    assert problems(pod) != []


@pytest.mark.parametrize(
    ("channel", "secret"),
    [("production", "platform-stores"), ("adhoc/jane", "platform-stores-adhoc")],
    ids=["production", "adhoc"],
)
def test_a_working_copy_comes_to_the_stores_with_an_account_of_fewer_rights(tmp_path: Path, channel: str, secret: str):
    target = replace(a_target(secret="platform-stores"), channel=Channel(channel))
    (document, *_) = compile_flow(load(tmp_path, TWO_STEPS), target)
    assert step(document)["container"]["envFrom"] == [{"secretRef": {"name": secret}}]


def test_an_image_without_a_digest_is_refused_outside_a_laptop(tmp_path: Path):
    _, found = judged(load(tmp_path, TWO_STEPS), a_target(requires_digest=True))
    assert found == [(4, "image", 'the image "flow" is flow:dev, without a digest')]


def test_an_image_with_a_digest_is_fine(tmp_path: Path):
    images = (("flow", "r/flow@sha256:" + "a" * 64),)
    assert judged(load(tmp_path, TWO_STEPS), a_target(requires_digest=True, images=images))[1] == []


def test_a_flow_names_images_of_the_environment_only(tmp_path: Path):
    _, found = judged(load(tmp_path, "@kubernetes(image='python:3.11')" + TWO_STEPS))
    assert found == [(5, "image", 'the image "python:3.11" is needed, which staging does not have')]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("@environment(vars={'DB_PASSWORD': 'hunter2'})", 'variable "DB_PASSWORD" of step "start" looks like a secret'),
        ("@environment(vars={'PART': 'AKIAABCDEFGHIJKLMNOP'})", 'variable "PART" of step "start" looks like a secret'),
        ('p = Parameter("api_key", default="x")', 'the default of parameter "api_key" looks like a secret'),
        (
            'p = Parameter("db", default="postgres://me:secret@host/db")',
            'the default of parameter "db" looks like a secret',
        ),
        (
            'c = Config(\'c\', default_value=\'{"slack": {"webhook_url": "x"}}\')',
            '"webhook_url" in config "c" looks like a secret',
        ),
    ],
    ids=["name", "aws", "parameter", "address", "config"],
)
def test_a_literal_secret_is_refused(body: str, problem: str, tmp_path: Path):
    _, found = judged(load(tmp_path, body + TWO_STEPS))
    assert [(rule, text) for _, rule, text in found] == [("secret", problem)]


@pytest.mark.parametrize(
    "name", ["password", "DB_PASSWORD", "apiKey", "SLACK_TOKEN", "client-secret", "AWS_ACCESS_KEY_ID"]
)
def test_names_of_secrets(name: str):
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name", ["tokenizer", "key", "max_tokens", "secretary", "monkey", "OMP_NUM_THREADS", "threshold"]
)
def test_names_of_other_things(name: str):
    assert not looks_secret(name)


def test_secrets_are_references(tmp_path: Path):
    document, found = judged(load(tmp_path, "@secrets(sources=['bureau'])" + TWO_STEPS), a_target(secret="stores"))
    assert step(document)["container"]["envFrom"] == [
        {"secretRef": {"name": "stores"}},
        {"secretRef": {"name": "bureau"}},
    ]
    assert found == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (
            'p = Parameter("p", default="{{=1+1}}")',
            'the default of parameter "p" contains {{, which Argo would replace',
        ),
        ('p = Parameter("p", help="{{x}}")', 'the help of parameter "p" contains {{, which Argo would replace'),
        (
            "@environment(vars={'A': 'x{{workflow.name}}'})",
            'variable "A" of step "start" contains {{, which Argo would replace',
        ),
    ],
    ids=["default", "help", "variable"],
)
def test_text_that_argo_would_replace_is_refused(body: str, problem: str, tmp_path: Path):
    _, found = judged(load(tmp_path, body + TWO_STEPS))
    assert [(rule, text) for _, rule, text in found] == [("braces", problem)]


def test_defaults_that_do_not_fit_an_argument_are_refused(tmp_path: Path):
    _, found = judged(load(tmp_path, 'p = Parameter("p", default="x" * 70000)' + TWO_STEPS))
    assert [rule for _, rule, _ in found] == ["length"]


@pytest.mark.parametrize("name", ["PLATFORM_CHANNEL", "METAFLOW_USER", "AWS_REGION", "PATH", "LD_PRELOAD"])
def test_a_step_may_not_set_what_the_platform_sets(name: str, tmp_path: Path):
    _, found = judged(load(tmp_path, f"@environment(vars={{'{name}': 'x'}})" + TWO_STEPS))
    assert found == [(5, "variable", f'step "start" sets {name}, which the platform sets itself')]


def test_exit_hooks_of_a_working_copy_are_refused(tmp_path: Path):
    above = "def good(): pass\n@exit_hook(on_success=[good])\n"
    _, found = judged(load(tmp_path, TWO_STEPS, above=above), a_target(package="s3://code/x.tar"))
    assert [(line, rule) for line, rule, _ in found] == [(5, "exit-hook")]


def test_labels_say_whose_a_run_is_and_for_which_day_and_an_annotation_its_class(tmp_path: Path):
    body = 'as_of = Parameter("as_of", required=True)' + TWO_STEPS
    document, _ = judged(load(tmp_path, body, above="@project(name='collections')\n"), a_target(team="risk"))
    labels = {
        "platform.dev/flow": "test-flow",
        "platform.dev/project": "collections",
        "platform.dev/queue": "production",
        "platform.dev/team": "risk",
        "platform.dev/code": "c0de",
        "platform.dev/environment": "staging",
        "platform.dev/channel": "production",
    }
    assert document["metadata"]["labels"] == labels
    assert document["spec"]["podMetadata"] == {"labels": labels}
    assert document["spec"]["workflowMetadata"] == {
        "annotations": {"platform.dev/flow-class": "TestFlow"},
        "labels": labels,
        "labelsFrom": {
            "platform.dev/as-of": {
                "expression": "workflow.parameters.as_of matches '^[0-9]{4}-[0-9]{2}-[0-9]{2}' ? "
                "workflow.parameters.as_of[0:10] : (workflow.scheduledTime ?? '')[0:10]"
            }
        },
    }


def test_prometheus_learns_how_runs_end(tmp_path: Path):
    document, _ = judged(load(tmp_path, TWO_STEPS))
    metrics = {metric["name"]: metric for metric in document["spec"]["metrics"]["prometheus"]}
    assert metrics["platform_run_finished_total"]["counter"] == {"value": "1"}
    assert {"key": "status", "value": "{{workflow.status}}"} in metrics["platform_run_finished_total"]["labels"]
    assert metrics["platform_run_duration_seconds"]["gauge"] == {"value": "{{workflow.duration}}", "realtime": False}


def test_every_rule_reports_before_anything_is_refused(tmp_path: Path):
    body = "@resources(gpu=9)\n@environment(vars={'TOKEN': 'x', 'A': '{{b}}'})"
    with pytest.raises(FlowRefused) as refused:
        render_flow(load(tmp_path, body + TWO_STEPS), a_target(requires_digest=True))
    rules = {finding.rule for finding in refused.value.findings}
    assert rules == {"placement", "queue", "secret", "braces", "image"}
