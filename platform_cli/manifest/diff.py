"""
What a merge would change, in words.

In: two sets of documents. Out: changes, grouped by what a reviewer asks about: image, code, schedule, resources,
parameters, graph, policy.

Every leaf of every document is looked at, so nothing can change in silence; what no rule below names is policy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Document = dict[str, Any]
Path = tuple[str, ...]


class Group(StrEnum):
    IMAGE = "image"
    CODE = "code"
    SCHEDULE = "schedule"
    RESOURCES = "resources"
    PARAMETERS = "parameters"
    GRAPH = "graph"
    POLICY = "policy"


@dataclass(frozen=True, kw_only=True, order=True)
class Change:
    """
    One thing that is different. `before` is empty for what is new, `after` for what is gone.

    Attributes:
        object: kind and name; subject: whose it is, such as `step score`; aspect: what of it, such as `memory`.
    """

    group: Group
    object: str
    subject: str
    aspect: str = ""
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        if not self.aspect:
            return f"{self.subject} is {'new' if self.after else 'gone'}"
        return f"{self.subject}: {self.aspect} {_between(self.before, self.after)}"


def compare(before: Iterable[Document], after: Iterable[Document]) -> list[Change]:
    """List every change between two sets of documents, by group, then object and subject."""
    old, new = _by_name(before), _by_name(after)
    changes: set[Change] = set()
    for key in old.keys() | new.keys():
        if key in old and key in new:
            changes |= _changes(key, _leaves(old[key]), _leaves(new[key]))
        else:
            group = Group.GRAPH if key.startswith("WorkflowTemplate") else Group.SCHEDULE
            present = {"after": "new"} if key in new else {"before": "gone"}
            changes.add(Change(group=group, object=key, subject=key, **present))
    order = list(Group)
    return sorted(changes, key=lambda change: (order.index(change.group), change))


def words(changes: Iterable[Change]) -> str:
    """Write changes for people, one heading per group."""
    groups: dict[Group, list[str]] = {}
    for change in changes:
        groups.setdefault(change.group, []).append(f"  {change}")
    return "\n".join("\n".join([group, *dict.fromkeys(lines)]) for group, lines in groups.items())


def _by_name(documents: Iterable[Document]) -> dict[str, Document]:
    return {f"{document['kind']} {document['metadata']['name']}": document for document in documents}


def _leaves(document: Document) -> dict[Path, str]:
    """Path -> text of every leaf; an entry of a list goes by its name where it has one."""
    found: dict[Path, str] = {}

    def visit(value: Any, path: Path) -> None:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                visit(inner, (*path, str(key)))
        elif isinstance(value, list) and value and all(isinstance(item, dict) and "name" in item for item in value):
            for item in value:
                visit(item, (*path, str(item["name"])))
        else:
            found[path] = value if isinstance(value, str) else json.dumps(value, sort_keys=True)

    visit(document, ())
    return found


def _changes(key: str, old: dict[Path, str], new: dict[Path, str]) -> set[Change]:
    changes = set()
    whole = {*_wholes(old)} ^ {*_wholes(new)}
    for path in whole:
        subject = f"parameter {path[-1]}" if path[-2] == "parameters" else f"step {path[-1]}"
        group = Group.PARAMETERS if path[-2] == "parameters" else Group.GRAPH
        present = {"after": "new"} if path in _wholes(new) else {"before": "gone"}
        changes.add(Change(group=group, object=key, subject=subject, **present))
    gone_or_new = {path[-1] for path in whole if path[-2] == "templates"}
    for path in old.keys() | new.keys():
        before, after = old.get(path, ""), new.get(path, "")
        inside = any(path[: len(part)] == part for part in whole)
        of_task = path[2:3] and path[:2] == ("spec", "templates") and path[3:5] == ("dag", "tasks")
        if before == after or inside or (of_task and path[5] in gone_or_new):
            continue
        group, subject, aspect = _name(path)
        changes.add(Change(group=group, object=key, subject=subject, aspect=aspect, before=before, after=after))
    return changes


def _wholes(leaves: dict[Path, str]) -> set[Path]:
    """What is worth one sentence when it comes or goes: a container template, a parameter of the flow."""
    found = set()
    for path in leaves:
        if path[:2] == ("spec", "templates") and path[3:4] == ("container",):
            found.add(path[:3])
        elif path[:3] == ("spec", "arguments", "parameters") and len(path) > 4:
            found.add(path[:4])
    return found


# (path as a pattern, group, subject, aspect); the first that matches names a change. `\1` is the step or parameter.
_STEP = r"spec/templates/([^/]+)"
_NAMES: tuple[tuple[str, Group, str, str], ...] = (
    (rf"{_STEP}/container/image", Group.IMAGE, r"step \1", "image"),
    (r".*labels/platform\.dev/code", Group.CODE, "code", "hash"),
    (rf"{_STEP}/container/args", Group.CODE, r"step \1", "arguments"),
    (rf"{_STEP}/container/command", Group.CODE, r"step \1", "command"),
    (rf"{_STEP}/container/resources/\w+/nvidia\.com/gpu", Group.RESOURCES, r"step \1", "GPUs"),
    (rf"{_STEP}/container/resources/\w+/ephemeral-storage", Group.RESOURCES, r"step \1", "disk"),
    (rf"{_STEP}/container/resources/\w+/(\w+)", Group.RESOURCES, r"step \1", r"\2"),
    (rf"{_STEP}/volumes/shm/.*", Group.RESOURCES, r"step \1", "shared memory"),
    (rf"{_STEP}/container/volumeMounts/shm/.*", Group.RESOURCES, r"step \1", "shared memory"),
    (rf"{_STEP}/(?:nodeSelector/(.+))", Group.RESOURCES, r"step \1", r"node \2"),
    (rf"{_STEP}/tolerations", Group.RESOURCES, r"step \1", "tolerations"),
    (rf"{_STEP}/container/env/([^/]+)/.*", Group.PARAMETERS, r"step \1", r"variable \2"),
    (rf"{_STEP}/dag/tasks/([^/]+)/depends", Group.GRAPH, r"step \2", "comes after"),
    (rf"{_STEP}/dag/tasks/([^/]+)/when", Group.GRAPH, r"step \2", "runs when"),
    (rf"{_STEP}/dag/tasks/([^/]+)/(.+)", Group.GRAPH, r"step \2", r"\3"),
    (rf"{_STEP}/(?:inputs|outputs|suspend|dag)/(.+)", Group.GRAPH, r"step \1", r"\2"),
    (rf"{_STEP}/podSpecPatch", Group.POLICY, r"step \1", "memory after an OOM kill"),
    (rf"{_STEP}/activeDeadlineSeconds", Group.POLICY, r"step \1", "deadline in seconds"),
    (rf"{_STEP}/retryStrategy/expression", Group.POLICY, r"step \1", "is retried when"),
    (rf"{_STEP}/(.+)", Group.POLICY, r"step \1", r"\2"),
    (r"spec/arguments/parameters/([^/]+)/value", Group.PARAMETERS, r"parameter \1", "default"),
    (r"spec/arguments/parameters/([^/]+)/(.+)", Group.PARAMETERS, r"parameter \1", r"\2"),
    (r"spec/(schedules|timezone|startingDeadlineSeconds|concurrencyPolicy)", Group.SCHEDULE, "schedule", r"\1"),
    (r"spec/(dependencies/.+|triggers/.+|workflowSpec/.+)", Group.SCHEDULE, "trigger", r"\1"),
    (r"spec/(.+)", Group.POLICY, "runs", r"\1"),
    (r"(.+)", Group.POLICY, "object", r"\1"),
)
_COMPILED = tuple((re.compile(pattern), group, subject, aspect) for pattern, group, subject, aspect in _NAMES)


def _name(path: Path) -> tuple[Group, str, str]:
    text = "/".join(path)
    for pattern, group, subject, aspect in _COMPILED:
        match = pattern.fullmatch(text)
        if match:
            return group, match.expand(subject), match.expand(aspect).replace("/", " ")
    raise AssertionError(f"the last pattern matches everything, and not {text!r}")


def _between(before: str, after: str) -> str:
    """`8 -> 16 Gi` for amounts of one unit, `old -> new` for the rest, and a word for what was not there."""
    amounts = [re.fullmatch(r"(\d+)([KMGT]i|m)", text) for text in (before, after)]
    if all(amounts) and amounts[0] and amounts[1] and amounts[0][2] == amounts[1][2]:
        return f"{amounts[0][1]} -> {amounts[1][1]} {amounts[0][2]}"
    return f"{_short(before) or 'none'} -> {_short(after) or 'none'}"


def _short(text: str) -> str:
    """Long texts by their beginning and end; a digest by its first twelve characters; a memory patch by its sizes."""
    if text.startswith("containers:"):
        return ", ".join(dict.fromkeys(re.findall(r"'(\d+[KMGT]i)'", text)))
    text = re.sub(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}", r"\1", " ".join(text.split()))
    return text if len(text) <= 160 else f"{text[:100]} ... {text[-50:]}"
