"""
`platform diff`: what a merge would change, in words.

In: a flow file, an environment, and what to compare with: a rendered folder, or a Git reference that is rendered with
the current lock, so that the difference is the change's own. Out: changes by group; exit code 3 where there are any.
"""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

import click

from platform_cli.cli.frugal import collect_rarely
from platform_cli.cli.output import emit, json_option, named_environment
from platform_cli.errors import ChangesFound, NotFound, UsageError


@click.command(help="Say in words what a change of a flow changes in an environment.")
@click.argument("flow", required=False, type=click.Path(path_type=Path))
@click.option("--all", "every", is_flag=True, help="Compare every flow below flows/.")
@click.option("--against", default="HEAD", show_default=True, help="A Git reference, or a folder of rendered files.")
@json_option
def command(flow: Path | None, every: bool, against: str, as_json: bool) -> None:
    collect_rarely()
    from platform_cli.cli.compile import chosen_flows, read_environment, render
    from platform_cli.manifest.diff import compare, words

    name = named_environment()
    if not name:
        raise UsageError("no environment named", fix="platform diff flows/hello/flow.py --env staging")
    files, root = chosen_flows(flow, every=every)
    environment = read_environment(name, root)
    after = [document for file in files for document in render(file, environment, root).documents]
    before = _folder(Path(against)) if Path(against).is_dir() else _reference(against, files, root, environment)
    if not every:
        names = {document["metadata"]["name"] for document in after}
        before = [document for document in before if document["metadata"]["name"] in names]
    changes = compare(before, after)
    document = {"environment": name, "against": against, "changes": [_plain(change) for change in changes]}
    emit(document, as_json, lambda _: words(changes) or "no change")
    if changes:
        raise ChangesFound(f"{len(changes)} change{'s' if len(changes) > 1 else ''} against {against}")


def _plain(change: Any) -> dict[str, str]:
    keys = ("group", "object", "subject", "aspect", "before", "after")
    return {key: str(getattr(change, key)) for key in keys} | {"words": str(change)}


def _folder(folder: Path) -> list[dict[str, Any]]:
    from platform_cli.manifest.text import from_text

    texts = (file.read_text(encoding="utf-8") for file in sorted(folder.rglob("*.yaml")))
    return [document for text in texts for document in from_text(text)]


def _reference(reference: str, files: list[Path], root: Path, environment: Any) -> list[dict[str, Any]]:
    """Render the same flows as they were at a Git reference; a flow that was not there then has no documents."""
    from platform_cli.cli.compile import render

    archive = subprocess.run(["git", "archive", reference, "."], cwd=root, capture_output=True, check=False)
    if archive.returncode:
        reason = archive.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise NotFound(f'"{reference}" is no folder and no Git reference here ({" ".join(reason)})')
    with tempfile.TemporaryDirectory() as folder:
        # Git archives are no reason for extraction filters, which Debian 12's Python 3.11.2 does not have.
        with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
            for member in tar:
                source = tar.extractfile(member) if member.isreg() else None
                if source is not None:
                    target = Path(folder) / member.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(source.read())
        then = [Path(folder) / file.resolve().relative_to(root.resolve()) for file in files]
        return [
            document
            for file in then
            if file.is_file()
            for document in render(file, environment, Path(folder)).documents
        ]
