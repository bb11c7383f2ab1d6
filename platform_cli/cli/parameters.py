"""
The words of -p -> the values that a run gets.

In: NAME=VALUE words and the flow's parameters. Out: what differs from the defaults, as the text that reaches the step;
or an error that names the parameter, before anything is sent.

Argo substitutes inside values, so `{{` is refused here: in the pod it would be too late.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from platform_cli.errors import UsageError, did_you_mean
from platform_cli.graph.values import LONGEST_PARAMETERS, Parameter, ParameterKind

# click.BOOL's words, which Metaflow reads on a laptop.
_YES, _NO = ("1", "true", "t", "yes", "y", "on"), ("0", "false", "f", "no", "n", "off")


def read_pairs(pairs: Iterable[str]) -> dict[str, str]:
    """
    Read `NAME=VALUE` words.

    Raises:
        UsageError: a word of another form, or a name twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.replace("-", "_").isidentifier():
            raise UsageError(f'-p got "{pair}"', wanted="NAME=VALUE, such as -p as_of=2026-11-22")
        if name in found:
            raise UsageError(f'parameter "{name}" is given twice', wanted="each parameter once")
        found[name] = value
    return found


def changed_values(parameters: Sequence[Parameter], given: Mapping[str, str], files: Collection[str]) -> dict[str, str]:
    """
    Check what was given, and leave out what is the default anyway: the same work then has the same name.

    Args:
        files: paths that travel with the code; the only ones that a file parameter may name.
    Raises:
        UsageError: an unknown or missing name, a value of another type, `{{`, or too much in all.
    """
    known = {parameter.name: parameter for parameter in parameters}
    for name in given:
        if name not in known:
            raise UsageError(f'the flow has no parameter "{name}"', fix=did_you_mean(name, list(known)))
    missing = [each.name for each in parameters if each.required and each.name not in given]
    if missing:
        raise UsageError(
            f"the flow needs {', '.join(missing)}", fix=f"Add {' '.join(f'-p {name}=...' for name in missing)}."
        )
    values = {name: _checked(known[name], value, files) for name, value in given.items()}
    changed = {name: value for name, value in values.items() if not _is_default(known[name], value)}
    length = len(json.dumps([_as_argo_has_it(each, changed) for each in parameters]).encode())
    if length > LONGEST_PARAMETERS.bytes:
        raise UsageError(
            f"the parameters are {length:,} bytes long", wanted=f"at most {LONGEST_PARAMETERS}",
            fix="Put long values into a file of the flow's folder and use IncludeFile, or into the store.",
        )  # fmt: skip
    return changed


def _as_argo_has_it(parameter: Parameter, changed: Mapping[str, str]) -> dict[str, str]:
    """Argo hands a parameter's help over with its value."""
    value = changed.get(parameter.name, parameter.default or "")
    return {"name": parameter.name, "value": value, "description": parameter.help}


def _checked(parameter: Parameter, value: str, files: Collection[str]) -> str:
    if "{{" in value:
        raise UsageError(
            f'parameter "{parameter.name}" contains {{{{, which Argo would replace',
            fix="Build the text inside the step.",
        )
    if "\0" in value:
        raise UsageError(f'parameter "{parameter.name}" contains a zero byte, which no process can be given')
    match parameter.kind:
        case ParameterKind.INTEGER:
            return str(_converted(int, parameter, value, "a whole number"))
        case ParameterKind.NUMBER:
            _converted(float, parameter, value, "a number")
        case ParameterKind.JSON:
            _converted(json.loads, parameter, value, "JSON")
        case ParameterKind.BOOLEAN:
            word = value.strip().lower()
            if word not in (*_YES, *_NO):
                raise UsageError(f'parameter "{parameter.name}" is "{value}"', wanted="true or false")
            return "true" if word in _YES else "false"
        case ParameterKind.FILE if value not in files:
            raise UsageError(
                f'parameter "{parameter.name}" is the file "{value}", which does not travel to the cluster',
                wanted="a file of the flow's folder, relative to the project",
            )
    return value


def _converted(convert: Any, parameter: Parameter, value: str, wanted: str) -> Any:
    try:
        return convert(value)
    except (ValueError, RecursionError) as error:
        shown = value if len(value) <= 60 else f"{value[:60]}..."
        raise UsageError(f'parameter "{parameter.name}" is "{shown}"', wanted=wanted) from error


def _is_default(parameter: Parameter, value: str) -> bool:
    if parameter.default is None:
        return parameter.is_unset(value)
    match parameter.kind:
        case ParameterKind.NUMBER:
            return float(value) == float(parameter.default)
        case ParameterKind.JSON:
            return bool(json.loads(value) == json.loads(parameter.default))
    return value == parameter.default
