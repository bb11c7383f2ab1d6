"""
`platform scores`: the published days, read through their manifests only.

In: a day, a file to write. Out: what is published, or the proof that it still is what it was.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from platform_cli.cli.output import emit, json_option, say, table
from platform_cli.cli.published import contract_option, find_contract, flow_option, model_loader, open_shelf
from platform_cli.errors import UsageError

if TYPE_CHECKING:
    from platform_cli.publication import Manifest

day_argument = click.argument("word", metavar="DAY")


@click.group(help="List, show, fetch and verify published scores. DAY is YYYY-MM-DD, or latest.")
def command() -> None:
    pass


@command.command("list", help="List the published days.")
@flow_option
@json_option
def list_command(flow: str | None, as_json: bool) -> None:
    from platform_cli.publication import read_day

    shelf = open_shelf(flow)
    document = [_row(read_day(shelf.store, shelf.day(day.isoformat()))) for day in shelf.days()]
    headings = ("day", "manifest", "rows", "mean", "model", "version", "run")
    emit(document, as_json, lambda rows: table(headings, [[row[name] for name in headings] for row in rows]))


@command.command("show", help="Show what is published for a day, and what it was made from.")
@day_argument
@flow_option
@json_option
def show_command(word: str, flow: str | None, as_json: bool) -> None:
    from platform_cli.publication import read_day

    shelf = open_shelf(flow)
    manifest = read_day(shelf.store, shelf.day(word))
    draft = manifest.draft
    document = {
        **_row(manifest),
        "store": shelf.store.url,
        "key": manifest.day.manifest_key(manifest.number),
        "sha256": manifest.sha256,
        "reason": draft.reason,
        "digest": manifest.digest,
        "deviation": manifest.totals.deviation,
        "bands": dict(manifest.totals.bands),
        "input": {"key": draft.input.key, "sha256": draft.input.sha256, "rows": draft.input.rows},
        "models": [asdict(model) for model in draft.models],
        "code": draft.code,
        "parts": [
            {"key": manifest.day.key(part.name), "rows": part.rows, "sha256": part.sha256} for part in draft.parts
        ],
    }
    emit(document, as_json, _shown)


@command.command("get", help="Write a day's scores to a file: Parquet or CSV, by its suffix.")
@day_argument
@click.option("-o", "--output", required=True, metavar="FILE", type=click.Path(path_type=Path), help=".parquet or .csv")
@click.option("--force", is_flag=True, help="Replace FILE where it exists.")
@flow_option
@json_option
def get_command(word: str, output: Path, force: bool, flow: str | None, as_json: bool) -> None:
    from platform_cli.cli.scores_file import write_scores
    from platform_cli.publication import read_day

    if output.suffix not in (".parquet", ".csv"):
        raise UsageError(f"cannot tell the format of {output}", wanted="a name that ends in .parquet or .csv")
    if output.exists() and not force:
        raise UsageError(f"{output} exists", fix="Choose another name, or replace it with --force.")
    shelf = open_shelf(flow)
    manifest = read_day(shelf.store, shelf.day(word))
    rows = write_scores(shelf.store, manifest, output)
    document = {"file": str(output), "rows": rows, "day": manifest.day.day.isoformat(), "manifest": manifest.number}
    emit(document, as_json, lambda found: f"{found['rows']:,} scores of {found['day']} are in {found['file']}")


@command.command("verify", help="Read every part of a day again, check all hashes, and score a sample again.")
@day_argument
@flow_option
@contract_option
@json_option
def verify_command(word: str, flow: str | None, contract: Path | None, as_json: bool) -> None:
    from platform_cli.publication import read_day
    from platform_cli.scoring.audit import verify_day

    shelf = open_shelf(flow)
    day = shelf.day(word)
    champion = read_day(shelf.store, day).draft.champion
    say(f"Reading {day} again ...")
    with model_loader(shelf.settings) as load:
        found = verify_day(shelf.store, day, find_contract(contract, load(champion).contract), load)
    document = {
        "day": day.day.isoformat(),
        "manifest": found.manifest,
        "digest": found.digest,
        "parts": found.parts,
        "rows": found.rows,
        "rescored": found.rescored,
    }
    emit(
        document,
        as_json,
        lambda seen: (
            f"{seen['day']} is what was published: {seen['rows']:,} rows in {_parts(seen['parts'])} have their "
            f"hashes, {seen['rescored']:,} scores came out equal in every bit."
        ),
    )


def _parts(count: int) -> str:
    return f"{count} part" if count == 1 else f"{count} parts"


def _row(manifest: Manifest) -> dict[str, Any]:
    champion = manifest.draft.champion
    return {
        "day": manifest.day.day.isoformat(),
        "flow": manifest.day.flow,
        "channel": manifest.day.channel.name,
        "manifest": manifest.number,
        "rows": manifest.totals.rows,
        "mean": manifest.totals.mean,
        "model": champion.name,
        "version": champion.version,
        "run": manifest.draft.run,
        "published_at": manifest.published_at,
    }


def _shown(document: dict[str, Any]) -> str:
    bands = ", ".join(f"{name} {rows:,}" for name, rows in document["bands"].items())
    models = "; ".join(f"{model['role']}: {model['name']} version {model['version']}" for model in document["models"])
    facts = {
        "day": f"{document['day']} of {document['flow']} (channel {document['channel']})",
        "published": f"{document['published_at']}, manifest {document['manifest']}",
        "reason": document["reason"],
        "rows": f"{document['rows']:,} in {_parts(len(document['parts']))}",
        "scores": f"mean {document['mean']:.4f}, deviation {document['deviation']:.4f}",
        "bands": bands,
        "models": models,
        "run": document["run"],
        "code": document["code"],
        "input": document["input"]["key"],
        "manifest": f"{document['store']}/{document['key']}",
        "digest": document["digest"],
    }
    return "\n".join(f"{name:10} {value}" for name, value in facts.items() if value)
