"""
The decorators of a flow and its steps -> typed values; every decorator or attribute that would be ignored is a finding.

In: Metaflow's decorator objects. Out: the fields of Step and FlowGraph that they decide.

Only attributes that the author wrote count: Metaflow's own defaults come from environment variables and profiles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from platform_cli.graph.values import (
    Ask,
    ExitHook,
    Finding,
    Parameter,
    Retry,
    Schedule,
    Secret,
    Trigger,
    Variable,
    Where,
)
from platform_cli.units import Cpu, Memory

if TYPE_CHECKING:
    from platform_cli.graph.read import Places

_FROM_IMAGE = "Dependencies come from the image: add the package to pyproject.toml and build the image."
_FROM_EVENT = "Start the flow by an event instead: @trigger or @trigger_on_finish."
_REFUSED = {
    "airflow_external_task_sensor": _FROM_EVENT,
    "airflow_s3_key_sensor": _FROM_EVENT,
    "conda": _FROM_IMAGE,
    "pypi": _FROM_IMAGE,
    "conda_base": _FROM_IMAGE,
    "pypi_base": _FROM_IMAGE,
    "parallel": "Fan out with foreach: every item is a task of its own.",
    "pytorch_parallel": "Fan out with foreach: every item is a task of its own.",
    "batch": "Ask with @resources; steps run on Kubernetes.",
}
_BY_POOL = "Ask with cpu, memory, gpu and compute_pool; the environment's pools decide the rest."
_BY_ENVIRONMENT = "A flow names no environment; platform.toml says this once for all flows."
# What is honoured of each decorator, and for the rest what to do instead.
_HONOURED = {
    "retry": {"times", "minutes_between_retries"},
    "timeout": {"seconds", "minutes", "hours"},
    "catch": {"var", "print_exception"},
    "environment": {"vars"},
    "secrets": {"sources", "role", "allow_override"},
    "resources": {"cpu", "gpu", "disk", "memory", "shared_memory"},
    "kubernetes": {"cpu", "memory", "disk", "gpu", "gpu_vendor", "image", "secrets", "shared_memory", "compute_pool"},
    "card": {"type", "options", "scope", "rank", "timeout", "id", "save_errors", "customize", "refresh_interval"},
    "schedule": {"cron", "weekly", "daily", "hourly", "timezone"},
    "trigger": {"event", "events"},
    "trigger_on_finish": {"flow", "flows"},
    "project": {"name"},
    "exit_hook": {"on_success", "on_error"},
}
_INSTEAD = {
    "node_selector": _BY_POOL,
    "tolerations": _BY_POOL,
    "qos": _BY_POOL,
    "extended_resources": _BY_POOL,
    "namespace": _BY_ENVIRONMENT,
    "service_account": _BY_ENVIRONMENT,
    "image_pull_policy": _BY_ENVIRONMENT,
    "image_pull_secrets": _BY_ENVIRONMENT,
    "branch": "Channels replace branches of a project: see `platform submit`.",
    "production": "Channels replace branches of a project: a merge deploys.",
}
_DEFAULT_CPU, _DEFAULT_MEMORY_MIB = 1.0, 4096.0  # Metaflow's, metaflow/plugins/resources_decorator.py


class StepReader:
    """Reads the decorators of one flow's steps and collects what is wrong with them."""

    def __init__(self, places: Places, findings: list[Finding]) -> None:
        self._places = places
        self._findings = findings

    def read(self, node: Any) -> dict[str, Any]:
        """The decorators of one step, as the fields of Step that they decide."""
        fields: dict[str, Any] = {}
        asks: list[tuple[dict[str, Any], Where]] = []
        variables: list[Variable] = []
        secrets: list[Secret] = []
        seen: dict[str, int] = {}
        for deco in node.decorators:
            index = seen[deco.name] = seen.get(deco.name, -1) + 1
            where = self._places.step_decorator(node, deco.name, index)
            if not honoured(deco, where, self._findings):
                continue
            written = {key: deco.attributes[key] for key in deco._user_defined_attributes}
            match deco.name:
                case "retry":
                    fields["retry"] = self._retry(deco.attributes, where)
                case "timeout":
                    fields["timeout_seconds"] = self._timeout(written, where)
                case "catch":
                    fields["catches"] = self._catch(node, where)
                case "card":
                    fields["cards"] = fields.get("cards", 0) + 1
                case "environment":
                    variables += self._variables(written.get("vars", {}), where)
                case "secrets":
                    secrets += [
                        secret for source in written.get("sources", ()) for secret in self._secret(source, where)
                    ]
                case "resources" | "kubernetes":
                    asks.append((written, where))
                    secrets += [Secret(name=str(name), where=where) for name in _listed(written.get("secrets"))]
        return {
            **fields,
            "variables": tuple(sorted(variables, key=lambda v: v.name)),
            "secrets": tuple(secrets),
            "ask": self._ask(asks, self._places.step(node)),
        }

    def _add(self, where: Where, rule: str, problem: str, fix: str = "") -> None:
        self._findings.append(Finding(where=where, rule=rule, problem=problem, fix=fix))

    def _retry(self, attributes: dict[str, Any], where: Where) -> Retry:
        times = int(attributes["times"])
        if not 0 <= times <= 4:
            # metaflow.metaflow_config.MAX_ATTEMPTS = 6: the first attempt, four more, and the one of @catch.
            self._add(
                where, "retry", f"@retry asks for {times} more attempts", "Ask for 0 to 4: a task has six attempts."
            )
        return Retry(times=times, pause_seconds=round(float(attributes["minutes_between_retries"]) * 60), where=where)

    def _timeout(self, written: dict[str, Any], where: Where) -> int:
        seconds = sum(
            int(written.get(unit, 0)) * factor for unit, factor in (("seconds", 1), ("minutes", 60), ("hours", 3600))
        )
        if seconds <= 0:
            self._add(where, "timeout", "@timeout says no duration", "Write @timeout(minutes=30).")
        return seconds

    def _catch(self, node: Any, where: Where) -> bool:
        if node.type in ("foreach", "split-switch"):
            problem = f'@catch is on step "{node.name}", which decides where the run goes next'
            self._add(where, "catch", problem, "Put the risky part into the step before.")
        return True

    def _variables(self, mapping: Any, where: Where) -> list[Variable]:
        return [Variable(name=str(name), value=str(value), where=where) for name, value in dict(mapping).items()]

    def _secret(self, source: Any, where: Where) -> list[Secret]:
        if is_kubernetes_secret(source):
            return [Secret(name=str(source), where=where)]
        if isinstance(source, dict):
            if source.get("type") == "inline":
                self._add(where, "secret", "@secrets holds a literal value", "Name a Secret: sources=['name'].")
                return []
            return [Secret(name=str(source.get("id", "")), backend=str(source.get("type", "")), where=where)]
        backend, _, name = str(source).partition(".")
        return [Secret(name=name, backend=backend, where=where)]

    def _ask(self, asks: list[tuple[dict[str, Any], Where]], where: Where) -> Ask:
        numbers: dict[str, float] = {}
        names: dict[str, str] = {}
        for written, line in asks:
            where = line
            for key in ("cpu", "memory", "gpu", "disk", "shared_memory"):
                if written.get(key) is not None:
                    numbers[key] = max(numbers.get(key, 0.0), self._number(key, written[key], line))
            names |= {key: str(written[key]) for key in ("image", "compute_pool") if written.get(key)}
            if str(written.get("gpu_vendor") or "nvidia") != "nvidia":
                self._add(line, "gpu", f'gpu_vendor is "{written["gpu_vendor"]}"', "Pools with GPUs have NVIDIA's.")
        return Ask(
            cpu=Cpu(round(numbers.get("cpu", _DEFAULT_CPU) * 1000)),
            memory=Memory.mebibytes(numbers.get("memory", _DEFAULT_MEMORY_MIB)),
            disk=Memory.mebibytes(numbers["disk"]) if numbers.get("disk") else None,
            shared_memory=Memory.mebibytes(numbers["shared_memory"]) if numbers.get("shared_memory") else None,
            gpus=int(numbers.get("gpu", 0)),
            pool=names.get("compute_pool", ""),
            image=names.get("image", ""),
            where=where,
        )

    def _number(self, key: str, value: Any, where: Where) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = -1.0
        whole = key in ("gpu",) and number != int(number)
        if number < 0 or whole or (number == 0 and key in ("cpu", "memory")):
            unit = {"cpu": "cores", "gpu": "whole GPUs"}.get(key, "MiB")
            self._add(where, "resources", f"{key} is {value!r}", f"Write a number of {unit}.")
            return 1.0
        return number


