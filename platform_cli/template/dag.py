"""
FlowGraph -> DAG templates, one per foreach scope (design 2).

In: a FlowGraph. Out: hera's DAG templates, whose tasks name container templates after their steps.

A step's condition is the OR over its parents; a join's is the AND over its split's branches of such ORs. `depends`
cannot ask which way a switch went, and a `when` that asks a switch which did not run never resolves (metaflow#3043).
So a way from a switch straight to a step that others lead to as well is a task of its own, without a pod: it depends
on its switch, asks for its choice, and the step depends on it like on any other parent.
"""

from __future__ import annotations

from collections.abc import Iterable

from hera.workflows.models import Arguments, DAGTask, DAGTemplate, Inputs, Parameter, SuspendTemplate, Template

from platform_cli.graph.address import ways_to
from platform_cli.graph.values import FlowGraph, Step, StepKind

PATH = "{{inputs.parameters.path}}"
# Operators and literals of the language of `depends`; a task of such a name would not parse.
# Source: github.com/expr-lang/expr, parser/lexer/state.go and parser/operator/operator.go.
_WORDS = frozenset({"and", "in", "let", "matches", "nil", "not", "or", "true", "false", "contains", "if", "else"})


class Names:
    """Names inside one WorkflowTemplate: steps first, then what is made up, never the same twice."""

    def __init__(self, graph: FlowGraph) -> None:
        self._taken: set[str] = set()
        self._steps = {step.name: self.free(_task(step.name)) for step in graph.steps}
        self.entry = self.free("flow")
        self.chosen = self.free("chosen")

    def step(self, name: str) -> str:
        return self._steps[name]

    def free(self, wish: str) -> str:
        """Take a name: the wish, or the wish with the first free number."""
        name, number = wish, 1
        while name in self._taken:
            number += 1
            name = f"{wish}-{number}"
        self._taken.add(name)
        return name


def _task(step: str) -> str:
    """Argo's names hold letters, digits and dashes, and begin and end without a dash."""
    name = step.replace("_", "-").strip("-") or "step"
    return f"{name}-step" if name in _WORDS else name


def dag_templates(graph: FlowGraph, names: Names) -> list[Template]:
    """One template for the flow, one for the inside of each foreach; the last is the pod-less one, if it is used."""
    scopes = [Scope(graph, names, "")] + [
        Scope(graph, names, step.name) for step in graph.steps if step.kind is StepKind.FOREACH
    ]
    bodies = {scope.foreach: names.free(f"each-{names.step(scope.body)}") for scope in scopes if scope.foreach}
    templates = [scope.template(bodies) for scope in scopes]
    if any(scope.uses_chosen for scope in scopes):
        # A suspension of no time: Argo's only template without a pod that is done in the same breath.
        templates.append(Template(name=names.chosen, suspend=SuspendTemplate(duration="0")))
    return templates


class Scope:
    """The steps that share a path: those inside one foreach, or those outside any."""

    def __init__(self, graph: FlowGraph, names: Names, foreach: str) -> None:
        self._graph = graph
        self._names = names
        self.foreach = foreach
        self.body = graph.step(foreach).children[0] if foreach else graph.start
        self.uses_chosen = False
        inside = (*graph.step(foreach).inside, foreach) if foreach else ()
        self._steps = [step for step in graph.steps if step.inside == inside]
        self._each = {
            step.name: names.free(f"{names.step(step.name)}-each")
            for step in self._steps
            if step.kind is StepKind.FOREACH
        }

    def template(self, bodies: dict[str, str]) -> Template:
        """The DAG of this scope; `bodies` names the DAG template of each foreach."""
        tasks: list[DAGTask] = []
        for step in self._steps:
            tasks += self._tasks(step)
            if step.name in self._each:
                tasks.append(self._fan_out(step, bodies[step.name]))
        entry = not self.foreach
        path = Parameter(name="path", value="") if entry else Parameter(name="path")
        return Template(
            name=self._names.entry if entry else bodies[self.foreach],
            inputs=Inputs(parameters=[path]),
            dag=DAGTemplate(tasks=tasks),
        )

    def _fan_out(self, step: Step, body: str) -> DAGTask:
        task = self._names.step(step.name)
        return DAGTask(
            name=self._each[step.name],
            template=body,
            depends=f"{task}.Succeeded",
            arguments=_arguments(f"{PATH}-{{{{item}}}}"),
            with_param=f"{{{{tasks.{task}.outputs.parameters.splits}}}}",
        )

    def _tasks(self, step: Step) -> list[DAGTask]:
        task = DAGTask(
            name=self._names.step(step.name), template=self._names.step(step.name), arguments=_arguments(PATH)
        )
        if step.name == self.body:
            return [task]
        if step.joins:
            return [*self._join(step, task), task]
        if len(step.parents) == 1:
            (parent,) = step.parents
            task.depends = _succeeded(self._names.step(parent))
            if self._graph.step(parent).kind is StepKind.SWITCH:
                task.when = self._chose(parent, step.name)
            return [task]
        gates, terms = self._terms(step, step.parents)
        task.depends = _any(terms)
        return [*gates, task]

    def _join(self, step: Step, task: DAGTask) -> list[DAGTask]:
        split = self._graph.step(step.joins)
        if split.kind is StepKind.FOREACH:
            task.depends = _succeeded(self._each[split.name])
            return []
        gates: list[DAGTask] = []
        branches = []
        for branch in split.children:
            more, terms = self._terms(step, ways_to(self._graph, branch, step.name))
            gates += more
            branches.append(terms)
        task.depends = " && ".join(_any(terms, inner=len(branches) > 1) for terms in branches)
        return gates

    def _terms(self, step: Step, parents: Iterable[str]) -> tuple[list[DAGTask], list[str]]:
        gates, terms = [], []
        for parent in parents:
            if self._graph.step(parent).kind is StepKind.SWITCH:
                gates.append(self._gate(parent, step.name))
                terms.append(_succeeded(gates[-1].name))
            else:
                terms.append(_succeeded(self._names.step(parent)))
        return gates, terms

    def _gate(self, switch: str, step: str) -> DAGTask:
        self.uses_chosen = True
        return DAGTask(
            name=self._names.free(f"{self._names.step(switch)}-chose-{self._names.step(step)}"),
            template=self._names.chosen,
            depends=_succeeded(self._names.step(switch)),
            when=self._chose(switch, step),
        )

    def _chose(self, switch: str, step: str) -> str:
        return f"'{{{{tasks.{self._names.step(switch)}.outputs.parameters.next}}}}' == '{step}'"


def _succeeded(task: str) -> str:
    return f"{task}.Succeeded"


def _any(terms: list[str], *, inner: bool = False) -> str:
    text = " || ".join(terms)
    return f"({text})" if inner and len(terms) > 1 else text


def _arguments(path: str) -> Arguments:
    return Arguments(parameters=[Parameter(name="path", value=path)])
