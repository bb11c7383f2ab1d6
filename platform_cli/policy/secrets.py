"""
Keep secrets out of manifests: a manifest is in Git, in the cluster and in a browser.

In: a FlowGraph. Out: findings for literal values that look like secrets, by the name of their key or by their form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from platform_cli.graph.values import Finding, FlowGraph, Where
from platform_cli.policy.parts import is_template
from platform_cli.template import Target

_KEY = re.compile(
    r"(^|_)(passw(or)?d|passphrase|secret|token|api_?key|access_?key|private_?key|credentials?|webhook_?url)(_|$)"
)
# AWS access key ids, PEM blocks, GitHub and Slack tokens, JSON web tokens, a password inside an address.
_FORM = re.compile(
    r"\b(AKIA|ASIA)[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY|\bgh[pousr]_\w{36}|\bxox[abprs]-\w{8}"
    r"|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.|://[^/\s:@]+:[^/\s:@]+@"
)
_FIX = "Put it into a Kubernetes Secret and name that with @secrets(sources=['name'])."


def check(document: dict[str, Any], graph: FlowGraph, target: Target) -> list[Finding]:
    """Refuse literal secrets in variables, defaults of parameters, and configs."""
    del target
    if not is_template(document):
        return []
    return [
        Finding(where=where, rule="secret", problem=f"{what} looks like a secret", fix=_FIX)
        for what, name, value, where in _literals(graph)
        if value and (looks_secret(name) or _FORM.search(value))
    ]


def looks_secret(name: str) -> bool:
    """Whether a key's name says that its value is a secret."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", name).lower()
    return bool(_KEY.search(words))


def _literals(graph: FlowGraph) -> Iterator[tuple[str, str, str, Where]]:
    for step in graph.steps:
        for variable in step.variables:
            yield f'variable "{variable.name}" of step "{step.name}"', variable.name, variable.value, variable.where
    for parameter in graph.parameters:
        yield f'the default of parameter "{parameter.name}"', parameter.name, parameter.default or "", parameter.where
    for config, text in graph.configs:
        for key, value in _leaves(_document(text)):
            yield f'"{key}" in config "{config}"', key, value, graph.where


def _document(text: str) -> Any:
    """A config as JSON; line by line where its parser reads another language."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        pairs = (re.split(r"\s*[=:]\s*", line.strip(), maxsplit=1) for line in text.splitlines())
        return [{pair[0]: pair[-1]} for pair in pairs]


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, key)
    else:
        yield key, "" if value is None or isinstance(value, bool) else str(value)
