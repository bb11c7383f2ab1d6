"""
Look at the parts of a draft as they lie in the store, before they become a day's scores.

In: a store, a day, a draft. Out: totals and the digest of the rows; or the first gate that says no.

What the run believes it wrote does not count: every part is read back, hashed and digested, one batch at a time, so
memory stays the same for any number of rows.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

from platform_cli.errors import ContractBroken, Damaged
from platform_cli.publication.digest import BAND, BLOCK_ROWS, PROBABILITY, IdDigest, RowDigest
from platform_cli.publication.parts import file_sha256
from platform_cli.publication.records import Day, Draft, Part, Totals
from platform_cli.store import Store

MODEL_VERSION = "model_version"
RUN = "run"


def examine(store: Store, day: Day, draft: Draft) -> Totals:
    """
    Pass every gate, or say which one was not passed and by how much.

    Raises:
        ContractBroken: rows, ids or scores are not what the input and the bounds allow.
        Damaged: a part in the store is not the file that was written.
    """
    _check_cut(day, draft)
    ids = IdDigest(draft.id_column)
    tally = _Tally(draft)
    for part in draft.parts:
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(max_workers=2) as pool:
            path = store.fetch(day.key(part.name), Path(folder))
            hashed = pool.submit(file_sha256, path)
            digest = RowDigest(draft.id_column, draft.bands)
            try:
                for batch in read_part(path, draft.id_column):
                    tallied = pool.submit(tally.add, batch)
                    ids.update(batch)
                    digest.update(batch)
                    tallied.result()
            finally:
                # What the rows of a damaged file seem to say does not count: its hash speaks first.
                _check_hash(day, part, hashed.result())
        if (digest.rows, digest.blocks()) != (part.rows, part.blocks):
            raise Damaged(f"{day.key(part.name)} holds other rows than the run scored", fix="Run again.")
        tally.add_bands(digest.band_rows)
    _check_ids(day, draft, ids)
    return tally.totals(day)


def read_part(path: Path, id_column: str) -> Iterator[Any]:
    """Read a file of scores as batches of at most 65,536 rows, with the columns that a part must have."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = [id_column, PROBABILITY, BAND, MODEL_VERSION, RUN]
    try:
        with pq.ParquetFile(path, pre_buffer=False, read_dictionary=[BAND, MODEL_VERSION, RUN]) as file:
            if file.schema_arrow.names != wanted:
                found = ", ".join(file.schema_arrow.names)
                raise ContractBroken(f"{path} has the columns {found}", wanted=", ".join(wanted))
            yield from file.iter_batches(batch_size=BLOCK_ROWS)
    except (pa.ArrowInvalid, OSError) as error:
        raise Damaged(f"{path} is not a whole Parquet file ({error})") from error


def _check_cut(day: Day, draft: Draft) -> None:
    rows = sum(part.rows for part in draft.parts)
    if rows != draft.input.rows or not rows:
        raise ContractBroken(f"{day}: {rows:,} rows were scored", wanted=f"{draft.input.rows:,}, as the input has")
    for part in draft.parts[:-1]:
        if part.rows % BLOCK_ROWS:
            raise ContractBroken(f"{day.key(part.name)} has {part.rows:,} rows", wanted=f"a multiple of {BLOCK_ROWS:,}")


def _check_hash(day: Day, part: Part, found: str) -> None:
    if found != part.sha256:
        raise Damaged(f"{day.key(part.name)} has the hash {found[:12]}", wanted=part.sha256[:12], fix="Run again.")


def _check_ids(day: Day, draft: Draft, ids: IdDigest) -> None:
    for before, after in pairwise(draft.parts):
        if not before.last_id < after.first_id:  # type: ignore[operator] # ids of one column have one type
            raise ContractBroken(f"{day}: {before.name} ends with {before.last_id!r}, {after.name} begins with less")
    if ids.blocks() != draft.input.id_blocks:
        differs = sum(a != b for a, b in zip(ids.blocks(), draft.input.id_blocks, strict=False))
        raise ContractBroken(
            f"{day}: the scored ids differ from the input's in {differs} blocks", wanted="the same ids"
        )


class _Tally:
    """Counts of what was read, and the gates that look at single rows."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._constants = {MODEL_VERSION: draft.champion.version, RUN: draft.run}
        self._rows = 0
        self._sums: list[float] = []
        self._squares: list[float] = []
        self._bands = dict.fromkeys(draft.bands, 0)

    def add(self, batch: Any) -> None:
        import numpy as np

        _check_increasing(batch.column(self._draft.id_column), self._draft.id_column)
        scores = batch.column(PROBABILITY)
        _check_probabilities(scores)
        values = scores.to_numpy(zero_copy_only=False)
        self._rows += batch.num_rows
        self._sums.append(float(values.sum(dtype="f8")))
        # As a float64 copy squared would be, without the copy.
        self._squares.append(float(np.einsum("i,i->", values, values, dtype="f8", casting="safe")))
        for column, wanted in self._constants.items():
            _check_constant(batch.column(column), column, wanted)

    def add_bands(self, rows: Mapping[str, int]) -> None:
        for band, count in rows.items():
            self._bands[band] += count

    def totals(self, day: Day) -> Totals:
        """Return the sums, where they are inside the draft's bounds."""
        mean = math.fsum(self._sums) / self._rows
        deviation = math.sqrt(max(0.0, math.fsum(self._squares) / self._rows - mean * mean))
        bounds = self._draft.bounds
        for name, found, low, high in (
            ("mean", mean, bounds.min_mean, bounds.max_mean),
            ("standard deviation", deviation, bounds.min_deviation, bounds.max_deviation),
        ):
            if not low <= found <= high:
                raise ContractBroken(
                    f"{day}: the {name} of the scores is {found:.4f}",
                    wanted=f"{low:.4f} to {high:.4f}",
                    fix="Compare the input with the days before; nothing was published.",
                )
        return Totals(rows=self._rows, mean=mean, deviation=deviation, bands=self._bands)


def _check_increasing(ids: Any, name: str) -> None:
    import pyarrow.compute as pc

    ordered = pc.all(pc.less(ids[:-1], ids[1:])).as_py()
    if ordered is False:
        raise ContractBroken(f"the scores are not sorted by {name}, or hold one twice", wanted="each id once, in order")


def _check_probabilities(scores: Any) -> None:
    import numpy as np
    import pyarrow as pa

    if scores.type != pa.float32():
        raise ContractBroken(f"column {PROBABILITY} is {scores.type}", wanted="float")
    values = scores.to_numpy(zero_copy_only=False)
    # A comparison with NaN is false, so one look finds NaN, infinity and what is out of bounds.
    bad = int(values.size - np.count_nonzero((values >= 0) & (values <= 1)))
    if bad:
        raise ContractBroken(f"column {PROBABILITY} has {bad} rows outside [0, 1] or without a number", wanted="none")


def _check_constant(column: Any, name: str, wanted: str) -> None:
    import pyarrow.compute as pc

    found = pc.unique(column).to_pylist()
    if found != [wanted]:
        raise ContractBroken(f"column {name} holds {', '.join(map(repr, found[:3]))}", wanted=repr(wanted))
