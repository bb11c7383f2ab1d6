"""
The parameters and configs of a flow class -> frozen values.

In: a flow class. Out: Parameter values and configs as text, and the class with every config expression resolved.

A default that is a function would make the same sources compile differently tomorrow, so it is refused unless the
function says of itself that it is deterministic: `default.deterministic = True`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_cli.graph.address import RESERVED_PARAMETERS
from platform_cli.graph.values import Finding, Parameter, ParameterKind, Where

if TYPE_CHECKING:
    from platform_cli.graph.read import Places

# Metaflow reads configs from this variable before it looks at files; a pod gets the texts that the compile read.
CONFIG_VARIABLE = "METAFLOW_FLOW_CONFIG_VALUE"
_KINDS = {
    str: ParameterKind.STRING,
    int: ParameterKind.INTEGER,
    float: ParameterKind.NUMBER,
    bool: ParameterKind.BOOLEAN,
}


def read_parameters(
    flow: Any, places: Places, findings: list[Finding]
) -> tuple[tuple[Parameter, ...], tuple[tuple[str, str], ...], Any]:
    """Read parameters and configs, run the flow's mutators as Metaflow does, and return the class they leave."""
    from metaflow.parameters import flow_context

    with flow_context(flow):
        configs, texts = _configs(flow, places, findings)
        if findings:
            return (), (), flow
        flow = flow._process_config_decorators(configs) or flow
        _resolve_decorators(flow)
        found = []
        for attribute, parameter in flow._get_parameters():
            if not getattr(parameter, "IS_CONFIG_PARAMETER", True):
                found.append(_parameter(parameter, flow.__name__, places.parameter(attribute), findings))
    return tuple(sorted(found, key=lambda p: (p.where, p.name))), texts, flow


def _configs(flow: Any, places: Places, findings: list[Finding]) -> tuple[dict[str, Any], tuple[tuple[str, str], ...]]:
    """The configs' values, and the texts that they were read from."""
    from metaflow.user_configs.config_options import ConfigInput, ConvertDictOrStr

    declared = [(attribute, p) for attribute, p in flow._get_parameters() if getattr(p, "IS_CONFIG_PARAMETER", False)]
    if not declared:
        return {}, ()
    texts = {}
    given = json.loads(os.environ.get(CONFIG_VARIABLE, "{}"))
    for attribute, config in declared:
        text = given.get(config.name) or _config_text(config, places.parameter(attribute), findings)
        if text is not None:
            texts[config.name] = text
    if findings:
        return {}, ()
    reader = ConfigInput(
        [config.name for _, config in declared if config.kwargs["required"]],
        {config.name: (None, False) for _, config in declared},
        {config.name: (config.parser, config.kwargs["plain"]) for _, config in declared},
    )
    converted = {name: ConvertDictOrStr.convert_value(text, False) for name, text in texts.items()}
    try:
        reader.process_configs(flow.__name__, "config", {}, True, "local")
        values = reader.process_configs(flow.__name__, "config_value", converted, True, "local")
    except Exception as error:  # Metaflow raises click's, json's and the parser's own classes here.
        problem = " ".join(str(getattr(error, "message", error)).split()).rstrip(".")
        findings.append(Finding(where=places.parameter(declared[0][0]), rule="config", problem=problem))
        return {}, ()
    return dict(values or {}), tuple(sorted(texts.items()))


def _config_text(config: Any, where: Where, findings: list[Finding]) -> str | None:
    default = config.kwargs.get("default")
    if callable(default):
        findings.append(_function(f'config "{config.name}"', where))
        return None
    if not config._default_is_file or default is None:
        return json.dumps(default, sort_keys=True) if isinstance(default, dict) else default
    try:
        return Path(default).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = f'config "{config.name}" cannot be read from {default} ({type(error).__name__})'
        fix = "Name a file relative to the project's folder."
        findings.append(Finding(where=where, rule="config", problem=problem, fix=fix))
        return None


def _resolve_decorators(flow: Any) -> None:
    """Replace config expressions by their values, without the decorators' own init, which reads Metaflow's settings."""
    from metaflow.flowspec import FlowStateItems
    from metaflow.user_configs.config_parameters import resolve_delayed_evaluator, unpack_delayed_evaluator

    flow_decorators = [deco for decos in flow._flow_state[FlowStateItems.FLOW_DECORATORS].values() for deco in decos]
    step_decorators = [deco for node in flow._graph for deco in node.decorators]
    for deco in (*flow_decorators, *step_decorators):
        deco.attributes, added = unpack_delayed_evaluator(deco.attributes)
        deco._user_defined_attributes.update(added)
        deco.attributes = resolve_delayed_evaluator(deco.attributes, to_dict=True)


def _parameter(parameter: Any, flow: str, where: Where, findings: list[Finding]) -> Parameter:
    from metaflow.includefile import IncludeFile
    from metaflow.parameters import JSONTypeClass

    kwargs = parameter.kwargs
    kind = _KINDS.get(kwargs.get("type"))
    if isinstance(parameter, IncludeFile):
        kind = ParameterKind.FILE
    elif isinstance(kwargs.get("type"), JSONTypeClass):
        kind = ParameterKind.JSON
    if kind is None:
        of = getattr(kwargs["type"], "__name__", kwargs["type"])
        findings.append(
            Finding(
                where=where,
                rule="parameter-type",
                problem=f'parameter "{parameter.name}" is of type {of}',
                fix="Use str, int, float, bool, JSONType or IncludeFile.",
            )
        )
    if parameter.name in RESERVED_PARAMETERS:
        findings.append(
            Finding(
                where=where,
                rule="reserved-parameter",
                problem=f'parameter "{parameter.name}" has a name that the platform uses itself',
                fix="Rename it.",
            )
        )
    default = _default(parameter, kind, flow, where, findings)
    return Parameter(
        name=parameter.name,
        kind=kind or ParameterKind.STRING,
        where=where,
        default=default,
        required=bool(kwargs.get("required")) and default is None,
        help=kwargs.get("help") or "",
    )


def _default(
    parameter: Any, kind: ParameterKind | None, flow: str, where: Where, findings: list[Finding]
) -> str | None:
    from metaflow.parameters import ParameterContext

    value = parameter._override_kwargs.get("default")
    if callable(value):
        if not getattr(value, "deterministic", False):
            findings.append(_function(f'parameter "{parameter.name}"', where))
            return None
        value = value(
            ParameterContext(
                flow_name=flow,
                user_name="platform",
                parameter_name=parameter.name,
                logger=lambda *_a, **_k: None,
                ds_type="local",
                configs=None,
            )
        )
    elif kind is not ParameterKind.FILE:
        value = parameter.kwargs.get("default")
    return _text(value, kind)


def _text(value: Any, kind: ParameterKind | None) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if kind is ParameterKind.BOOLEAN:
        return "true" if value else "false"
    return json.dumps(value, sort_keys=True) if isinstance(value, (dict, list, tuple)) else str(value)


def _function(what: str, where: Where) -> Finding:
    return Finding(
        where=where,
        rule="function-default",
        problem=f"the default of {what} is a function, so the same sources could compile differently tomorrow",
        fix="Give it a value; or, if it always returns the same, say so with `<function>.deterministic = True`.",
    )
