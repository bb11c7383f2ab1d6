"""
Freeze a day's input: from any file of customers to one canonical, checked, content-addressed Parquet file.

In: CSV or Parquet, a local path or `s3://`, in any order of rows.
Out: a Snapshot whose file lies in the store, or ContractBroken and nothing stored.

Everything after this reads the snapshot, so a retry tomorrow scores the customers of today, and its hash says whether
two runs had the same input. Canonical: the contract's columns in its order without the label, sorted by id, one row
group per 65,536 rows, no metadata. A file that is canonical already is stored as it is, byte for byte.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar

from platform_cli.names import Channel
from platform_cli.publication import IdDigest, InputRecord, add_input
from platform_cli.scoring.arrow import BLOCK_ROWS, COMPRESSION, arrow_schema, import_arrow
from platform_cli.scoring.blocks import room_in, whole_blocks
from platform_cli.scoring.checks import RowChecks
from platform_cli.scoring.contract import Contract
from platform_cli.scoring.parallel import cores, ordered_map
from platform_cli.scoring.source import Source, is_parquet, locate, open_source
from platform_cli.store import Store

# Beyond this duckdb sorts on disk; a sort of 10 million customers (1.9 GB) stays within it.
_SORT_MEMORY = "512MB"
# Batches checked before `use` gets the first: the store takes the file while the last ones are used.
_AHEAD = 2
Use = Callable[[int, Iterator[Any]], None]
Added = TypeVar("Added")


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """
    A day's input as it was frozen.

    Attributes:
        input: what publication records. `sha256` is that of the snapshot's bytes: rows, their values, the contract's
            columns. The same input file gives the same hash on the same release; so do its rows in another order or,
            mostly, another format. File name, label and time are not in it.
        bytes: size of the snapshot's file.
    """

    input: InputRecord
    source: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a flow's data live: its store, and its prefix there; and the S3 server that inputs may come from."""

    store: Store
    channel: Channel
    flow: str
    s3_endpoint: str = ""


def take_snapshot(place: Place, contract: Contract, source: str, *, use: Use | None = None) -> Snapshot:
    """
    Check a file of customers and put its canonical form into the store.

    Args:
        source: a path, or `s3://bucket/key`.
        use: called with rows and batches of a file that is canonical already, while it is checked. Batches end at the
            first row that does not hold or is not in order; whoever got all rows has those of the snapshot.
    Raises:
        ContractBroken: every finding, with file, column and count; nothing was stored.
        NotFound: there is no such file.
        StoreFull: no room for the canonical form, here or in the store.
    """
    with tempfile.TemporaryDirectory(prefix="snapshot-") as scratch:
        folder = Path(scratch)
        path = locate(source, folder=folder, s3_endpoint=place.s3_endpoint)
        opened = open_source(contract, path, source, labelled=False)

        def add(canonical: Path, digest: IdDigest) -> Snapshot:
            record = add_input(place.store, place.channel, place.flow, canonical, digest)
            return Snapshot(input=record, source=source, bytes=canonical.stat().st_size)

        with room_in(folder):
            return write_canonical(contract, opened, folder, add, use)


def write_canonical(
    contract: Contract, source: Source, folder: Path, add: Callable[[Path, IdDigest], Added], use: Use | None = None
) -> Added:
    """
    Check a file, make it canonical, and add it to a store.

    Args:
        folder: an empty place for the result and for what sorting needs.
        add: called once with the canonical file, which may be the source itself, and the digest of its ids; in a
            thread of its own as soon as the rows have been checked, while `use` is still busy with the last ones.
        use: as for `take_snapshot`.
    Returns:
        What `add` returned.
    """
    rows = _canonical_rows(source)
    checks = RowChecks(contract, source.columns, source.name)
    digest = IdDigest(contract.id.name)
    adding: list[Future[Added]] = []
    id_nulls = False

    def checked() -> Iterator[Any]:
        nonlocal id_nulls
        held: deque[Any] = deque()
        batches = ordered_map(lambda batch: (batch, checks.look(batch)), source.batches(), workers=cores())
        for seen, (batch, looked) in enumerate(batches):
            checks.add(batch, looked)
            id_nulls = id_nulls or batch.column(contract.id.name).null_count > 0
            if checks.is_sorted and not id_nulls:
                digest.update(batch)
            held.append(batch)
            # The first goes on at once, since nobody can do anything before.
            if len(held) > min(_AHEAD, seen):
                yield held.popleft()
        if rows and checks.is_sorted:
            checks.finish()
            adding.append(pool.submit(add, source.path, digest))
        yield from held

    with ThreadPoolExecutor(max_workers=1) as pool:
        batches = checked()
        if rows and use:
            use(rows, takewhile(lambda _: checks.is_sorted and checks.holds, batches))
        target = source.path if rows else folder / "snapshot.parquet"
        if rows:
            deque(batches, maxlen=0)
        else:
            _write(target, arrow_schema(source.columns), batches)
    if adding:
        return adding[0].result()
    if checks.is_sorted:
        checks.finish()
        return add(target, digest)
    repeated, ordered = _sort(target, contract.id.name, folder)
    checks.finish(repeated)
    digest = IdDigest(contract.id.name)
    final = folder / "ordered.parquet"
    _write(final, arrow_schema(source.columns), _told(ordered(), digest.update))
    return add(final, digest)


def _told(batches: Iterator[Any], listener: Callable[[Any], None]) -> Iterator[Any]:
    for batch in batches:
        listener(batch)
        yield batch


def _canonical_rows(source: Source) -> int:
    """Rows of a file with the columns, types and row groups of a snapshot, else 0; its order is seen on reading."""
    if not is_parquet(source.path):
        return 0
    import pyarrow.parquet as pq

    with pq.ParquetFile(source.path, pre_buffer=False) as file:
        groups = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
        is_canonical = (
            file.schema_arrow.equals(arrow_schema(source.columns), check_metadata=True)
            and all(rows == BLOCK_ROWS for rows in groups[:-1])
            and all(0 < rows <= BLOCK_ROWS for rows in groups[-1:])
        )
        return sum(groups) if is_canonical else 0


def _write(path: Path, schema: Any, batches: Iterator[Any]) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, schema, compression=COMPRESSION) as writer:
        for table in whole_blocks(batches):
            writer.write_table(table, row_group_size=BLOCK_ROWS)


def _sort(path: Path, id_column: str, folder: Path) -> tuple[int, Callable[[], Iterator[Any]]]:
    """Count the rows whose id is not theirs alone, and offer all rows in the order of ids, in bounded memory."""
    import duckdb

    settings = {"memory_limit": _SORT_MEMORY, "temp_directory": str(folder / "sorting"), "threads": cores()}
    connection = duckdb.connect(config=settings)
    rows = connection.read_parquet(str(path))
    name = '"' + id_column.replace('"', '""') + '"'
    repeated = rows.aggregate(f"count({name}) - count(distinct {name})").fetchall()[0][0]

    def ordered() -> Iterator[Any]:
        schema = import_arrow().parquet.read_schema(path)
        for batch in rows.order(name).to_arrow_reader(BLOCK_ROWS):
            yield batch.cast(schema)
        connection.close()

    return repeated, ordered