def is_kubernetes_secret(source: object) -> bool:
    """Whether a source of `@secrets` is the name of a Kubernetes Secret: text without a backend before a dot."""
    return isinstance(source, str) and "." not in source


def honoured(deco: Any, where: Where, findings: list[Finding]) -> bool:
    """Whether a decorator means something here; what of it does not becomes a finding, never silence."""
    known = _HONOURED.get(deco.name)
    if known is None:
        fix = _REFUSED.get(deco.name, f"Known: {', '.join('@' + name for name in _HONOURED)}.")
        findings.append(Finding(where=where, rule="decorator", problem=f"@{deco.name} is not supported", fix=fix))
        return False
    for key in sorted(deco._user_defined_attributes - known):
        problem = f'@{deco.name} has the attribute "{key}", which is not supported'
        fix = _INSTEAD.get(key, f"Known: {', '.join(sorted(known))}.")
        findings.append(Finding(where=where, rule="attribute", problem=problem, fix=fix))
    return True


def flow_extras(
    flow: Any, places: Places, parameters: tuple[Parameter, ...], findings: list[Finding]
) -> dict[str, Any]:
    """The decorators of the flow itself, as the fields of FlowGraph that they decide."""
    from metaflow.flowspec import FlowStateItems

    found: dict[str, Any] = {"triggers": (), "exit_hooks": ()}
    for name, decos in sorted(flow._flow_state[FlowStateItems.FLOW_DECORATORS].items()):
        for index, deco in enumerate(decos):
            where = places.flow_decorator(name, index)
            if not honoured(deco, where, findings):
                continue
            match name:
                case "schedule":
                    found["schedule"] = _schedule(deco.attributes, where, findings)
                case "project":
                    found["project"] = str(deco.attributes["name"])
                case "trigger":
                    found["triggers"] += tuple(_events(deco.attributes, where, parameters, findings))
                case "trigger_on_finish":
                    found["triggers"] += tuple(_finishes(deco.attributes, where, findings))
                case "exit_hook":
                    found["exit_hooks"] += tuple(_hooks(deco.attributes, where))
    return found


