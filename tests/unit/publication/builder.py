"""What the tests of publication begin with: a day, a snapshot, scores. Say only what matters, the rest is supplied."""

import datetime
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from platform_cli.names import Channel
from platform_cli.publication import (
    Day,
    Draft,
    IdDigest,
    ModelRecord,
    Outcome,
    Part,
    RowDigest,
    add_input,
    add_part,
    part_name,
    publish,
)
from platform_cli.store import Store

BANDS = ("low", "medium", "high")
DAY = Day(channel=Channel("local"), flow="riskiness-score", day=datetime.date(2026, 11, 22))
NOW = datetime.datetime(2026, 11, 23, 6, 30, tzinfo=datetime.UTC)
CHAMPION = ModelRecord(role="champion", name="riskiness", version="3", digest="ab" * 32)
RUN = "run-1"


def ids_of(rows: int) -> pa.Array:
    return pa.array(np.arange(rows, dtype="i8") * 7 + 1000)


def scores_of(ids: pa.Array, *, version: str = "3", run: str = RUN) -> pa.Table:
    """Scores as the scoring room writes them; the probability follows from the row's place."""
    rows = len(ids)
    probability = ((np.arange(rows) * 37 % 101) / 100).astype("f4")
    band = np.minimum((probability * 3).astype("i4"), 2)
    return pa.table(
        {
            "customer": ids,
            "probability": probability,
            "risk_band": pa.DictionaryArray.from_arrays(pa.array(band), pa.array(BANDS)),
            "model_version": pa.array([version] * rows, pa.string()).dictionary_encode(),
            "run": pa.array([run] * rows, pa.string()).dictionary_encode(),
        }
    )


@dataclass
class Work:
    """One attempt to publish: where, what, and the draft so far."""

    store: Store
    folder: Path
    draft: Draft

    def changed(self, **changes: Any) -> "Work":
        return replace(self, draft=replace(self.draft, **changes))

    def publish(self, nonce: str = "nonce-1") -> Outcome:
        return publish(self.store, DAY, self.draft, now=NOW, nonce=nonce)


def work(
    store: Store,
    folder: Path,
    *,
    ids: pa.Array | None = None,
    scores: pa.Table | None = None,
    cut: tuple[int, ...] = (),
    attempt: str = "attempt-1",
) -> Work:
    """
    Bring a snapshot and its scores into a store.

    Args:
        scores: those of the ids, where not given.
        cut: rows where a new part begins.
    """
    ids = ids_of(1000) if ids is None else ids
    scores = scores_of(ids) if scores is None else scores
    edges = [0, *cut, len(scores)]
    parts = [
        put_part(store, folder, scores.slice(start, end - start), part_name(attempt, index))
        for index, (start, end) in enumerate(pairwise(edges))
    ]
    draft = Draft(
        input=put_input(store, folder, ids),
        models=(CHAMPION,),
        parts=tuple(parts),
        run=RUN,
        code="code-1",
        id_column="customer",
        bands=BANDS,
    )
    return Work(store, folder, draft)


def put_input(store: Store, folder: Path, ids: pa.Array) -> Any:
    snapshot = pa.table({"customer": ids})
    pq.write_table(snapshot, folder / "snapshot.parquet")
    digest = IdDigest("customer")
    for batch in snapshot.to_batches():
        digest.update(batch)
    return add_input(store, DAY.channel, DAY.flow, folder / "snapshot.parquet", digest)


def put_part(store: Store, folder: Path, scores: pa.Table, name: str) -> Part:
    pq.write_table(scores, folder / "part.parquet")
    digest = RowDigest("customer", BANDS)
    for batch in scores.to_batches():
        digest.update(batch)
    return add_part(store, DAY, name, folder / "part.parquet", digest)
