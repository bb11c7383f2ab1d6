"""What a container is started with, and the objects around the template."""

from pathlib import Path
from typing import Any

import pytest

from platform_cli.errors import SettingsError
from platform_cli.names import Channel
from platform_cli.runner import launch as runner
from platform_cli.template import compile_flow, parse_environment
from platform_cli.template.steps import OUTPUTS
from tests.flowfiles import TWO_STEPS, load
from tests.unit.template.test_dag import ADHOC, a_target, steps, template_of


def container(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(t["container"] for t in document["spec"]["templates"] if t["name"] == name)


def test_the_containers_contract(tmp_path: Path):
    document = template_of(load(tmp_path, TWO_STEPS))
    common = [
        "--run=argo-{{workflow.name}}",
        "--path={{inputs.parameters.path}}",
        "--try={{retries}}",
        "--code={{workflow.parameters.platform-code}}",
        "--origin={{workflow.parameters.platform-origin}}",
        "--epoch={{workflow.parameters.platform-epoch}}",
    ]
    assert container(document, "end")["command"] == ["platform-step"]
    assert container(document, "end")["args"] == ["/app/flows/test/flow.py", "end", *common]
    assert container(document, "start")["args"][2:] == [*common, "--parameters={{workflow.parameters.json}}"]


def test_the_runner_understands_the_containers_arguments(tmp_path: Path):
    filled = {
        "{{workflow.name}}": "hello-1", "{{inputs.parameters.path}}": "", "{{retries}}": "2",
        "{{workflow.parameters.json}}": "[]",
        "{{workflow.parameters.platform-code}}": "", "{{workflow.parameters.platform-origin}}": "",
        "{{workflow.parameters.platform-epoch}}": "0",
    }  # fmt: skip
    words = container(template_of(load(tmp_path, TWO_STEPS)), "start")["args"]
    for tag, value in filled.items():
        words = [word.replace(tag, value) for word in words]
    launch = runner.read_launch(words)
    assert (launch.address.step, launch.run, launch.try_, launch.parameters, launch.epoch) == (
        "start",
        "argo-hello-1",
        2,
        "[]",
        0,
    )
    assert str(runner.OUTPUTS) == OUTPUTS == "/tmp/outputs"  # noqa: S108


def test_a_foreach_hands_out_splits_and_a_switch_its_choice(tmp_path: Path):
    flow = steps("start -> *item", "item -> a|b", "a -> b", "b -> close", "close? -> end", "end")
    outputs = {t["name"]: t.get("outputs") for t in template_of(load(tmp_path, flow))["spec"]["templates"]}
    assert outputs["start"] == {"parameters": [{"name": "splits", "valueFrom": {"path": f"{OUTPUTS}/splits"}}]}
    assert outputs["item"] == {"parameters": [{"name": "next", "valueFrom": {"path": f"{OUTPUTS}/next"}}]}
    assert outputs["close"] is None


def test_the_form_in_the_ui_has_a_field_per_parameter(tmp_path: Path):
    body = (
        'a = Parameter("a", default="x", help="First.")\n'
        'b = Parameter("b", default=True)\nc = Parameter("c", required=True)\n'
    )
    parameters = template_of(load(tmp_path, body + TWO_STEPS))["spec"]["arguments"]["parameters"]
    assert parameters[:3] == [
        {"name": "a", "description": "First.", "value": "x"},
        {"name": "b", "enum": ["true", "false"], "value": "true"},
        {"name": "c"},
    ]
    assert [parameter["name"] for parameter in parameters[3:]] == ["platform-code", "platform-origin", "platform-epoch"]


def test_cron_starts_the_template_for_the_day_it_was_scheduled_for(tmp_path: Path):
    graph = load(tmp_path, 'as_of = Parameter("as_of", required=True)' + TWO_STEPS, above="@schedule(daily=True)\n")
    cron = compile_flow(graph, a_target())[1]
    assert cron["spec"] == {
        "schedules": ["0 0 * * *"],
        "timezone": "UTC",
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 3600,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 3,
        "workflowSpec": {
            "arguments": {"parameters": [{"name": "as_of", "value": "{{workflow.scheduledTime}}"}]},
            "workflowTemplateRef": {"name": "test-flow"},
        },
    }


def test_cron_passes_no_day_to_a_flow_without_one(tmp_path: Path):
    cron = compile_flow(load(tmp_path, TWO_STEPS, above="@schedule(daily=True)\n"), a_target())[1]
    assert cron["spec"]["workflowSpec"] == {"workflowTemplateRef": {"name": "test-flow"}}


def test_an_ad_hoc_template_is_never_the_deployed_one_and_never_runs_by_itself(tmp_path: Path):
    graph = load(tmp_path, TWO_STEPS, above="@schedule(daily=True)\n@trigger(event='e')\n")
    (document,) = compile_flow(graph, a_target(ADHOC, package="s3://code/abcdef0123.tar"))
    assert document["metadata"]["name"] == "test-flow-ada-abcdef01"
    values = {p["name"]: p.get("value") for p in document["spec"]["arguments"]["parameters"]}
    assert values["platform-code"] == "s3://code/abcdef0123.tar"
    assert container(document, "start")["args"][0] == "flows/test/flow.py"


def test_a_sensor_waits_for_every_trigger_and_names_the_run_after_the_event(tmp_path: Path):
    above = "@trigger(event={'name': 'file', 'parameters': {'table': 'a.b'}})\n@trigger_on_finish(flow='ScoreFlow')\n"
    sensor = compile_flow(
        load(tmp_path, 'table = Parameter("table", default="t")' + TWO_STEPS, above=above), a_target()
    )[1]
    assert [d["name"] for d in sensor["spec"]["dependencies"]] == ["file", "score-flow"]
    start = sensor["spec"]["triggers"][0]["template"]["k8s"]
    assert start["source"]["resource"]["spec"] == {
        "workflowTemplateRef": {"name": "test-flow"},
        "arguments": {"parameters": [{"name": "table", "value": "t"}]},
    }
    assert start["parameters"] == [
        {"src": {"dependencyName": "score-flow", "contextKey": "id"}, "dest": "metadata.name", "operation": "append"},
        {
            "src": {"dependencyName": "file", "dataKey": r"body.payload.a\.b", "value": "t"},
            "dest": "spec.arguments.parameters.0.value",
        },
    ]


def test_exit_hooks_run_after_the_run_and_are_told_what_they_are_for_and_how_argo_saw_its_end(tmp_path: Path):
    above = "def good(run): pass\ndef bad(): pass\n@exit_hook(on_success=[good], on_error=[bad])\n"
    spec = template_of(load(tmp_path, TWO_STEPS, above=above))["spec"]
    hooks = next(t for t in spec["templates"] if t["name"] == spec["onExit"])
    assert [(task["name"], task["template"]) for task in hooks["dag"]["tasks"]] == [
        ("on-success-good", "on-success-good"),
        ("on-error-bad", "on-error-bad"),
    ]
    words = {t["name"]: t["container"]["args"][1:] for t in spec["templates"] if t["name"].startswith("on-")}
    assert words == {
        "on-success-good": ["good", "TestFlow/argo-{{workflow.name}}", "--on=success", "--status={{workflow.status}}"],
        "on-error-bad": ["bad", "TestFlow/argo-{{workflow.name}}", "--on=error", "--status={{workflow.status}}"],
    }


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"pools": {"cpu": {"cpu": "4"}}}, r"environments.kind.pools.cpu.memory is missing"),
        ({"pools": {"cpu": {"cpu": "4", "memory": "8Gi", "gpu": 1}}}, r'unknown key "gpu".\n  Did you mean "gpus"\?'),
        ({"queues": {"production": {"cpu": "many", "memory": "8Gi"}}}, r'queues.production.cpu: cpu is "many"'),
        ({"queues": {"production": 3}}, r"environments.kind.queues.production is not a table"),
        (
            {"queues": {"q": {"cpu": "1", "memory": "1Gi", "parallelism": -1}}},
            r"parallelism is -1; wanted a whole number",
        ),
    ],
    ids=["missing", "unknown", "amount", "table", "negative"],
)
def test_a_wrong_table_of_an_environment_is_named(section: dict[str, Any], message: str):
    with pytest.raises(SettingsError, match=message):
        parse_environment("kind", section, {}, channel=Channel("production"), variables={})


def test_the_lock_puts_a_digest_behind_an_image():
    environment = parse_environment(
        "staging", {"images": {"flow": "r/flow:v1"}}, {"flow": "sha256:ab"}, channel=Channel("production"), variables={}
    )
    assert environment.image("flow") == "r/flow:v1@sha256:ab"


def test_a_lock_for_an_image_that_nobody_uses_is_an_error():
    with pytest.raises(SettingsError, match=r'images.staging.lock names the image "flw"'):
        parse_environment(
            "staging", {"images": {"flow": "r/flow"}}, {"flw": "sha256:ab"}, channel=Channel("production"), variables={}
        )
