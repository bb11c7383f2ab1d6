"""
What the cluster says about a pod that does not start -> a sentence that a data scientist understands.

In: the message of a node, as Argo copies it from the scheduler, the kubelet or an admission check. Out: plain words,
and which kind of trouble it is. What is not known is passed on as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Trouble(StrEnum):
    """Why something does not start."""

    NONE = ""
    NO_ROOM = "unschedulable"
    IMAGE = "image"
    QUOTA = "quota"
    MISSING = "missing"
    TURN = "turn"
    BACKOFF = "backoff"


@dataclass(frozen=True, kw_only=True)
class Words:
    """A sentence without a capital and a full stop, and its kind."""

    text: str
    trouble: Trouble


# The scheduler's reasons, each with the number of nodes it holds for.
# Source: Kubernetes 1.34, pkg/scheduler/framework/plugins (noderesources/fit.go, tainttoleration, nodeaffinity)
_REASONS = (
    (r"Insufficient (\S+)", "{n} too little {0} free"),
    (r"node\(s\) had untolerated taint(?:\(s\))?(?: ?\{([^}:]+)[^}]*\})?", "{n} reserved by a taint {0}"),
    (r"node\(s\) didn't match Pod's node affinity/selector", "{n} not of the pool it asks for"),
    (r"node\(s\) were unschedulable", "{n} closed for new pods"),
    (r"Too many pods", "{n} full of pods"),
    (r"node\(s\) had volume node affinity conflict", "{n} without its volume"),
)
_IMAGE = re.compile(
    r"(ErrImagePull|ImagePullBackOff|ErrImageNeverPull|InvalidImageName|ImageInspectError|Failed to pull image)\b"
)
_IMAGE_NAME = re.compile(r'(?:image|to pull image|pulling image|apply default image tag) "([^"]+)"')
_QUOTA = re.compile(r"exceeded quota: ([^,]+), requested: (.+?), used: (.+?), limited: ([^\n]+)")
_MISSING = re.compile(r'(secret|configmap) "([^"]+)" not found')
_LOCK = re.compile(r"Waiting for (\S+) lock(?:.*?Lock status: (\d+)/(\d+))?", re.DOTALL)
_LIMITS = re.compile(r"(maximum|minimum) (\S+) usage per (\w+) is ([^,.]+?),? but (?:limit|request) is ([^\s,.]+)")


def in_words(message: str) -> Words:
    """Say a message in plain words."""
    text = " ".join(message.split())
    for read in _READERS:
        if found := read(text):
            return found
    return Words(text=text.rstrip("."), trouble=Trouble.NONE)


def _scheduler(text: str) -> Words | None:
    match = re.search(r"(\d+)/(\d+) nodes are available: (.*?)(?:\. preemption:|$)", text)
    if not match:
        return None
    said = match[3].partition(". ")[0].rstrip(". ")
    pieces = []
    for count, reason in re.findall(r"(\d+) (.+?)(?:, (?=\d+ )|$)", said):
        pieces.append(_reason(int(count), int(match[2]), reason.rstrip(".")))
    nodes = "the only node" if match[2] == "1" else f"none of {match[2]} nodes"
    verb = "cannot take it" if match[2] == "1" else "can take it"
    return Words(text=f"{nodes} {verb}: {', '.join(pieces) or said}", trouble=Trouble.NO_ROOM)


def _reason(count: int, of: int, reason: str) -> str:
    who = "it has" if of == 1 else f"{count} {'has' if count == 1 else 'have'}"
    is_ = "it is" if of == 1 else f"{count} {'is' if count == 1 else 'are'}"
    for pattern, words in _REASONS:
        if match := re.match(pattern, reason):
            subject = who if words.startswith("{n} too") else is_
            return words.format(*(group or "" for group in match.groups()), n=subject).strip()
    return f"{count} {reason}"


def _image(text: str) -> Words | None:
    if not _IMAGE.search(text):
        return None
    name = _IMAGE_NAME.search(text)
    which = f'image "{name[1]}"' if name else "its image"
    why = ", which the node does not hold and may not fetch" if "ErrImageNeverPull" in text else ""
    if re.search(r"not found|does not exist|manifest unknown", text):
        why = ": there is no such image"
    elif re.search(r"unauthorized|authentication required|denied|forbidden", text, re.IGNORECASE):
        why = ": the registry does not let the cluster in"
    elif re.search(r"no such host|dial tcp|i/o timeout|connection refused", text):
        why = ": the registry cannot be reached"
    verb = "is no name of an image" if "InvalidImageName" in text else "cannot be pulled"
    return Words(text=f"{which} {verb}{why}", trouble=Trouble.IMAGE)


def _quota(text: str) -> Words | None:
    if match := _QUOTA.search(text):
        return Words(
            text=f'quota "{match[1]}" is used up: {match[2]} asked, {match[3]} in use, {match[4].rstrip(".")} allowed',
            trouble=Trouble.QUOTA,
        )
    if match := _LIMITS.search(text):
        more = "at most" if match[1] == "maximum" else "at least"
        return Words(text=f"asks for {match[5]} of {match[2]}; the namespace gives {more} {match[4]}",
                     trouble=Trouble.QUOTA)  # fmt: skip
    return None


def _missing(text: str) -> Words | None:
    match = _MISSING.search(text)
    kind = {"secret": "Secret", "configmap": "ConfigMap"}
    return match and Words(
        text=f'needs the {kind[match[1]]} "{match[2]}", which does not exist', trouble=Trouble.MISSING
    )


def _turn(text: str) -> Words | None:
    if match := _LOCK.search(text):
        queue = match[1].rstrip("/").rpartition("/")[2]
        room = f": {match[3]} runs go at once" if match[3] else ""
        return Words(text=f'waits for its turn in queue "{queue}"{room}', trouble=Trouble.TURN)
    if "parallelism" in text:
        return Words(text="waits for its turn: the run has as many pods as it may", trouble=Trouble.TURN)
    return None


def _backoff(text: str) -> Words | None:
    match = re.match(r"Backoff for (.+)", text)
    return match and Words(
        text=f"failed; another try is decided on after {match[1].rstrip('.')}", trouble=Trouble.BACKOFF
    )


def _starting(text: str) -> Words | None:
    if text in ("ContainerCreating", "PodInitializing", ""):
        return Words(text="is being started", trouble=Trouble.NONE)
    return None


_READERS: tuple[Callable[[str], Words | None], ...] = (
    _scheduler, _image, _quota, _missing, _turn, _backoff, _starting,
)  # fmt: skip
