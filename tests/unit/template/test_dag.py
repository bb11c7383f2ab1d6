"""When a step runs: the OR over its parents, the AND over a split's branches, and one index more for every foreach."""

from pathlib import Path
from typing import Any

import pytest

from platform_cli.graph import FlowGraph
from platform_cli.names import Channel
from platform_cli.template import Environment, Queue, Target, compile_flow
from platform_cli.units import Cpu, Memory
from tests.flowfiles import load

ADHOC = Channel("adhoc/ada")


def a_target(channel: Channel | None = None, **more: Any) -> Target:
    environment = Environment(name="kind", channel=Channel("production"), images=(("flow", "flow:dev"),))
    queue = Queue(name="production", cpu=Cpu(8000), memory=Memory.parse("16Gi"))
    return Target(
        environment=environment, queue=queue, channel=channel or environment.channel, code_hash="abcdef0123", **more
    )


def template_of(graph: FlowGraph, **more: Any) -> dict[str, Any]:
    return compile_flow(graph, a_target(**more))[0]


def tasks(document: dict[str, Any], scope: str = "flow") -> dict[str, dict[str, Any]]:
    (dag,) = (template["dag"] for template in document["spec"]["templates"] if template["name"] == scope)
    return {task["name"]: task for task in dag["tasks"]}


def steps(*lines: str) -> str:
    """`name -> next, next` as a step each; `name?` is a join; `-> *x` a foreach; `-> a|b` a switch."""
    return "\n".join(_step(line) for line in lines)


def _step(line: str) -> str:
    name, _, after = (part.strip() for part in line.partition("->"))
    head = f"@step\ndef {name.rstrip('?')}(self{', inputs' if name.endswith('?') else ''}):\n"
    if not after:
        return head + "    pass\n"
    if after.startswith("*"):
        return head + f"    self.items = [1]\n    self.next(self.{after[1:]}, foreach='items')\n"
    if "|" in after:
        cases = ", ".join(f"'{number}': self.{case}" for number, case in enumerate(after.split("|")))
        return head + f"    self.way = '0'\n    self.next({{{cases}}}, condition='way')\n"
    return head + f"    self.next({', '.join('self.' + step.strip() for step in after.split(','))})\n"


def test_a_step_runs_after_its_parent_succeeded(tmp_path: Path):
    found = tasks(template_of(load(tmp_path, steps("start -> end", "end"))))
    assert "depends" not in found["start"]
    assert found["end"]["depends"] == "start.Succeeded"


def test_a_join_waits_for_every_branch_of_its_split(tmp_path: Path):
    flow = steps("start -> left, right", "left -> merge", "right -> merge", "merge? -> end", "end")
    assert tasks(template_of(load(tmp_path, flow)))["merge"]["depends"] == "left.Succeeded && right.Succeeded"


def test_a_branch_that_ends_in_a_switch_counts_once_whichever_way_it_went(tmp_path: Path):
    flow = steps(
        "start -> left, right", "left -> a|b", "a -> merge", "b -> merge", "right -> merge", "merge? -> end", "end"
    )
    found = tasks(template_of(load(tmp_path, flow)))
    assert found["merge"]["depends"] == "(a.Succeeded || b.Succeeded) && right.Succeeded"
    assert "when" not in found["merge"]


def test_a_case_of_a_switch_runs_when_the_switch_chose_it(tmp_path: Path):
    flow = steps("start -> a|b", "a -> merge", "b -> merge", "merge -> end", "end")
    found = tasks(template_of(load(tmp_path, flow)))
    assert found["a"]["depends"] == "start.Succeeded"
    assert found["a"]["when"] == "'{{tasks.start.outputs.parameters.next}}' == 'a'"
    assert found["merge"]["depends"] == "a.Succeeded || b.Succeeded"


def test_a_case_that_goes_straight_to_the_merge_is_a_task_without_a_pod(tmp_path: Path):
    flow = steps("start -> extra|merge", "extra -> merge", "merge -> end", "end")
    document = template_of(load(tmp_path, flow))
    found = tasks(document)
    assert found["merge"]["depends"] == "start-chose-merge.Succeeded || extra.Succeeded"
    assert "when" not in found["merge"]
    assert found["start-chose-merge"] == {
        "name": "start-chose-merge",
        "template": "chosen",
        "depends": "start.Succeeded",
        "when": "'{{tasks.start.outputs.parameters.next}}' == 'merge'",
    }
    assert {"name": "chosen", "suspend": {"duration": "0"}} in document["spec"]["templates"]


def test_no_condition_asks_a_switch_that_may_not_have_run(tmp_path: Path):
    """Argo 4.0 waits for ever on an output of a task that was omitted (metaflow#3043)."""
    flow = steps(
        "start -> inner|cheap", "inner -> merge|more", "more -> merge", "cheap -> merge", "merge -> end", "end"
    )
    found = tasks(template_of(load(tmp_path, flow)))
    for task in found.values():
        asked = [name for name in found if f"tasks.{name}.outputs" in task.get("when", "")]
        assert [f"{name}.Succeeded" for name in asked] in ([], [task.get("depends")])


def test_every_foreach_is_a_dag_of_its_own_with_one_index_more(tmp_path: Path):
    flow = steps("start -> *outer", "outer -> *inner", "inner -> close", "close? -> done", "done? -> end", "end")
    document = template_of(load(tmp_path, flow))
    assert tasks(document)["start-each"] == {
        "name": "start-each",
        "template": "each-outer",
        "depends": "start.Succeeded",
        "withParam": "{{tasks.start.outputs.parameters.splits}}",
        "arguments": {"parameters": [{"name": "path", "value": "{{inputs.parameters.path}}-{{item}}"}]},
    }
    assert tasks(document)["done"]["depends"] == "start-each.Succeeded"
    assert list(tasks(document, "each-outer")) == ["outer", "outer-each", "close"]
    assert list(tasks(document, "each-inner")) == ["inner"]


def test_a_switch_may_be_the_whole_inside_of_a_foreach(tmp_path: Path):
    flow = steps("start -> *item", "item -> odd|even", "odd -> even", "even -> close", "close? -> end", "end")
    found = tasks(template_of(load(tmp_path, flow)), "each-item")
    assert found["even"]["depends"] == "item-chose-even.Succeeded || odd.Succeeded"


def test_every_dag_and_container_template_has_one_input_called_path(tmp_path: Path):
    flow = steps("start -> *item", "item -> close", "close? -> end", "end")
    for template in template_of(load(tmp_path, flow))["spec"]["templates"]:
        assert [parameter["name"] for parameter in template["inputs"]["parameters"]] == ["path"]


@pytest.mark.parametrize("name", ["matches", "nil", "true", "contains", "let"])
def test_a_step_named_like_a_word_of_argos_expressions_gets_another_task_name(name: str, tmp_path: Path):
    found = tasks(template_of(load(tmp_path, steps(f"start -> {name}", f"{name} -> end", "end"))))
    assert found["end"]["depends"] == f"{name}-step.Succeeded"


def test_names_that_differ_only_in_what_argo_cannot_write_stay_different(tmp_path: Path):
    flow = steps(
        "start -> *x", "x -> start_each", "start_each -> start__each_", "start__each_ -> close", "close? -> end", "end"
    )
    document = template_of(load(tmp_path, flow))
    names = [template["name"] for template in document["spec"]["templates"]]
    assert len(names) == len(set(names))
    assert tasks(document)["close"]["depends"] == "start-each-2.Succeeded"
