"""
Flow files, platform.toml and an image lock -> rendered documents: what `check`, `render` and `diff` share.

In: paths and the name of an environment. Out: documents by flow. Reads no environment variable: the same sources give
the same bytes for everybody.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_cli.code.files import read_code_rules, select_files
from platform_cli.code.package import pack
from platform_cli.errors import NotFound, SettingsError, UsageError
from platform_cli.graph import FlowGraph, load_graph
from platform_cli.names import Channel
from platform_cli.settings import environment_names, find_file, load_section
from platform_cli.template.environment import Environment, Target, parse_environment

QUEUE, ADHOC_QUEUE = "production", "adhoc"
# A pod's home is /tmp, the one place besides the working folder that it may write.
_FIXED = {"HOME": "/tmp", "METAFLOW_DEFAULT_METADATA": "local", "METAFLOW_USER": "argo"}  # noqa: S108


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """One flow's documents for one environment."""

    graph: FlowGraph
    documents: tuple[dict[str, Any], ...]

    def texts(self) -> dict[str, str]:
        """File name in the tree of an environment -> text."""
        from platform_cli.manifest.text import file_name, to_text

        return {file_name(document): to_text(document, source=self.graph.file) for document in self.documents}


def project_root(file: Path) -> Path:
    """The folder of the nearest platform.toml above a flow file; the current folder where there is none."""
    found = find_file(file.resolve().parent)
    return found.parent if found else Path.cwd()


def flow_files(root: Path) -> list[Path]:
    """Every flow of a project: the Python files below flows/ that end by starting one."""
    files = sorted((root / "flows").rglob("*.py"))
    return [file for file in files if "FlowSpec" in (text := file.read_text(encoding="utf-8")) and "__main__" in text]


def read_environment(name: str, root: Path) -> Environment:
    """
    Read an environment's section and its image lock.

    Raises:
        SettingsError: there is no such environment, or something in it is wrong.
    """
    section = load_section(name, start=root)
    if not section:
        raise SettingsError(f'environment "{name}" is not in {root / "platform.toml"}', fix="Name one with --env.")
    datastore, endpoint = section.get("datastore", ""), section.get("s3_endpoint", "")
    channel = Channel(section.get("channel", "production"))
    settings = {
        f"PLATFORM_{key.upper()}": section.get(key, "") for key in ("scores", "models", "metrics", "s3_endpoint")
    }
    metaflow = {
        "METAFLOW_DATASTORE_SYSROOT_S3": datastore,
        "METAFLOW_DEFAULT_DATASTORE": "s3" if datastore else "",
        "METAFLOW_S3_ENDPOINT_URL": endpoint,
    }
    return parse_environment(
        name,
        section,
        _read_lock(root / f"images.{name}.lock"),
        channel=channel,
        variables={**_FIXED, **settings, **metaflow, "PLATFORM_CHANNEL": channel.name},
    )


def cluster_environments(root: Path) -> list[str]:
    """Names of the environments that have queues, which is what a compile needs."""
    return [name for name in environment_names(root) if load_section(name, start=root).get("queues")]


def _read_lock(file: Path) -> dict[str, str]:
    """`image = "sha256:..."` lines; a laptop's environment needs no lock."""
    if not file.is_file():
        return {}
    try:
        lock = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file.name} is not valid: {error}", wanted='lines such as flow = "sha256:..."') from error
    return {name: str(digest) for name, digest in lock.items()}


def code_hash(file: Path, root: Path) -> str:
    """Hash of the files that the flow needs: what an ad hoc package of it would be named after."""
    files = select_files(root, file.parent, read_code_rules(find_file(root)))
    return pack(root, files).sha256


def render(file: Path, environment: Environment, root: Path) -> Rendered:
    """
    Compile one flow for its deployed template.

    Raises:
        FlowRefused: with every finding of the graph, or of the policy.
    """
    from platform_cli.policy import render_flow

    graph = load_graph(file, root=root)
    target = Target(
        environment=environment,
        queue=environment.queue(QUEUE),
        channel=environment.channel,
        code_hash=code_hash(file, root),
    )
    return Rendered(graph=graph, documents=tuple(render_flow(graph, target)))


def chosen_flows(flow: Path | None, *, every: bool) -> tuple[list[Path], Path]:
    """The flow files that a command line names, and the project's folder."""
    if (flow is None) == (not every):
        raise UsageError("name a flow file, or --all", fix="platform check flows/hello/flow.py")
    root = project_root(flow or Path.cwd() / "flows" / "flow.py")
    files = flow_files(root) if every else [flow] if flow else []
    if not files:
        raise NotFound(f"there is no flow below {root / 'flows'}")
    return files, root
