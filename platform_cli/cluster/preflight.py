"""
Say before a run begins why one of its steps could never get a place.

In: a rendered WorkflowTemplate, and what the cluster really has (nodes, quotas, limit ranges, accounts, ...).
Out: one sentence per reason; none where every step can be placed some day.

A full cluster is no reason, only one that would be too small when empty. What nobody may read is not judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from platform_cli.cluster.cluster import Cluster
from platform_cli.errors import NotAllowed, NotFound

Document = dict[str, Any]

GPU = "nvidia.com/gpu"
_FACTORS = {"": 1, "m": 1e-3, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_FACTORS |= {f"{letter}i": 2.0 ** (10 * power) for power, letter in enumerate("KMGTP", start=1)}
_WORDS = {"cpu": "cores", "memory": "of memory", GPU: "GPUs", "ephemeral-storage": "of disk"}
# A kubelet names at most this many images of its node. Source: KubeletConfiguration.nodeStatusMaxImages.
_IMAGES_NAMED = 50
_AUTOSCALER_LABEL = "karpenter.sh/nodepool"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """
    What a cluster has; None where the one who asks may not look.

    Attributes:
        accounts: names of service accounts; node_pools: names of pools that an autoscaler makes nodes for.
    """

    nodes: list[Document] | None = None
    quotas: list[Document] | None = None
    limit_ranges: list[Document] | None = None
    priority_classes: set[str] | None = None
    accounts: set[str] | None = None
    node_pools: set[str] | None = None


def gather(cluster: Cluster) -> Facts:
    """Ask for six small lists."""
    questions: tuple[Callable[[], list[Document]], ...] = (
        cluster.nodes,
        cluster.quotas,
        cluster.limit_ranges,
        cluster.priority_classes,
        lambda: cluster.all_of("ServiceAccount"),
        cluster.node_pools,
    )
    nodes, quotas, limit_ranges, classes, accounts, node_pools = map(_allowed, questions)
    return Facts(
        nodes=nodes,
        quotas=quotas,
        limit_ranges=limit_ranges,
        priority_classes=_names(classes),
        accounts=_names(accounts),
        node_pools=_names(node_pools),
    )


def _names(found: list[Document] | None) -> set[str] | None:
    return None if found is None else {each["metadata"]["name"] for each in found}


def _allowed(question: Callable[[], list[Document]]) -> list[Document] | None:
    try:
        return question()
    except (NotAllowed, NotFound):
        return None


def why_never(template: Document, facts: Facts) -> list[str]:
    """
    Judge a rendered WorkflowTemplate.

    Returns:
        Sentences without a full stop, each once; steps that share a reason share its sentence's first mention.
    """
    spec = template["spec"]
    reasons = [*_accounts(spec, facts), *_priority(spec, facts)]
    for each in spec["templates"]:
        if "container" in each:
            reasons += _limits(each, facts)
            reasons += _quotas(each, spec, facts)
            reasons += _place(each, facts)
    return list(dict.fromkeys(reasons))


def _accounts(spec: Document, facts: Facts) -> Iterator[str]:
    wanted = [spec.get("serviceAccountName"), (spec.get("executor") or {}).get("serviceAccountName")]
    for name in dict.fromkeys(filter(None, wanted)):
        if facts.accounts is not None and name not in facts.accounts:
            yield f'the service account "{name}" does not exist'


def _priority(spec: Document, facts: Facts) -> Iterator[str]:
    name = spec.get("podPriorityClassName")
    if name and facts.priority_classes is not None and name not in facts.priority_classes:
        yield f'the priority class "{name}" does not exist'


def _limits(template: Document, facts: Facts) -> Iterator[str]:
    """LimitRange: what one container, or one pod, may ask for."""
    asked = _asked(template)
    rules = [rule for each in facts.limit_ranges or [] for rule in each["spec"].get("limits", [])]
    for rule in rules:
        if rule.get("type") not in ("Container", "Pod"):
            continue
        for name, most in (rule.get("max") or {}).items():
            if name in asked and amount(asked[name]) > amount(most):
                yield f"{_says(template, name, asked)}; the limit range gives at most {most}"
        for name, least in (rule.get("min") or {}).items():
            if name in asked and amount(asked[name]) < amount(least):
                yield f"{_says(template, name, asked)}; the limit range wants at least {least}"


def _quotas(template: Document, spec: Document, facts: Facts) -> Iterator[str]:
    asked, limits = _asked(template), template["container"].get("resources", {}).get("limits", {})
    for quota in facts.quotas or []:
        if not _is_for(quota, spec.get("podPriorityClassName", "")):
            continue
        named = f'the quota "{quota["metadata"]["name"]}"'
        for key, most in (quota["spec"].get("hard") or {}).items():
            kind, name = key.split(".", 1) if key.startswith(("requests.", "limits.")) else ("requests", key)
            wanted = limits.get(name) if kind == "limits" else asked.get(name)
            if wanted is not None and amount(wanted) > amount(most):
                yield f"{_says(template, name, {name: wanted})}; {named} has {most} in all"
            elif wanted is None and key in ("limits.cpu", "limits.memory") and not _has_default(name, facts):
                yield f"step {template['name']} has no limit of {name}, which {named} wants of every pod"


def _is_for(quota: Document, priority_class: str) -> bool:
    """Whether a quota counts pods of this priority class; scopes of other kinds are not ours."""
    selector = (quota["spec"].get("scopeSelector") or {}).get("matchExpressions") or []
    if quota["spec"].get("scopes"):
        return False
    for each in selector:
        if each.get("scopeName") != "PriorityClass":
            return False
        values = each.get("values") or []
        inside = bool(priority_class) if each["operator"] in ("Exists", "DoesNotExist") else priority_class in values
        if inside != (each["operator"] in ("In", "Exists")):
            return False
    return True


def _has_default(name: str, facts: Facts) -> bool:
    rules = [rule for each in facts.limit_ranges or [] for rule in each["spec"].get("limits", [])]
    return any(name in (rule.get("default") or {}) for rule in rules)


def _place(template: Document, facts: Facts) -> Iterator[str]:
    """Find a node that would do if it were empty, or say what the nearest ones lack."""
    selector = template.get("nodeSelector") or {}
    if facts.nodes is None or selector.get(_AUTOSCALER_LABEL) in (facts.node_pools or ()):
        return
    labelled = [node for node in facts.nodes if _has_labels(node, selector)]
    if not labelled:
        labels = ", ".join(f"{key}={value}" for key, value in sorted(selector.items()))
        yield f"step {template['name']} wants a node with {labels}; there is none" if labels else "there is no node"
        return
    asked = _asked(template)
    large = [node for node in labelled if not _lacks(node, asked)]
    if not large:
        name = _lacks(max(labelled, key=lambda node: -len(_lacks(node, asked))), asked)[0]
        most = max((_offers(node, name) for node in labelled), key=amount)
        what = "no node has GPUs" if name == GPU and not amount(most) else f"the largest node has {most}"
        yield f"{_says(template, name, asked)}; {what}"
        return
    open_ones = [node for node in large if not _closed_by(node, template)]
    if not open_ones:
        yield (
            f"step {template['name']} fits only on nodes with the taint {_closed_by(large[0], template)}, "
            "which it does not tolerate"
        )
        return
    image = template["container"]["image"]
    if image_is_missing(image, open_ones):
        yield f"the image {image} is on no node, and is never pulled"


def _has_labels(node: Document, selector: Document) -> bool:
    labels = node["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())


def _lacks(node: Document, asked: dict[str, str]) -> list[str]:
    """What a step asks for and this node, empty, does not have; the rarest first."""
    names = sorted(asked, key=lambda name: (name in ("cpu", "memory"), name))
    return [name for name in names if amount(asked[name]) > amount(_offers(node, name))]


def _offers(node: Document, name: str) -> str:
    return str(node["status"].get("allocatable", {}).get(name, "0"))


def _closed_by(node: Document, template: Document) -> str:
    """A taint that keeps the step away for good; those that the cluster sets itself pass."""
    for taint in node["spec"].get("taints") or []:
        if taint["effect"] == "PreferNoSchedule" or taint["key"].startswith("node.kubernetes.io/"):
            continue
        if not any(_tolerates(each, taint) for each in template.get("tolerations") or []):
            value = f"={taint['value']}" if taint.get("value") else ""
            return f"{taint['key']}{value}:{taint['effect']}"
    return ""


def _tolerates(toleration: Document, taint: Document) -> bool:
    """Source: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/"""
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return (toleration.get("key"), toleration.get("value", "")) == (taint["key"], taint.get("value", ""))


def image_is_missing(image: str, nodes: list[Document]) -> bool:
    """Whether an image that is never pulled is on none of these nodes."""
    return _is_local(image) and not any(_may_have(node, image) for node in nodes)


def _is_local(image: str) -> bool:
    """An image without a host in its name and without a digest: loaded into the nodes, never pulled."""
    first = image.split("/", maxsplit=1)[0]
    return "@" not in image and not any(mark in first for mark in ".:") and first != "localhost"


def _may_have(node: Document, image: str) -> bool:
    images = node["status"].get("images") or []
    names = {name for each in images for name in each.get("names") or []}
    # kwok's nodes have no images at all, and run whatever they are given.
    simulated = "kwok.x-k8s.io/node" in (node["metadata"].get("annotations") or {})
    return simulated or len(images) >= _IMAGES_NAMED or bool(names & {image, f"docker.io/{image}"})


def _asked(template: Document) -> dict[str, str]:
    resources = template["container"].get("resources", {})
    return {**(resources.get("limits") or {}), **(resources.get("requests") or {})}


def _says(template: Document, name: str, asked: dict[str, str]) -> str:
    word = "GPU" if name == GPU and asked[name] == "1" else _WORDS.get(name, name)
    return f"step {template['name']} asks for {asked[name]} {word}"


def amount(text: str) -> float:
    """A Kubernetes quantity as a number."""
    match = re.fullmatch(r"([0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]{0,2})", str(text).strip())
    return float(match[1]) * _FACTORS.get(match[2], 1) if match else 0.0
