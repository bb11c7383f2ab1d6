"""
Arrow without pandas.

In: numpy arrays and the contract's columns. Out: Arrow schemas and arrays, and back.

pyarrow imports pandas, when it is installed, at the first scalar it is given: 0.4 s and 60 MB that scoring has no use
for. `import_arrow` asks that question once while pandas cannot be found; pyarrow remembers the answer. A conversion to
pandas that somebody asks for later in the same process still works, since pyarrow then tries again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from platform_cli.scoring.contract import Column, ColumnType

BLOCK_ROWS = 65_536
# A snapshot is decoded twice within the hour and kept for weeks: lz4 takes half of zstd's time for a quarter more room.
COMPRESSION = "lz4"


class _NoPandas:
    """Makes `import pandas` fail while it stands first among the import finders."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:  # noqa: ARG002 the protocol
        if name == "pandas":
            raise ModuleNotFoundError("pandas is hidden", name=name)


def import_arrow() -> Any:
    """Import pyarrow such that it never imports pandas by itself."""
    import pyarrow

    if "pandas" not in sys.modules:
        finder = _NoPandas()
        sys.meta_path.insert(0, finder)
        try:
            pyarrow.scalar(0)
        finally:
            sys.meta_path.remove(finder)
    return pyarrow


def arrow_type(column: Column) -> Any:
    pa = import_arrow()
    return {ColumnType.INT64: pa.int64(), ColumnType.FLOAT64: pa.float64(), ColumnType.STRING: pa.string()}[column.type]


def arrow_schema(columns: Iterable[Column]) -> Any:
    """The schema of a canonical file: the columns in order, no metadata."""
    return import_arrow().schema([(column.name, arrow_type(column)) for column in columns])


def numpy_columns(batch: Any) -> dict[str, Any]:
    """Take the columns out of a batch: float64 with NaN for null, strings as objects with None for null."""
    pa = import_arrow()
    import numpy as np

    columns = {}
    for name, values in zip(batch.schema.names, batch.columns, strict=True):
        array = values.to_numpy(zero_copy_only=False)
        columns[name] = array if pa.types.is_string(values.type) else array.astype(np.float64, copy=False)
    return columns
