"""
Argo's parameters of a run -> the arguments of Metaflow's `init`.

In: `{{workflow.parameters.json}}`, a list of {name, value}. Out: one `--name=value` per parameter of the flow.
A value is never read by a shell, never split, never trimmed: it arrives as it was given, or the run does not start.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from platform_cli.errors import UsageError, did_you_mean
from platform_cli.graph.address import RESERVED_PARAMETERS
from platform_cli.graph.values import Parameter, ParameterKind, Schedule
from platform_cli.names import DAY, day_of_schedule


def init_arguments(parameters: Sequence[Parameter], text: str | None, schedule: Schedule | None = None) -> list[str]:
    """
    Name every given value for Metaflow's own command line, which knows the types.

    Args:
        schedule: of a flow that has one: its runs get the time they were scheduled for, and the day is a date.
    Raises:
        ContractBroken: the day of a scheduled flow is neither a day nor a time.
        UsageError: not Argo's list, a name twice, or a name that the flow does not have.
    """
    known = {parameter.name: parameter for parameter in parameters}
    arguments = []
    # Metaflow's `init` forgets the default of an IncludeFile; `run` does not.
    files = {each.name: each.default for each in parameters if each.kind is ParameterKind.FILE and each.default}
    for name, value in {**files, **_pairs(text or "[]")}.items():
        if name in RESERVED_PARAMETERS:
            continue
        if name not in known:
            raise UsageError(f'the flow has no parameter "{name}"', fix=did_you_mean(name, list(known)))
        if name == DAY and schedule and value:
            value = day_of_schedule(value, schedule.timezone)  # noqa: PLW2901 # the one value that is translated
        if not known[name].is_unset(value):
            arguments.append(f"--{name}={value}")
    return arguments


def _pairs(text: str) -> dict[str, str]:
    try:
        entries = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"--parameters is not JSON ({error})", wanted="{{workflow.parameters.json}}") from error
    pairs: dict[str, str] = {}
    for entry in entries if isinstance(entries, list) else [entries]:
        name = entry.get("name") if isinstance(entry, dict) else None
        value = entry.get("value", "") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not isinstance(value, str) or name in pairs:
            raise UsageError(f"--parameters holds {entry!r:.100}", wanted="each name once, with its text as value")
        pairs[name] = value
    return pairs
