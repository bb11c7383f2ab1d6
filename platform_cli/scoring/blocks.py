"""
Write rows in blocks of 65,536 to this machine's disk.

In: Arrow batches of any size. Out: tables of whole blocks; and one clear error where the disk is full.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from platform_cli.errors import StoreFull
from platform_cli.scoring.arrow import BLOCK_ROWS, import_arrow


def whole_blocks(batches: Iterator[Any]) -> Iterator[Any]:
    """Cut batches of any size into tables of 65,536 rows; the last one holds the rest."""
    pa = import_arrow()
    pending: list[Any] = []
    rows = 0
    for batch in batches:
        pending.append(batch)
        rows += batch.num_rows
        while rows >= BLOCK_ROWS:
            table = pa.Table.from_batches(pending)
            yield table.slice(0, BLOCK_ROWS)
            rest = table.slice(BLOCK_ROWS)
            pending, rows = rest.to_batches(), rest.num_rows
    if rows:
        yield pa.Table.from_batches(pending)


@contextmanager
def room_in(folder: Path) -> Iterator[None]:
    """Turn "no space left on device" into an error that names the folder."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise StoreFull(
            f"no room left in {folder}", fix="Free some, or point TMPDIR at a larger disk; nothing was published."
        ) from error
