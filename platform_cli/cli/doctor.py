"""
`platform doctor`: is everything there that the platform needs, and if not, what to do.

In: an environment. Out: one line per check, ok, warn or fail, with the fix; exit code 3 where something fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from platform_cli.cli.output import current_settings, emit, json_option
from platform_cli.errors import ChangesFound, PlatformError

if TYPE_CHECKING:
    from platform_cli.cli.remote import Remote
    from platform_cli.settings import Settings

Check = dict[str, str]

# What a data scientist does: (verb, resource, group).
RIGHTS = (
    ("create", "workflows", "argoproj.io"),
    ("patch", "workflows", "argoproj.io"),
    ("list", "workflows", "argoproj.io"),
    ("watch", "workflows", "argoproj.io"),
    ("patch", "workflowtemplates", "argoproj.io"),
    ("list", "pods", ""),
    ("get", "pods/log", ""),
    ("list", "events", ""),
    ("create", "serviceaccounts/token", ""),
)
_TRIED_ARGO = "v4.0."
_LARGE_CACHE_BYTES = 30e9
_SLOW_CONTROLLER_SECONDS = 60


@click.command(help="Check what the platform needs: cluster, rights, stores, servers, images, caches.")
@json_option
def command(as_json: bool) -> None:
    settings = current_settings()
    with ThreadPoolExecutor(max_workers=8) as threads:
        checks = [check for found in threads.map(_explained, _questions(settings)) for check in found]
    emit({"environment": settings.environment, "checks": checks}, as_json, _in_words)
    failing = [check["name"] for check in checks if check["state"] == "fail"]
    if failing:
        raise ChangesFound(f"{len(failing)} of {len(checks)} checks fail: {', '.join(failing)}")


def _questions(settings: Settings) -> list[tuple[str, Callable[[], Iterator[Check]]]]:
    """Name and question; each answers with one check or more, or raises what is wrong."""
    from platform_cli.cli.remote import Remote
    from platform_cli.settings import load_outside

    remote = Remote(settings)
    found: list[tuple[str, Callable[[], Iterator[Check]]]] = [("python", _python), ("caches", _caches)]
    if remote.is_local:
        return [*found, ("scores", lambda: _store(settings.scores, "", ""))]
    owner = f"adhoc/{settings.owner}"
    return [
        *found,
        ("docker", lambda: _docker(settings.environment)),
        ("cluster", lambda: _cluster(remote)),
        ("rights", lambda: _rights(remote)),
        ("controller", lambda: _controller(remote)),
        ("argo", lambda: _argo(remote)),
        ("images", lambda: _images(remote)),
        ("scores", lambda: _store(settings.scores, settings.s3_endpoint, owner)),
        ("datastore", lambda: _datastore(remote)),
        ("mlflow", lambda: _server(settings.models, "/health")),
        ("prometheus", lambda: _server(load_outside(settings.environment, "prometheus"), "/-/healthy")),
        ("pushgateway", lambda: _server(settings.metrics, "/-/healthy")),
    ]


def _explained(question: tuple[str, Callable[[], Iterator[Check]]]) -> list[Check]:
    name, ask = question
    try:
        return [{"name": name, "state": "ok", "found": "", "fix": "", **check} for check in ask()]
    except PlatformError as error:
        return [{"name": name, "state": "fail", "found": error.problem, "fix": error.fix.replace("\n  ", " ")}]


def _python() -> Iterator[Check]:
    import platform

    from platform_cli import __version__

    yield {"found": f"Python {platform.python_version()}, platform {__version__}"}


def _caches() -> Iterator[Check]:
    from platform_cli.settings import state_folder

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "platform"
    sizes = {folder: _size(folder) for folder in (cache, state_folder())}
    found = ", ".join(f"{folder} {size / 1e9:.1f} GB" for folder, size in sizes.items())
    if sum(sizes.values()) > _LARGE_CACHE_BYTES:
        yield {"state": "warn", "found": found, "fix": f"What is not needed can be deleted: rm -r {cache}"}
    else:
        yield {"found": found}


def _size(folder: Path) -> int:
    return sum((Path(place) / name).lstat().st_blocks * 512 for place, _, names in os.walk(folder) for name in names)


def _docker(environment: str) -> Iterator[Check]:
    if environment != "kind":
        return
    if not shutil.which("docker"):
        yield {"state": "fail", "found": "docker is not installed", "fix": "make machine"}
        return
    words = ["docker", "version", "--format", "{{.Server.Version}}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=20)
    if done.returncode:
        yield {"state": "fail", "found": "the docker daemon does not answer", "fix": "sudo systemctl start docker"}
    else:
        yield {"found": f"docker {done.stdout.strip()}"}


def _cluster(remote: Remote) -> Iterator[Check]:
    access = remote.cluster.wire.access
    yield {"found": f"{access.context} at {access.server}, Kubernetes {remote.cluster.version()}"}


def _rights(remote: Remote) -> Iterator[Check]:
    refused = [
        f"{verb} {resource}" for verb, resource, group in RIGHTS if not remote.cluster.may(verb, resource, group)
    ]
    if refused:
        where = remote.cluster.namespace
        yield {
            "state": "fail",
            "found": f"you may not {', '.join(refused)} in namespace {where}",
            "fix": f'Ask for the role "platform-submitter" in namespace {where}.',
        }
    else:
        yield {"found": f"all {len(RIGHTS)} that submitting needs"}


def _controller(remote: Remote) -> Iterator[Check]:
    """A controller that works gives every new run a phase within seconds."""
    from platform_cli.runs.workflow import seconds_of

    late = [
        each["metadata"]["name"]
        for each in remote.cluster.list_workflows()
        if not (each.get("status") or {}).get("phase")
        and time.time() - seconds_of(each["metadata"]["creationTimestamp"]) > _SLOW_CONTROLLER_SECONDS
    ]
    if late:
        yield {
            "state": "fail",
            "found": f"{len(late)} runs were never looked at by Argo's controller, such as {late[0]}",
            "fix": "kubectl -n platform get pods; kubectl -n platform logs deploy/argo-workflow-controller",
        }
    else:
        yield {"found": "no run waits to be looked at"}


def _argo(remote: Remote) -> Iterator[Check]:
    version = remote.argo.version()
    if version.startswith(_TRIED_ARGO):
        yield {"found": f"Argo's server {version}"}
    else:
        yield {"state": "warn", "found": f"Argo's server {version}; tried with {_TRIED_ARGO}x"}


def _images(remote: Remote) -> Iterator[Check]:
    from platform_cli.cluster.preflight import image_is_missing
    from platform_cli.settings import load_section

    images = load_section(remote.settings.environment).get("images", {})
    missing = [str(image) for image in images.values() if image_is_missing(str(image), remote.cluster.nodes())]
    if missing:
        yield {"state": "fail", "found": f"on no node: {', '.join(missing)}", "fix": "platform cluster up"}
    else:
        yield {"found": ", ".join(map(str, images.values()))}


def _store(address: str, endpoint: str, prefix: str) -> Iterator[Check]:
    from platform_cli.store import open_store

    open_store(address, s3_endpoint=endpoint).probe(prefix)
    yield {"found": f"{address} creates a key only once"}


def _datastore(remote: Remote) -> Iterator[Check]:
    remote.store.holds("probe")
    yield {"found": f"{remote.store.url} answers"}


def _server(address: str, path: str) -> Iterator[Check]:
    from platform_cli.cluster.wire import Wire

    if not address.startswith("http"):
        yield {"state": "warn", "found": "the environment names none"}
        return
    Wire.to(address).text(path)
    yield {"found": address}


def _in_words(document: dict[str, Any]) -> str:
    width = max(len(check["name"]) for check in document["checks"])
    lines = []
    for check in document["checks"]:
        lines.append(f"{check['state']:4}  {check['name']:{width}}  {check['found']}".rstrip())
        lines += [f"      {'':{width}}  {check['fix']}"] if check["fix"] else []
    return "\n".join(lines)
