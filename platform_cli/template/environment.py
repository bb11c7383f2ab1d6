"""
One environment of platform.toml -> frozen values that templates and policy need.

In: the environment's tables and its image lock, as plain values. Out: Environment; SettingsError names the key.

A flow never names an environment; everything that differs between two of them is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from platform_cli.errors import SettingsError, UsageError, did_you_mean
from platform_cli.names import Channel
from platform_cli.settings import CLUSTER_KEYS
from platform_cli.units import Cpu, Duration, Memory

# Where images keep the project, and the folder that a step may write to.
SOURCE_FOLDER = "/app"
WORK_FOLDER = "/work"
_A_DAY = Duration(86400)


@dataclass(frozen=True, kw_only=True)
class Pool:
    """
    A kind of node.

    Attributes:
        cpu, memory: what one step can get at most, after what the node keeps for itself.
        shares: how many steps share a core; each reserves that part of what it asks for, and uses what is free.
        gpu_type: what the GPUs are, as `@kubernetes(compute_pool=...)` may name them; the pool's name works too.
        selector: labels of its nodes; tolerations: (key, value, effect) of its taints.
    """

    name: str
    cpu: Cpu
    memory: Memory
    gpus: int = 0
    shares: int = 1
    gpu_type: str = ""
    selector: tuple[tuple[str, str], ...] = ()
    tolerations: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Queue:
    """
    Whose turn it is: how important runs are, how many at once, and how much each step may ask for.

    Attributes:
        parallelism: pods of one run at the same time; 0 is no limit.
        semaphore: `ConfigMap/key` that holds how many runs go at once; empty is no limit.
        deadline: of a whole run; keep: how long a finished run stays in the cluster.
    """

    name: str
    priority_class: str = ""
    parallelism: int = 0
    semaphore: str = ""
    cpu: Cpu
    memory: Memory
    gpus: int = 0
    deadline: Duration = _A_DAY
    step_deadline: Duration = _A_DAY
    keep: Duration = _A_DAY


@dataclass(frozen=True, kw_only=True)
class Environment:
    """
    Where a template is going to run.

    Attributes:
        images: (name, reference); a reference ends in a digest where the lock knows one.
        requires_digest: false only on a laptop, where images are loaded and not pulled.
        variables: what every step sees, sorted; never a secret.
        code: store of the code packages of working copies; empty where only images run.
        secret: Kubernetes Secret with the stores' credentials; empty where the service account is enough.
    """

    name: str
    namespace: str = "default"
    channel: Channel
    datastore: str = ""
    code: str = ""
    service_account: str = ""
    secret: str = ""
    team: str = ""
    images: tuple[tuple[str, str], ...] = ()
    pools: tuple[Pool, ...] = ()
    queues: tuple[Queue, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    requires_digest: bool = True

    def image(self, name: str) -> str:
        """Reference of an image by its short name; empty where the environment has none of that name."""
        return dict(self.images).get(name, "")

    def queue(self, name: str) -> Queue:
        """
        Raises:
            SettingsError: the environment has no such queue.
        """
        found = next((queue for queue in self.queues if queue.name == name), None)
        if found is None:
            fix = did_you_mean(name, [queue.name for queue in self.queues])
            raise SettingsError(f'environment "{self.name}" has no queue "{name}"', fix=fix)
        return found


@dataclass(frozen=True, kw_only=True)
class Target:
    """
    What one template is compiled for.

    Attributes:
        code_hash: of the flow's files; a label, and the end of an ad hoc template's name.
        package: address of the code package; empty where the code is in the image.
    """

    environment: Environment
    queue: Queue
    channel: Channel
    code_hash: str = ""
    package: str = ""


_ON_A_LAPTOP = ("local", "kind")


def parse_environment(
    name: str,
    section: Mapping[str, Any],
    lock: Mapping[str, str],
    *,
    channel: Channel,
    variables: Mapping[str, str],
) -> Environment:
    """
    Read one environment.

    Args:
        section: the environment's section of platform.toml; `settings` has checked its keys.
        lock: image name -> `sha256:...`, from `images.<environment>.lock`.
        variables: environment variables of every step.
    """
    where = f"environments.{name}"
    images = _table(section, "images", where)
    unlocked = [image for image in lock if image not in images]
    if unlocked:
        raise SettingsError(
            f'images.{name}.lock names the image "{unlocked[0]}"', fix=did_you_mean(unlocked[0], [*images])
        )
    return Environment(
        name=name,
        channel=channel,
        **{key: str(section[key]) for key in CLUSTER_KEYS if key in section},
        images=tuple(sorted((key, _locked(str(value), lock.get(key, ""))) for key, value in images.items())),
        pools=tuple(
            _pool(key, value, f"{where}.pools.{key}") for key, value in _table(section, "pools", where).items()
        ),
        queues=tuple(
            _queue(key, value, f"{where}.queues.{key}") for key, value in _table(section, "queues", where).items()
        ),
        variables=tuple(sorted((key, value) for key, value in variables.items() if value)),
        requires_digest=name not in _ON_A_LAPTOP,
    )


def _table(section: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    table = section.get(key, {})
    if not isinstance(table, dict):
        raise SettingsError(f"{where}.{key} is not a table", wanted=f"[{where}.{key}]")
    return table


def _locked(reference: str, digest: str) -> str:
    if not digest:
        return reference
    return f"{reference.partition('@')[0]}@{digest}"


def _pool(name: str, table: Any, where: str) -> Pool:
    values = _known(table, Pool, where)
    tolerations = values.get("tolerations", [])
    return Pool(
        name=name,
        cpu=_amount(Cpu, values, "cpu", where),
        memory=_amount(Memory, values, "memory", where),
        gpus=_whole(values, "gpus", where),
        shares=max(_whole(values, "shares", where), 1),
        gpu_type=str(values.get("gpu_type", "")),
        selector=tuple(sorted((str(key), str(value)) for key, value in values.get("selector", {}).items())),
        tolerations=tuple(
            (str(t.get("key", "")), str(t.get("value", "")), str(t.get("effect", ""))) for t in tolerations
        ),
    )


def _queue(name: str, table: Any, where: str) -> Queue:
    values = _known(table, Queue, where)
    durations = {
        key: _amount(Duration, values, key, where) for key in ("deadline", "step_deadline", "keep") if key in values
    }
    return Queue(
        name=name,
        priority_class=str(values.get("priority_class", "")),
        parallelism=_whole(values, "parallelism", where),
        semaphore=str(values.get("semaphore", "")),
        cpu=_amount(Cpu, values, "cpu", where),
        memory=_amount(Memory, values, "memory", where),
        gpus=_whole(values, "gpus", where),
        **durations,
    )


def _known(table: Any, cls: type, where: str) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise SettingsError(f"{where} is not a table", wanted=f"[{where}]")
    known = [field.name for field in fields(cls) if field.name != "name"]
    for key in table:
        if key not in known:
            raise SettingsError(f'{where}: unknown key "{key}"', fix=did_you_mean(key, known))
    return table


def _amount(cls: Any, values: dict[str, Any], key: str, where: str) -> Any:
    if key not in values:
        raise SettingsError(f"{where}.{key} is missing")
    try:
        return cls.parse(str(values[key]))
    except UsageError as error:
        raise SettingsError(f"{where}.{key}: {error.problem}", wanted=error.wanted) from error


def _whole(values: dict[str, Any], key: str, where: str) -> int:
    value = values.get(key, 0)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise SettingsError(f"{where}.{key} is {value!r}", wanted="a whole number, 0 or more")
    return value
