"""
A flow of a working copy -> its ad hoc template, compiled once per content.

In: a flow file, an environment, an owner. Out: the template's document, the flow's parameters, the code package.

Compiling costs a second, nearly all of it imports. What it gives depends on the files that travel, the environment's
section and lock, and the platform's own sources: their hash is the key of a cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click

from platform_cli.code.files import read_code_rules, select_files
from platform_cli.code.package import Package, pack
from platform_cli.errors import NotFound, SettingsError
from platform_cli.graph.values import Parameter, ParameterKind, Where
from platform_cli.names import Channel
from platform_cli.settings import FILE_NAME, find_file, load_section

Document = dict[str, Any]

DIGEST = "platform.dev/render"
"""Annotation of an ad hoc template: what it was rendered to, so that the same one is not sent twice."""

_KEPT = 200


@dataclass(frozen=True, kw_only=True)
class AdhocFlow:
    """
    A flow as it would run from this working copy.

    Attributes:
        flow: the class; file: relative to the project.
        store: address of the store that packages go to; datastore: of Metaflow's records.
    """

    flow: str
    file: str
    channel: Channel
    template: Document
    parameters: tuple[Parameter, ...]
    package: Package
    store: str
    datastore: str


def adhoc_flow(file: Path, environment: str, *, queue: str, owner: str) -> AdhocFlow:
    """
    Package and compile a flow for the ad hoc channel of its owner.

    Raises:
        NotFound: there is no such file. FlowRefused: with every reason why it cannot run.
        SettingsError: the environment is not one that flows can be sent to.
    """
    if not file.is_file():
        raise NotFound(f"there is no flow file {file}", fix="See the folders below flows/.")
    found = find_file(file.resolve().parent)
    root = found.parent if found else Path.cwd()
    section = load_section(environment, start=root)
    for key in ("datastore", "code"):
        if not section.get(key):
            fix = f"Add it to environments.{environment} in {root / FILE_NAME}."
            raise SettingsError(f'environment "{environment}" has no {key}', fix=fix)
    package = pack(root, select_files(root, file.parent, read_code_rules(found)))
    channel = Channel(f"adhoc/{owner}")
    store = str(section["code"]).rstrip("/")
    lock = root / f"images.{environment}.lock"
    key = hashlib.sha256(
        json.dumps(
            [
                [package.sha256, str(file.resolve().relative_to(root)), environment, queue, channel.name, store],
                {name: value for name, value in section.items() if name not in ("context", "kubeconfig", "outside")},
                lock.read_text(encoding="utf-8") if lock.is_file() else "",
                _platform_itself(),
            ],
            sort_keys=True,
        ).encode()
    ).hexdigest()
    kept = cache_folder() / f"{key}.json"
    entry = _read(kept)
    if entry is None:
        entry = _compile(file, root, environment, queue, channel, f"{store}/{package.name}")
        if entry.pop("cacheable"):
            _keep(kept, entry)
    return AdhocFlow(
        flow=entry["flow"],
        file=entry["file"],
        channel=channel,
        template=entry["template"],
        parameters=tuple(_parameter(each) for each in entry["parameters"]),
        package=package,
        store=store,
        datastore=section["datastore"],
    )


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where compiled flows are kept; losing it costs a second."""
    home = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME", "~")).expanduser() / ".cache"
    return Path(home) / "platform" / "renders"


def _compile(file: Path, root: Path, environment: str, queue: str, channel: Channel, package: str) -> dict[str, Any]:
    from platform_cli.cli.compile import read_environment
    from platform_cli.cli.frugal import collect_rarely

    collect_rarely()
    from platform_cli.graph import load_graph
    from platform_cli.policy import render_flow
    from platform_cli.template.environment import Target

    graph = load_graph(file, root=root)
    target = read_environment(environment, root)
    owner = channel.name.removeprefix("adhoc/")
    ours = {"PLATFORM_CHANNEL": channel.name, "PLATFORM_OWNER": owner, "METAFLOW_USER": owner}
    target = replace(target, channel=channel, variables=tuple(sorted({**dict(target.variables), **ours}.items())))
    code = Path(package).name.removesuffix(".tar")
    (template,) = render_flow(
        graph,
        Target(environment=target, queue=target.queue(queue), channel=channel, code_hash=code, package=package),
    )
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()
    template["metadata"].setdefault("annotations", {})[DIGEST] = digest
    return {
        "flow": graph.name,
        "file": graph.file,
        "template": template,
        "parameters": [asdict(each) for each in graph.parameters],
        # A config's text may come from a file that does not travel.
        "cacheable": not graph.configs,
    }


def _parameter(entry: dict[str, Any]) -> Parameter:
    return Parameter(**{**entry, "kind": ParameterKind(entry["kind"]), "where": Where(**entry["where"])})


def _platform_itself() -> list[object]:
    """What else decides a compile: the rooms that do it, and the libraries beside them, by the times of their files."""
    house = Path(__file__).resolve().parent.parent
    rooms = ("graph", "template", "policy")
    alone = ("errors", "names", "settings", "signals", "units", "cli/adhoc", "cli/compile")
    sources = [
        *(house / f"{name}.py" for name in alone),
        *(file for name in rooms for file in (house / name).glob("*.py")),
    ]
    # A folder's time changes when a library in it is installed, updated or removed.
    libraries = Path(click.__file__).parent.parent
    return [[str(path), path.stat().st_mtime_ns] for path in sorted([*sources, libraries])]


def _read(file: Path) -> dict[str, Any] | None:
    try:
        entry: dict[str, Any] = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return entry


def _keep(file: Path, entry: dict[str, Any]) -> None:
    """Put an entry in place whole; a cache that cannot be written is none."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, suffix=".new", delete=False) as new:
            json.dump(entry, new)
        Path(new.name).replace(file)
        for old in sorted(file.parent.glob("*.json"), key=lambda each: each.stat().st_mtime)[:-_KEPT]:
            old.unlink(missing_ok=True)
    except OSError:
        return
