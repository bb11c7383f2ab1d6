"""
`platform models`: what is registered, who holds which role, and moving the role of champion by hand.

In: names of models, as NAME, NAME@role or NAME/version. Out: versions with their origin, evaluation and verdict.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from platform_cli.cli.output import current_settings, emit, json_option, table
from platform_cli.errors import ChangesFound, NotAllowed, NotFound, UsageError

if TYPE_CHECKING:
    from platform_cli.models.registry import Registry
    from platform_cli.models.version import Version

_COMPARED = ("digest", "training_run", "data", "code", "contract", "verdict")


@click.group(help="Show registered models and move the role of champion.")
def command() -> None:
    pass


@command.command("list", help="List the registered models and who holds their roles.")
@json_option
def list_models(as_json: bool) -> None:
    registry = _registry()
    models = []
    for name in registry.models():
        versions = registry.versions(name)
        roles = {role: version.number for version in versions for role in version.aliases}
        models.append(
            {
                "model": name,
                "champion": roles.pop("champion", None),
                "challengers": dict(sorted(roles.items())),
                "versions": len(versions),
                "newest": versions[0].created if versions else None,
            }
        )
    emit({"models": models}, as_json, _draw_list)


@command.command("show", help="Show a model's versions, or one of them: NAME, NAME@role or NAME/version.")
@click.argument("reference", metavar="NAME[@ROLE|/VERSION]")
@json_option
def show(reference: str, as_json: bool) -> None:
    registry = _registry()
    name, role, number = _parse(reference)
    if role or number:
        found = _detailed(registry, _find(registry, reference))
        emit({"model": found["model"], "versions": [found]}, as_json, _draw_version)
        return
    versions = registry.versions(name)
    if not versions:
        raise NotFound(f"there is no model {name}", fix="See `platform models list`.")
    document = {"model": versions[0].model, "versions": [_plain(version) for version in versions]}
    emit(document, as_json, _draw_versions)


@command.command("diff", help="Say in what two versions differ; ends with 3 where they do.")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@json_option
def diff(first: str, second: str, as_json: bool) -> None:
    registry = _registry()
    one, other = (_detailed(registry, _find(registry, reference)) for reference in (first, second))
    changes = [
        {"field": field, "first": one[field], "second": other[field]}
        for field in _COMPARED
        if one[field] != other[field]
    ]
    for group in ("params", "metrics"):
        for key in sorted({*one[group], *other[group]}):
            pair = (one[group].get(key), other[group].get(key))
            if pair[0] != pair[1]:
                changes.append({"field": f"{group}.{key}", "first": pair[0], "second": pair[1]})
    names = [f"{each['model']}/{each['version']}" for each in (one, other)]
    emit({"first": names[0], "second": names[1], "changes": changes}, as_json, _draw_diff)
    if changes:
        raise ChangesFound(f"{names[0]} and {names[1]} differ in {len(changes)} things")


@command.command("promote", help="Make a version that passed the gate the champion.")
@click.argument("name")
@click.option("--version", "number", type=int, required=True, help="The version's number.")
@click.option("--reason", default="", help="Why, for whoever looks at the version later.")
@click.option("--override", default="", metavar="REASON", help="Promote although the gate has not passed it, and why.")
@json_option
def promote(name: str, number: int, reason: str, override: str, as_json: bool) -> None:
    from platform_cli.models.gate import read_verdict
    from platform_cli.models.version import CHAMPION, OVERRIDE, PASSED, REASON

    registry = _registry()
    version = registry.find(name, number)
    before = registry.roles(version.model).get(CHAMPION)
    if version.verdict != PASSED and not override:
        failed = [check.name for check in read_verdict(version).checks if not check.passed]
        state = f"was refused by the gate ({', '.join(failed)})" if failed else "was not judged by the gate"
        raise NotAllowed(
            f"version {number} of {version.model} {state}",
            wanted="a version that passed",
            fix=f'To promote it all the same: `platform models promote {name} --version {number} --override "<why>"`.',
        )
    said = {key: value for key, value in ((REASON, reason), (OVERRIDE, override)) if value}
    registry.note(version, said)
    registry.promote(version)
    _report_move(version.model, before.number if before else None, number, as_json)


@command.command("rollback", help="Give the role of champion back to the one before.")
@click.argument("name")
@click.option("--reason", default="", help="Why, for whoever looks at the version later.")
@json_option
def rollback(name: str, reason: str, as_json: bool) -> None:
    lost, won = _registry().rollback(name, reason=reason)
    _report_move(won.model, lost.number, won.number, as_json)


def _registry() -> Registry:
    from platform_cli.models.registry import open_registry

    settings = current_settings()
    return open_registry(settings.models, settings.channel)


def _parse(reference: str) -> tuple[str, str, int]:
    match = re.fullmatch(r"([A-Za-z0-9_.-]+)(?:@([a-z0-9-]+)|/(\d+))?", reference)
    if not match:
        raise UsageError(
            f'model is "{reference}"', wanted="NAME, NAME@role or NAME/version, such as riskiness@champion"
        )
    return match[1], match[2] or "", int(match[3] or 0)


def _find(registry: Registry, reference: str) -> Version:
    name, role, number = _parse(reference)
    return registry.find(name, number) if number else registry.resolve(name, role or "champion")


def _plain(version: Version) -> dict[str, Any]:
    return {
        "model": version.model,
        "version": version.number,
        "roles": list(version.aliases),
        "verdict": version.verdict,
        "created": version.created,
        "digest": version.digest,
        "training_run": version.training_run,
        "data": version.data,
        "code": version.code,
        "contract": version.contract,
    }


def _detailed(registry: Registry, version: Version) -> dict[str, Any]:
    from dataclasses import asdict

    from platform_cli.models.gate import read_verdict
    from platform_cli.models.version import OVERRIDE, PREVIOUS, REASON, ROLLED_BACK, TAG

    training = registry.training(version)
    notes = {
        key.removeprefix(TAG): version.tags[key]
        for key in (REASON, OVERRIDE, PREVIOUS, ROLLED_BACK)
        if key in version.tags
    }
    return {
        **_plain(version),
        "params": dict(training.params),
        "metrics": dict(training.metrics),
        "checks": [asdict(check) for check in read_verdict(version).checks],
        "notes": notes,
    }


def _report_move(model: str, before: int | None, after: int, as_json: bool) -> None:
    document = {"model": model, "before": before, "champion": after}
    emit(document, as_json, lambda _: f"champion of {model}: version {after}" + (f", was {before}" if before else ""))


def _draw_list(document: dict[str, Any]) -> str:
    if not document["models"]:
        return "no models are registered"
    rows = [
        (
            model["model"],
            model["champion"],
            ", ".join(f"{role}/{number}" for role, number in model["challengers"].items()),
            model["versions"],
            _minute(model["newest"]),
        )
        for model in document["models"]
    ]
    return table(("model", "champion", "challengers", "versions", "newest"), rows)


def _draw_versions(document: dict[str, Any]) -> str:
    rows = [
        (
            version["version"],
            ", ".join(version["roles"]),
            version["verdict"] or "not judged",
            _minute(version["created"]),
            version["digest"][:12],
            version["data"][:12],
            version["code"][:12],
        )
        for version in document["versions"]
    ]
    return table(("version", "roles", "gate", "registered", "digest", "data", "code"), rows)


def _draw_version(document: dict[str, Any]) -> str:
    (version,) = document["versions"]
    rows = [(key, value) for key, value in version.items() if isinstance(value, (str, int)) and value != ""]
    rows += [("roles", ", ".join(version["roles"]) or "none"), ("created", _minute(version["created"]))]
    for group in ("metrics", "params", "notes"):
        rows += [(f"{group.removesuffix('s')} {key}", value) for key, value in sorted(version[group].items())]
    text = "\n".join(
        f"{key:24}  {value:.4g}" if isinstance(value, float) else f"{key:24}  {value}" for key, value in rows
    )
    if not version["checks"]:
        return text
    checks = [
        ("ok" if check["passed"] else "NO", check["name"], check["got"], check["wanted"]) for check in version["checks"]
    ]
    return text + "\n\n" + table(("gate", "check", "got", "wanted"), checks)


def _draw_diff(document: dict[str, Any]) -> str:
    rows = [(change["field"], change["first"], change["second"]) for change in document["changes"]]
    return table(("", document["first"], document["second"]), rows) if rows else "no difference"


def _minute(moment: Any) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC") if moment else ""
