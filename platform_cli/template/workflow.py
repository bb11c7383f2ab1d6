"""
FlowGraph -> the WorkflowTemplate.

In: a FlowGraph and a Target. Out: a hera model; `policy` adds what the environment's rules say.
"""

from __future__ import annotations

from hera.workflows.models import (
    Arguments,
    EmptyDirVolumeSource,
    ObjectMeta,
    Parameter,
    Template,
    Volume,
    WorkflowSpec,
    WorkflowTemplate,
)

from platform_cli.graph.address import CODE_PARAMETER, EPOCH_PARAMETER, ORIGIN_PARAMETER
from platform_cli.graph.values import FlowGraph, ParameterKind
from platform_cli.names import template_name
from platform_cli.template.dag import Names, dag_templates
from platform_cli.template.environment import SOURCE_FOLDER, Target
from platform_cli.template.steps import hook_templates, step_templates

API_VERSION = "argoproj.io/v1alpha1"
_RESERVED_HELP = {
    CODE_PARAMETER: "Address of the code package; empty where the code is in the image.",
    ORIGIN_PARAMETER: "Take over what succeeded in this run: argo-<run>[/<step>].",
    EPOCH_PARAMETER: "How often the run was restarted by hand.",
}


def workflow_template(graph: FlowGraph, target: Target) -> WorkflowTemplate:
    """The flow as Argo executes it: the DAG, then its scopes, then one container per step."""
    names = Names(graph)
    templates: list[Template] = [*dag_templates(graph, names), *step_templates(graph, target, names)]
    hooks = hook_templates(graph, target, names)
    return WorkflowTemplate(
        api_version=API_VERSION,
        kind="WorkflowTemplate",
        metadata=ObjectMeta(
            name=template_name(graph.name, target.channel, target.code_hash),
            namespace=target.environment.namespace,
            annotations={"workflows.argoproj.io/description": _first_sentence(graph.doc)} if graph.doc else None,
        ),
        spec=WorkflowSpec(
            entrypoint=names.entry,
            on_exit=hooks[-1].name if hooks else None,
            arguments=Arguments(parameters=_parameters(graph, target)),
            service_account_name=target.environment.service_account or None,
            templates=[*templates, *hooks],
            volumes=[
                Volume(name="tmp", empty_dir=EmptyDirVolumeSource()),
                Volume(name="work", empty_dir=EmptyDirVolumeSource()),
            ],
        ),
    )


def _first_sentence(doc: str) -> str:
    return " ".join(doc.partition("\n\n")[0].split())


def _parameters(graph: FlowGraph, target: Target) -> list[Parameter]:
    found = []
    for parameter in graph.parameters:
        value = parameter.default
        if value is not None and parameter.kind is ParameterKind.FILE and not target.package:
            value = value if value.startswith("/") else f"{SOURCE_FOLDER}/{value}"
        if value is None and not parameter.required:
            # A workflow parameter without a value keeps a run from starting; the runner reads this as "no value".
            value = ""
        found.append(
            Parameter(
                name=parameter.name,
                description=parameter.help or None,
                enum=["true", "false"] if parameter.kind is ParameterKind.BOOLEAN and value else None,
                value=value,
            )
        )
    values = {CODE_PARAMETER: target.package, EPOCH_PARAMETER: "0"}
    found += [
        Parameter(name=name, description=words, value=values.get(name, "")) for name, words in _RESERVED_HELP.items()
    ]
    return found