def _schedule(attributes: dict[str, Any], where: Where, findings: list[Finding]) -> Schedule | None:
    if attributes["cron"]:
        cron = str(attributes["cron"])
    elif attributes["weekly"]:
        cron = "0 0 * * 0"
    elif attributes["hourly"]:
        cron = "0 * * * *"
    elif attributes["daily"]:
        cron = "0 0 * * *"
    else:
        return None
    # Metaflow also takes the sixth field of AWS's cron, the year, and `?`; Argo's cron has neither need.
    fields = cron.replace("?", "*").split()
    if len(fields) == 6 and fields[5] == "*":
        fields = fields[:5]
    if len(fields) != 5:
        fix = 'Write minute, hour, day, month and weekday, as in "0 5 * * *".'
        findings.append(Finding(where=where, rule="schedule", problem=f'cron is "{cron}"', fix=fix))
    return Schedule(cron=" ".join(fields), timezone=_timezone(attributes["timezone"], where, findings), where=where)


def _timezone(name: Any, where: Where, findings: list[Finding]) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(str(name or "UTC")).key
    except (ZoneInfoNotFoundError, ValueError):
        fix = 'Name a zone of the IANA database, such as "Europe/Berlin".'
        findings.append(Finding(where=where, rule="schedule", problem=f'time zone is "{name}"', fix=fix))
        return "UTC"


def _events(
    attributes: dict[str, Any], where: Where, parameters: tuple[Parameter, ...], findings: list[Finding]
) -> list[Trigger]:
    found = []
    events = [attributes["event"]] if attributes["event"] else attributes["events"]
    for event in events if isinstance(events, (list, tuple)) else [events]:
        name = event.get("name") if isinstance(event, dict) else event
        fields = event.get("parameters", {}) if isinstance(event, dict) else {}
        if not isinstance(name, str) or callable(fields):
            fix = "Write names and fields as text: a compiled trigger cannot call a function."
            findings.append(Finding(where=where, rule="trigger", problem="@trigger's event is no name", fix=fix))
            continue
        pairs = sorted(fields.items()) if isinstance(fields, dict) else [_pair(field) for field in fields]
        unknown = [pair[0] for pair in pairs if pair[0] not in {p.name for p in parameters}]
        if unknown:
            problem = f'@trigger fills the parameter "{unknown[0]}", which the flow does not have'
            findings.append(Finding(where=where, rule="trigger", problem=problem))
        found.append(Trigger(event=name, parameters=tuple(pairs), where=where))
    return found


def _pair(field: Any) -> tuple[str, str]:
    return (field, field) if isinstance(field, str) else (str(field[0]), str(field[1]))


def _finishes(attributes: dict[str, Any], where: Where, findings: list[Finding]) -> list[Trigger]:
    flows = [attributes["flow"]] if attributes["flow"] else attributes["flows"]
    found = []
    for flow in flows if isinstance(flows, (list, tuple)) else [flows]:
        if not isinstance(flow, str) or "." in flow:
            fix = "Name the flow's class: a project's branches are channels here."
            findings.append(Finding(where=where, rule="trigger", problem=f"@trigger_on_finish names {flow!r}", fix=fix))
            continue
        found.append(Trigger(flow=flow, where=where))
    return found


def _hooks(attributes: dict[str, Any], where: Where) -> list[ExitHook]:
    return [
        ExitHook(function=hook if isinstance(hook, str) else hook.__name__, on_success=on_success, where=where)
        for on_success, key in ((True, "on_success"), (False, "on_error"))
        for hook in attributes[key]
    ]


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value.split(",") if isinstance(value, str) else list(value)
