"""What a flow file says arrives as values."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from platform_cli.graph.load import ENVIRONMENT
from platform_cli.graph.parameters import CONFIG_VARIABLE
from platform_cli.graph.values import ParameterKind, Schedule, StepKind, Where
from platform_cli.units import Cpu, Memory
from tests.flowfiles import TWO_STEPS, load

HERE = "flows/test/flow.py"


def test_a_step_asks_for_the_larger_of_resources_and_kubernetes(tmp_path: Path):
    graph = load(
        tmp_path, "@resources(cpu=2, memory=8192)\n@kubernetes(cpu=4, memory=4096, gpu=1, disk=100)" + TWO_STEPS
    )
    ask = graph.step("start").ask
    assert (ask.cpu, ask.memory, ask.gpus, ask.disk) == (Cpu(4000), Memory.parse("8Gi"), 1, Memory.parse("100Mi"))


def test_a_step_that_asks_for_nothing_gets_metaflows_defaults(tmp_path: Path):
    ask = load(tmp_path, TWO_STEPS).step("end").ask
    assert (ask.cpu, ask.memory, ask.gpus) == (Cpu(1000), Memory.parse("4Gi"), 0)


def test_retry_timeout_catch_and_cards(tmp_path: Path):
    decorators = (
        "@retry(times=2, minutes_between_retries=5)\n@timeout(hours=1, minutes=30)\n@catch\n@card\n@card(id='b')"
    )
    step = load(tmp_path, decorators + TWO_STEPS).step("start")
    assert step.retry is not None
    assert (step.retry.times, step.retry.pause_seconds, step.retry.where) == (2, 300, Where(file=HERE, line=5))
    assert (step.timeout_seconds, step.catches, step.cards) == (5400, True, 2)


def test_variables_are_sorted_and_secrets_are_references(tmp_path: Path):
    sources = "['plain', 'aws-secrets-manager.db', {'type': 'gcp', 'id': 'k'}]"
    decorators = f"@environment(vars={{'B': 2, 'A': 'x'}})\n@secrets(sources={sources})"
    step = load(tmp_path, decorators + TWO_STEPS).step("start")
    assert [(variable.name, variable.value) for variable in step.variables] == [("A", "x"), ("B", "2")]
    assert [(s.backend, s.name) for s in step.secrets] == [("", "plain"), ("aws-secrets-manager", "db"), ("gcp", "k")]


def test_parameters_of_every_type_arrive_as_text(tmp_path: Path):
    body = """
    a = Parameter("a", default="x y", help="Some text.")
    b = Parameter("b", default=3)
    c = Parameter("c", default=0.5)
    d = Parameter("d", default=True)
    e = Parameter("e", type=JSONType, default={"k": [1]})
    f = IncludeFile("f", default="data.txt")
    g = Parameter("g")
    h = Parameter("h", type=int, required=True)
    """
    graph = load(tmp_path, textwrap.dedent(body) + TWO_STEPS)
    assert [(p.name, p.kind, p.default, p.required) for p in graph.parameters] == [
        ("a", ParameterKind.STRING, "x y", False),
        ("b", ParameterKind.INTEGER, "3", False),
        ("c", ParameterKind.NUMBER, "0.5", False),
        ("d", ParameterKind.BOOLEAN, "true", False),
        ("e", ParameterKind.JSON, '{"k": [1]}', False),
        ("f", ParameterKind.FILE, "data.txt", False),
        ("g", ParameterKind.STRING, None, False),
        ("h", ParameterKind.INTEGER, None, True),
    ]
    assert graph.parameters[0].help == "Some text."
    assert graph.parameter("g").is_unset("")
    assert not graph.parameter("a").is_unset("")


def test_a_config_is_read_and_resolved_in_decorators(tmp_path: Path):
    (tmp_path / "sizes.json").write_text('{"memory": 9000, "cpu": 3}')
    body = (
        'sizes = Config("sizes", default="sizes.json")\n\n@resources(memory=sizes.memory, cpu=config_expr("sizes.cpu"))'
    )
    graph = load(tmp_path, body + TWO_STEPS)
    assert graph.configs == (("sizes", '{"memory": 9000, "cpu": 3}'),)
    assert (graph.step("start").ask.memory, graph.step("start").ask.cpu) == (Memory.parse("9000Mi"), Cpu(3000))


def test_a_schedule_loses_what_only_aws_writes(tmp_path: Path):
    graph = load(tmp_path, TWO_STEPS, above="@schedule(cron='0 5 ? * MON-FRI *', timezone='Europe/Berlin')\n")
    assert graph.schedule == Schedule(cron="0 5 * * MON-FRI", timezone="Europe/Berlin", where=Where(file=HERE, line=4))


def test_a_schedule_without_a_zone_is_in_utc(tmp_path: Path):
    graph = load(tmp_path, TWO_STEPS, above="@schedule(weekly=True)\n")
    assert (graph.schedule.cron, graph.schedule.timezone) == ("0 0 * * 0", "UTC")


def test_a_flow_may_inherit_steps_and_name_its_ends(tmp_path: Path):
    source = """
    @step(start=True)
    def first(self):
        self.next(self.last)

    @step(end=True)
    def last(self):
        pass
    """
    graph = load(tmp_path, source)
    assert (graph.start, graph.end, [step.name for step in graph.steps]) == ("first", "last", ["first", "last"])


SHAPE = """
@step
def start(self):
    self.next(self.left, self.right)
