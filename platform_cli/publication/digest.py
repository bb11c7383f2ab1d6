"""
A digest of rows that does not depend on how they were cut into files or batches.

In: Arrow batches in the order of ids. Out: one SHA-256 per 65,536 rows, by global position.

The canonical bytes of a row are its id (int64 little endian; for text a uint32 length and UTF-8), its probability
(float32 little endian) and the position of its risk band (one byte). A file that begins at a multiple of 65,536 rows
thus has the same block digests as those rows of the whole day, so shards are digested in parallel and joined.
"""

from __future__ import annotations

import hashlib
from typing import Any

from platform_cli.errors import ContractBroken

BLOCK_ROWS = 65_536
PROBABILITY = "probability"
BAND = "risk_band"


class IdDigest:
    """
    Digest the ids of a snapshot.

    Attributes:
        rows: how many were seen.
        first_id, last_id: of the rows seen; None before the first.
    """

    def __init__(self, id_column: str) -> None:
        self.id_column = id_column
        self.rows = 0
        self.first_id: int | str | None = None
        self.last_id: int | str | None = None
        self._done: list[str] = []
        self._block = hashlib.sha256()
        self._filled = 0

    def update(self, batch: Any) -> None:
        """Add the rows of a pyarrow.RecordBatch; its other columns do not matter."""
        if not batch.num_rows:
            return
        ids = batch.column(self.id_column)
        if ids.null_count:
            raise ContractBroken(f"column {self.id_column} has {ids.null_count} nulls", wanted="an id in every row")
        if self.first_id is None:
            self.first_id = ids[0].as_py()
        self.last_id = ids[-1].as_py()
        self.rows += batch.num_rows
        start = 0
        while start < batch.num_rows:
            piece = batch.slice(start, BLOCK_ROWS - self._filled)
            self._block.update(self._row_bytes(piece))
            start += piece.num_rows
            self._filled += piece.num_rows
            if self._filled == BLOCK_ROWS:
                self._done.append(self._block.hexdigest())
                self._block, self._filled = hashlib.sha256(), 0

    def blocks(self) -> tuple[str, ...]:
        """Return the digests so far; the last one covers what is there of its block."""
        return (*self._done, self._block.hexdigest()) if self._filled else tuple(self._done)

    def _row_bytes(self, batch: Any) -> Any:
        return _interleave(batch.column(self.id_column), ())


class RowDigest(IdDigest):
    """
    Digest scored rows: id, probability, risk band.

    Args:
        id_column: name of the id's column.
        bands: all risk bands in their order; at most 256.

    Attributes:
        band_rows: how many rows of each band were seen.
    """

    def __init__(self, id_column: str, bands: tuple[str, ...]) -> None:
        super().__init__(id_column)
        self.bands = bands
        self.band_rows = dict.fromkeys(bands, 0)

    def _row_bytes(self, batch: Any) -> Any:
        probability = batch.column(PROBABILITY).to_numpy(zero_copy_only=False).astype("<f4", copy=False)
        positions = _band_positions(batch.column(BAND), self.bands)
        for position, band in enumerate(self.bands):
            self.band_rows[band] += int((positions == position).sum())
        return _interleave(batch.column(self.id_column), (probability, positions))


def _band_positions(column: Any, bands: tuple[str, ...]) -> Any:
    """
    Return each row's position in `bands` as uint8, whatever the order of the column's own dictionary.

    Raises:
        ContractBroken: a null, or a band that is not one of them.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    known = pc.index_in(encoded.dictionary, value_set=pa.array(bands, encoded.dictionary.type))
    positions = known.take(encoded.indices)
    if positions.null_count:
        raise ContractBroken(
            f"column {BAND} has {positions.null_count} rows of another band", wanted=f"one of {', '.join(bands)}"
        )
    return positions.to_numpy(zero_copy_only=False).astype("u1")


def _interleave(ids: Any, columns: tuple[Any, ...]) -> Any:
    """Lay rows out one after the other: the id, then one value of each fixed-width column."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_integer(ids.type):
        numbers = ids.to_numpy(zero_copy_only=False).astype("<i8", copy=False)
        if not columns:
            return numbers
        rows = np.empty(len(ids), dtype=[("id", "<i8"), *((f"c{n}", c.dtype) for n, c in enumerate(columns))])
        rows["id"] = numbers
        for number, column in enumerate(columns):
            rows[f"c{number}"] = column
        return rows.view("u1")
    lengths, text = _text(ids)
    tail = np.empty(len(ids), dtype=[(f"c{n}", c.dtype) for n, c in enumerate(columns)])
    for number, column in enumerate(columns):
        tail[f"c{number}"] = column
    ends = np.cumsum(lengths.astype("i8") + 4 + tail.dtype.itemsize)
    starts = ends - (lengths.astype("i8") + 4 + tail.dtype.itemsize)
    out = np.empty(int(ends[-1]), dtype="u1")
    is_text = np.ones(len(out), dtype=bool)
    _lay(out, is_text, starts, lengths)
    if columns:
        _lay(out, is_text, ends - tail.dtype.itemsize, tail)
    out[is_text] = text
    return out


def _lay(out: Any, is_text: Any, starts: Any, values: Any) -> None:
    """Put each value's bytes where its row says, and take those places from the text."""
    import numpy as np

    width = values.dtype.itemsize
    where = starts[:, None] + np.arange(width)
    out[where] = values.view("u1").reshape(-1, width)
    is_text[where] = False


def _text(ids: Any) -> tuple[Any, Any]:
    """Return the byte length of each text (uint32) and all bytes in a row (uint8)."""
    import numpy as np
    import pyarrow as pa

    large = ids.cast(pa.large_string())
    _, offsets, data = large.buffers()
    edges = np.frombuffer(offsets, dtype="<i8")[large.offset : large.offset + len(large) + 1]
    text = np.frombuffer(data, dtype="u1")[edges[0] : edges[-1]] if data is not None else np.empty(0, "u1")
    return np.diff(edges).astype("<u4"), text
