"""
Score a shard of a day: from rows of the snapshot to one file of scores in the store.

In: a snapshot in the store, a range of whole blocks of it, a model.
Out: a ScoredShard: the part, as publication records it, and the counts of what was scored.

Rows stream through: Parquet is decoded while cores encode and predict a chunk each and this thread writes, in order,
what is ready; memory depends on the number of cores alone. No pandas, scikit-learn or mlflow is loaded on the way.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_cli.errors import UsageError
from platform_cli.publication import Day, InputRecord, ModelRecord, Part, RowDigest, add_part, part_name
from platform_cli.scoring.arrow import BLOCK_ROWS, arrow_type, import_arrow, numpy_columns
from platform_cli.scoring.blocks import room_in, whole_blocks
from platform_cli.scoring.contract import Contract, Role
from platform_cli.scoring.drift import Bins, read_reference
from platform_cli.scoring.features import derive_features
from platform_cli.scoring.parallel import cores, ordered_map
from platform_cli.scoring.tally import Tally, count_rows, stride_for
from platform_cli.store import Store

if TYPE_CHECKING:
    from platform_cli.models.form import Form

CHAMPION = "champion"
# Small enough that all cores are soon busy, large enough that Python's share does not show.
_CHUNK_ROWS = 32_768


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one model does to one day's snapshot; the same for every shard, and safe to hand to other processes."""

    contract: Contract
    day: Day
    input: InputRecord
    model: ModelRecord
    run: str

    def part_name(self, attempt: str, index: int) -> str:
        """Where a part goes below its day: a challenger's scores stay in the shadow."""
        name = part_name(attempt, index)
        return name if self.model.role == CHAMPION else f"shadow/{self.run}/{self.model.role}/{name}"


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Rows `first_row` to `first_row + rows` of a snapshot: whole blocks, the last one of the snapshot may be short."""

    index: int
    first_row: int
    rows: int


@dataclass(frozen=True, kw_only=True)
class ScoredShard:
    """A part in the store, what is in it, and how long it took."""

    part: Part
    tally: Tally
    seconds: float


def plan_shards(rows: int, *, rows_per_shard: int) -> tuple[Shard, ...]:
    """Cut a snapshot into shards of whole blocks; `rows_per_shard` is rounded up to them."""
    if rows < 1 or rows_per_shard < 1:
        raise UsageError(f"{rows:,} rows in shards of {rows_per_shard:,}", wanted="at least 1 of each")
    step = -(-rows_per_shard // BLOCK_ROWS) * BLOCK_ROWS
    starts = range(0, rows, step)
    return tuple(Shard(index=i, first_row=start, rows=min(step, rows - start)) for i, start in enumerate(starts))


def score_shard(store: Store, work: Work, shard: Shard, form: Form, *, attempt: str) -> ScoredShard:
    """
    Score one shard and put its part into the store.

    Args:
        form: the model that `work.model` names.
        attempt: a name that no other attempt at this shard ever uses.
    Raises:
        StoreFull: no room for the part, here or in the store; nothing is visible.
    """
    with tempfile.TemporaryDirectory(prefix="score-") as scratch:
        snapshot = store.fetch(work.input.key, Path(scratch))
        early = EarlyScores(work, form, Path(scratch))
        early.use(shard.rows, _rows_of(snapshot, work.contract, shard))
        return early.add(store, work, index=shard.index, attempt=attempt)


class EarlyScores:
    """Scores of rows in a file of this machine; whether they may go to the store is decided later."""

    def __init__(self, work: Work, form: Form, folder: Path) -> None:
        self._path = folder / "part.parquet"
        self._scorer = _Scorer(work, form)
        self.rows = 0

    def use(self, rows: int, batches: Iterator[Any]) -> None:
        """Score batches, of which there should be this number of rows; `rows` says how many there were."""
        self._began = time.monotonic()
        with room_in(self._path.parent):
            self._scorer.write(self._path, self._scorer.scored(_chunks(rows, batches)))
        self.rows = self._scorer.digest.rows

    def add(self, store: Store, work: Work, *, index: int, attempt: str) -> ScoredShard:
        """Put them into the store."""
        part = add_part(store, work.day, work.part_name(attempt, index), self._path, self._scorer.digest)
        return ScoredShard(part=part, tally=self._scorer.tally, seconds=time.monotonic() - self._began)


def _chunks(rows: int, batches: Iterator[Any]) -> Iterator[Any]:
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            # The last chunks are small, so that no core waits long for another one's.
            chunk = batch.slice(start, min(_CHUNK_ROWS, max(1_024, rows // (2 * cores()))))
            yield chunk
            start += chunk.num_rows
            rows -= chunk.num_rows


def _rows_of(snapshot: Path, contract: Contract, shard: Shard) -> Iterator[Any]:
    """Read a shard's rows; other row groups of the file are not touched."""
    import_arrow()
    import pyarrow.parquet as pq

    groups = range(shard.first_row // BLOCK_ROWS, -(-(shard.first_row + shard.rows) // BLOCK_ROWS))
    columns = [column.name for column in contract.inputs]
    with pq.ParquetFile(snapshot, pre_buffer=False) as file:
        yield from file.iter_batches(batch_size=BLOCK_ROWS, row_groups=list(groups), columns=columns)


class _Scorer:
    """Scores chunks in many threads; digest and tally see them in order, in the caller's thread."""

    def __init__(self, work: Work, form: Form) -> None:
        self.work = work
        self.form = form
        self.bands = tuple(band.name for band in work.contract.bands)
        self.digest = RowDigest(work.contract.id.name, self.bands)
        self.tally = Tally()
        self._reference: dict[str, Bins] = read_reference(work.contract, form.reference)
        self._stride = stride_for(work.input.rows)
        self._schema = scores_schema(work.contract)

    def scored(self, chunks: Iterator[Any]) -> Iterator[Any]:
        for batch, tally in ordered_map(self._score, chunks, workers=cores()):
            self.tally.merge(tally)
            self.digest.update(batch)
            yield batch

    def write(self, path: Path, batches: Iterator[Any]) -> None:
        import pyarrow.parquet as pq

        names = self._schema.names
        # Ids rise by little and probabilities differ: deltas shrink the first, nothing is worth its time on the second.
        is_number = import_arrow().types.is_integer(self._schema.field(0).type)
        encoding = {names[0]: "DELTA_BINARY_PACKED" if is_number else "DELTA_LENGTH_BYTE_ARRAY", names[1]: "PLAIN"}
        with pq.ParquetWriter(
            path, self._schema, compression="none", use_dictionary=names[2:], column_encoding=encoding
        ) as writer:
            for table in whole_blocks(batches):
                writer.write_table(table, row_group_size=BLOCK_ROWS)

    def _score(self, batch: Any) -> tuple[Any, Tally]:
        contract = self.work.contract
        columns = numpy_columns(batch.drop_columns([contract.id.name]))
        features = derive_features(contract, columns)
        scores = self.form.predict(features, threads=1)
        protected = {column: columns[column.name] for column in contract.with_role(Role.PROTECTED)}
        tally = count_rows(scores, features, protected, self._reference, self._stride)
        return self._as_batch(batch.column(contract.id.name), scores), tally

    def _as_batch(self, ids: Any, scores: Any) -> Any:
        pa = import_arrow()
        import numpy as np

        same = pa.array(np.zeros(len(scores), dtype=np.int32))
        arrays = [
            ids,
            pa.array(scores),
            pa.DictionaryArray.from_arrays(pa.array(band_positions(self.work.contract, scores)), pa.array(self.bands)),
            pa.DictionaryArray.from_arrays(same, pa.array([self.work.model.version])),
            pa.DictionaryArray.from_arrays(same, pa.array([self.work.run])),
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)


def scores_schema(contract: Contract) -> Any:
    """The columns of a file of scores: the contract's id, then what was found out."""
    pa = import_arrow()
    text = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [
            (contract.id.name, arrow_type(contract.id)),
            ("probability", pa.float32()),
            ("risk_band", text),
            ("model_version", text),
            ("run", text),
        ]
    )


def band_positions(contract: Contract, scores: Any) -> Any:
    """Give each probability the position of its band: the first whose upper edge is above it, else the last."""
    import numpy as np

    edges = np.array([band.below for band in contract.bands[:-1]])
    return np.searchsorted(edges, scores.astype(np.float64), side="right").astype(np.int32)