@step
def left(self):
    self.way = "a"
    self.next({"a": self.long, "b": self.short}, condition="way")
@step
def long(self):
    self.next(self.short)
@step
def short(self):
    self.next(self.joined)
@step
def right(self):
    self.items = [1]
    self.next(self.item, foreach="items")
@step
def item(self):
    self.next(self.join_items)
@step
def join_items(self, inputs):
    self.next(self.joined)
@step
def joined(self, inputs):
    self.next(self.end)
@step
def end(self):
    pass
"""


def test_the_structure_is_worked_out_from_the_transitions(tmp_path: Path):
    graph = load(tmp_path, SHAPE)
    steps = {step.name: step for step in graph.steps}
    assert [step.name for step in graph.steps] == [
        "start", "left", "long", "short", "right", "item", "join_items", "joined", "end",
    ]  # fmt: skip
    assert steps["short"].parents == ("left", "long")
    assert steps["left"].kind is StepKind.SWITCH
    assert (steps["joined"].joins, steps["start"].joined_by) == ("start", "joined")
    assert (steps["join_items"].joins, steps["join_items"].inside, steps["item"].inside) == ("right", (), ("right",))
    assert steps["item"].branch_of == ("start", "right")


def test_a_pod_reads_the_configs_that_the_compile_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In a pod the project's files are not in the working folder; Metaflow's own variable holds the texts."""
    (tmp_path / "c.toml").write_text("memory = 9000\n")
    parser = "import tomllib\ndef toml(text): return tomllib.loads(text)\n"
    body = 'sizes = Config("sizes", default="c.toml", parser=toml)\n\n@resources(memory=sizes.memory)' + TWO_STEPS
    compiled = load(tmp_path, body, above=parser)
    (tmp_path / "c.toml").unlink()
    monkeypatch.setattr(
        "platform_cli.graph.load.ENVIRONMENT", {**ENVIRONMENT, CONFIG_VARIABLE: json.dumps(dict(compiled.configs))}
    )
    again = load(tmp_path, body, above=parser)
    assert again.step("start").ask.memory == compiled.step("start").ask.memory == Memory.parse("9000Mi")


def test_metaflows_command_line_takes_the_variable_too(tmp_path: Path):
    (tmp_path / "c.toml").write_text("memory = 9000\n")
    parser = "import tomllib\ndef toml(text): return tomllib.loads(text)\n"
    body = 'sizes = Config("sizes", default="c.toml", parser=toml)\n' + TWO_STEPS.replace(
        "pass", "print('got', self.sizes.memory)"
    )
    configs = dict(load(tmp_path, body, above=parser).configs)
    done = subprocess.run(
        [sys.executable, str(tmp_path / HERE), "--no-pylint", "run"],
        cwd=tmp_path / "flows", capture_output=True, text=True, check=False,
        env={**os.environ, CONFIG_VARIABLE: json.dumps(configs), "METAFLOW_USER": "t"},
    )  # fmt: skip
    assert "got 9000" in done.stdout, done.stdout + done.stderr
