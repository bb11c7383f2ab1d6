"""
Write a published day to one file.

In: a store and a manifest. Out: Parquet or CSV, whole or not at all; rows in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from platform_cli.publication import Manifest
    from platform_cli.store import Store


def write_scores(store: Store, manifest: Manifest, output: Path) -> int:
    """Write all rows of a day beside `output`, then give them its name; the result is the number of rows."""
    from platform_cli.scoring.arrow import import_arrow

    pa = import_arrow()
    draft = output.with_name(f".{output.name}.partial")
    rows: int = 0
    try:
        batches = _batches(store, manifest)
        first = _plain(pa, next(batches))
        with closing(_writer(draft, first.schema)) as writer:
            writer.write_batch(first)
            rows += first.num_rows
            for batch in batches:
                writer.write_batch(_plain(pa, batch))
                rows += batch.num_rows
        draft.replace(output)
    finally:
        draft.unlink(missing_ok=True)
    return rows


def _batches(store: Store, manifest: Manifest) -> Iterator[Any]:
    from platform_cli.publication import read_part

    for part in manifest.draft.parts:
        with TemporaryDirectory(prefix="scores-") as folder:
            path = store.fetch(manifest.day.key(part.name), Path(folder))
            yield from read_part(path, manifest.draft.id_column)


def _plain(pa: Any, batch: Any) -> Any:
    """Write dictionaries out as text: each part has a dictionary of its own, and CSV has none."""
    schema = pa.schema(
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in batch.schema
    )
    return pa.RecordBatch.from_arrays(
        [column.cast(field.type) for column, field in zip(batch, schema, strict=True)], schema=schema
    )


def _writer(path: Path, schema: Any) -> Any:
    if path.name.endswith(".csv.partial"):
        import pyarrow.csv as pc

        return pc.CSVWriter(path, schema)
    import pyarrow.parquet as pq

    return pq.ParquetWriter(path, schema)
