"""
Score one file with one model and publish it, in one process: `python -m platform_cli.scoring`.

In: a contract, a file of customers, a model's folder and digest, a store, a day.
Out: the published day as JSON on stdout; errors as everywhere, with their exit codes.

The whole path of a daily batch without a flow, a registry or a cluster around it: for `make bench`, and for machines
that have none of these.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from platform_cli.errors import PlatformError
from platform_cli.models.form import Form, load_form
from platform_cli.names import Channel, parse_day
from platform_cli.publication import Day, InputRecord, ModelRecord, Outcome, publish, read_day_before
from platform_cli.scoring.arrow import import_arrow
from platform_cli.scoring.batch import (
    Place,
    Work,
    check_form,
    check_volume,
    draft_day,
    judge_day,
    plan_shards,
    score_shard,
    take_snapshot,
)
from platform_cli.scoring.contract import load_contract
from platform_cli.scoring.score import EarlyScores
from platform_cli.store import open_store

_ROWS_PER_SHARD = 10_000_000


def main(arguments: list[str] | None = None) -> int:
    """Do it, and return the exit code."""
    options = parse_arguments(arguments)
    try:
        # pyarrow first: xgboost's import hides pandas for a moment, in which nobody else must ask for it.
        import_arrow()
        with ThreadPoolExecutor(max_workers=1) as pool:
            loading = pool.submit(load_form, options.model, options.digest)
            outcome = score_and_publish(options, loading.result)
    except PlatformError as error:
        print(error, file=sys.stderr)  # noqa: T201 # this process's talk
        return error.exit_code
    manifest = outcome.manifest
    print(  # noqa: T201 # this process's data
        json.dumps(
            {
                "status": outcome.status,
                "manifest": manifest.day.manifest_key(manifest.number),
                "rows": manifest.totals.rows,
                "digest": manifest.digest,
            }
        )
    )
    return 0


def score_and_publish(options: argparse.Namespace, load_model: Callable[[], Form]) -> Outcome:
    """
    Take one file from the customers to the published day.

    Args:
        options: from `parse_arguments`.
        load_model: asked once the contract is read, so that a thread may load it until then.
    """
    now = datetime.datetime.now(datetime.UTC)
    contract = load_contract(options.contract)
    channel = Channel(options.channel)
    day = Day(channel=channel, flow=options.flow, day=parse_day(options.day, today=now.date()))
    place = Place(
        store=open_store(options.store, s3_endpoint=options.s3_endpoint),
        channel=channel,
        flow=options.flow,
        s3_endpoint=options.s3_endpoint,
    )
    form = load_model()
    check_form(contract, form)
    model = ModelRecord(
        role="champion", name=form.signature.model, version=options.model_version, digest=options.digest
    )
    attempt = uuid.uuid4().hex
    run = options.run or f"single-{attempt}"
    early: list[EarlyScores] = []
    with tempfile.TemporaryDirectory(prefix="score-") as scratch:

        def score_early(rows: int, batches: Iterator[Any]) -> None:
            if rows <= _ROWS_PER_SHARD:
                unknown = InputRecord(sha256="", rows=rows, key="", id_blocks=())
                work = Work(contract=contract, day=day, input=unknown, model=model, run=run)
                early.append(EarlyScores(work, form, Path(scratch)))
                early[0].use(rows, batches)

        snapshot = take_snapshot(place, contract, options.input, use=score_early)
        check_volume(contract, snapshot, read_day_before(place.store, day))
        work = Work(contract=contract, day=day, input=snapshot.input, model=model, run=run)
        if early and early[0].rows == snapshot.input.rows:
            scored = [early[0].add(place.store, work, index=0, attempt=attempt)]
        else:
            shards = plan_shards(snapshot.input.rows, rows_per_shard=_ROWS_PER_SHARD)
            scored = [score_shard(place.store, work, shard, form, attempt=attempt) for shard in shards]
    summary = judge_day(contract, form, scored)
    draft = draft_day(work, scored, challengers=(), code=form.signature.code, summary=summary)
    return publish(place.store, day, draft, now=now, nonce=attempt)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the words of the command line; this process's own where None."""
    parser = argparse.ArgumentParser(prog="python -m platform_cli.scoring", description="Score a file and publish it.")
    parser.add_argument("input", help="CSV or Parquet, a path or s3://bucket/key")
    parser.add_argument("--contract", required=True, type=Path)
    parser.add_argument("--model", required=True, type=Path, help="folder of a registered form")
    parser.add_argument("--digest", required=True, help="of that folder, as the registry recorded it")
    parser.add_argument("--model-version", default="1")
    parser.add_argument("--store", required=True, help="a folder, or s3://bucket/prefix")
    parser.add_argument("--s3-endpoint", default="")
    parser.add_argument("--channel", default="local")
    parser.add_argument("--flow", default="riskiness-score")
    parser.add_argument("--day", required=True, help="YYYY-MM-DD")
    parser.add_argument("--run", default="", help="what the rows and the manifest call this run")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
