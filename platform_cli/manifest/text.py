"""
A document -> YAML, and back.

In: plain values. Out: text that reads well and is the same for equal documents: sorted keys (only `name` goes first,
so that a reviewer finds a step), no nulls, no timestamps, long strings on one line, and every text
quoted that YAML 1.1 takes for something else (`y`, `on`, `1e3`), because Kubernetes reads YAML by that older rule.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

HEADER = "# Rendered from {source} by `platform render`. Do not edit: change the flow, the settings or the lock.\n"
# Taken for a boolean by YAML 1.1 (PyYAML forgets the single letters), or for a number by Go's reader (1e3, and every
# hash that happens to be digits around an e).
_QUOTED = re.compile(
    r"y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF"
    r"|[-+.]?[0-9][0-9a-fA-FxXoO_.,:+-]*"
)
# What fits on a line is written on one: a task's arguments, a variable, a volume.
_ON_ONE_LINE = 100


class _Dumper(yaml.CSafeDumper):
    """libyaml's emitter, ten times as fast as Python's. No anchors: they save bytes and cost readers."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _mapping(dumper: _Dumper, value: dict[str, Any]) -> yaml.Node:
    keys = sorted(value, key=lambda key: (key != "name", key))
    node = dumper.represent_mapping("tag:yaml.org,2002:map", [(key, value[key]) for key in keys], flow_style=False)
    if value.keys() in ({"parameters"}, {"name", "value"}, {"name", "mountPath"}, {"name"}, {"name", "emptyDir"}):
        _flow(node)
    return node


def _flow(node: Any) -> None:
    """Write a small mapping on one line, unless it is long after all."""
    nodes: list[Any] = [node]
    length = 0
    for inner in nodes:
        if isinstance(inner, yaml.MappingNode):
            nodes += [part for pair in inner.value for part in pair]
        elif isinstance(inner, yaml.SequenceNode):
            nodes += inner.value
        else:
            length += len(inner.value) + 4
    if length <= _ON_ONE_LINE:
        for inner in nodes:
            if not isinstance(inner, yaml.ScalarNode):
                inner.flow_style = True


def _string(dumper: _Dumper, value: str) -> yaml.Node:
    style = None
    if _QUOTED.fullmatch(value):
        style = "'"
    elif "\n" in value:
        style = "|"  # libyaml falls back to quotes where a block could not hold the text exactly
    elif "'" in value and '"' not in value and "\\" not in value:
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(dict, _mapping)
_Dumper.add_representer(str, _string)


def to_text(document: dict[str, Any], *, source: str) -> str:
    """
    Write one object.

    Args:
        source: what it was rendered from, for the line on top; relative to the project.
    """
    body = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=2**31 - 1, allow_unicode=True)
    return HEADER.format(source=source) + body


def from_text(text: str) -> list[dict[str, Any]]:
    """Read the objects of one file."""
    return [document for document in yaml.load_all(text, Loader=yaml.CSafeLoader) if document]


def file_name(document: dict[str, Any]) -> str:
    """Where an object lies in the tree of an environment: `<kind>/<name>.yaml`."""
    return f"{document['kind'].lower()}/{document['metadata']['name']}.yaml"
