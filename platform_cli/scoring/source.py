"""
Open a file of customers, CSV or Parquet, and read it as Arrow batches with the contract's types.

In: a path, or `s3://bucket/key`.
Out: batches whose columns are the contract's; or ContractBroken where the file cannot be read as what it says it is.

Nothing is guessed: CSV columns are parsed as the contract's types, and only an empty field is a null.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_cli.errors import ContractBroken, NotFound, UsageError
from platform_cli.scoring.arrow import BLOCK_ROWS, arrow_schema, arrow_type, import_arrow
from platform_cli.scoring.checks import Finding, check_names, check_types, refuse
from platform_cli.scoring.contract import Column, ColumnType, Contract

_CHUNK_BYTES = 1 << 20
# What Arrow reads as the type in a CSV field; thousands' separators and decimal commas are not in it.
_LOOKS_LIKE = {
    ColumnType.INT64: r"^[ \t]*(-?[0-9]+|0[xX][0-9a-fA-F]+)[ \t]*$",
    ColumnType.FLOAT64: r"(?i)^[ \t]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?[ \t]*$|^[+-]?(nan|inf|infinity)$",
}


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file of customers on this machine. `name` is what its owner calls it."""

    path: Path
    name: str
    columns: tuple[Column, ...]

    def batches(self) -> Iterator[Any]:
        """Read the contract's columns from the first row to the last, at most 65,536 rows at a time."""
        return _parquet_batches(self) if is_parquet(self.path) else _csv_batches(self)


def locate(source: str, *, folder: Path, s3_endpoint: str = "") -> Path:
    """
    Bring a file to this machine, where it is not here already.

    Args:
        source: a path, or `s3://bucket/key`.
        folder: where a copy may go.
    """
    if source.startswith("s3://"):
        from platform_cli.store import open_store

        bucket, _, key = source.removeprefix("s3://").partition("/")
        if not key:
            raise UsageError(f'the input is "{source}"', wanted="s3://bucket/key")
        return open_store(f"s3://{bucket}", s3_endpoint=s3_endpoint).fetch(key, folder)
    path = Path(source).expanduser()
    if not path.is_file():
        raise NotFound(f"the input {source} does not exist", fix="Give a CSV or Parquet file, or s3://bucket/key.")
    return path


def open_source(contract: Contract, path: Path, name: str, *, labelled: bool) -> Source:
    """
    Look at a file's columns.

    Args:
        labelled: whether the label is read as well, for training.
    Raises:
        ContractBroken: the file is empty, half, not UTF-8, or its columns are not the contract's.
    """
    columns = contract.columns if labelled else contract.inputs
    if not path.stat().st_size:
        raise ContractBroken(f"{name} is empty: 0 bytes", wanted="a CSV or Parquet file of customers")
    if is_parquet(path):
        with _parquet(path, name) as file:
            check_names(contract, file.schema_arrow.names, name, labelled=labelled)
            check_types(contract, file.schema_arrow, name)
    else:
        _check_encoding(path, name)
        check_names(contract, _header(path), name, labelled=labelled)
    return Source(path=path, name=name, columns=columns)


def is_parquet(path: Path) -> bool:
    """Say whether a file is Parquet, or the front part of one, by its first bytes or by its name."""
    with path.open("rb") as file:
        return file.read(4) == b"PAR1" or path.suffix in (".parquet", ".pq")


def _parquet(path: Path, name: str) -> Any:
    pa = import_arrow()
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, pre_buffer=False)
    except (pa.ArrowInvalid, OSError) as error:
        raise _torn(name, path, error) from error


def _torn(name: str, path: Path, error: Exception) -> ContractBroken:
    reason = str(error).splitlines()[0].rstrip(".")
    return ContractBroken(
        f"{name} is not a whole Parquet file: {path.stat().st_size:,} bytes ({reason})",
        wanted="a file that was written to its end",
        fix="Ask for it again; compare its size with the sender's.",
    )


def _parquet_batches(source: Source) -> Iterator[Any]:
    pa = import_arrow()
    schema = arrow_schema(source.columns)
    with _parquet(source.path, source.name) as file:
        batches = file.iter_batches(batch_size=BLOCK_ROWS, columns=schema.names)
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowInvalid, OSError) as error:
                raise _torn(source.name, source.path, error) from error
            if batch is None:
                return
            yield batch if batch.schema.equals(schema) else _cast(source, batch, schema)


def _cast(source: Source, batch: Any, schema: Any) -> Any:
    pa = import_arrow()
    arrays = []
    for field in schema:
        try:
            arrays.append(batch.column(field.name).cast(field.type))
        except pa.ArrowInvalid as error:
            finding = Finding(column=field.name, what=f"a value does not fit ({error})", wanted=str(field.type))
            refuse(source.name, [finding])
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _check_encoding(path: Path, name: str) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                line += error.object[: error.start].count(b"\n")
                raise ContractBroken(
                    f"{name}: line {line:,} is not UTF-8 (byte 0x{error.object[error.start]:02x})",
                    wanted="a file in UTF-8",
                    fix="Convert it, for example with `iconv -f <its encoding> -t utf-8`.",
                ) from error
            line += chunk.count(b"\n")
            if b"\0" in chunk:
                raise ContractBroken(f"{name}: line {line:,} or before has a zero byte", wanted="text in UTF-8")


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(io.StringIO(file.readline())), [])


def _csv_batches(source: Source) -> Iterator[Any]:
    pa = import_arrow()
    ragged: list[Any] = []
    types = {column.name: arrow_type(column) for column in source.columns}
    try:
        for batch in _read_csv(source, types, ragged):
            for start in range(0, batch.num_rows, BLOCK_ROWS):
                yield batch.slice(start, BLOCK_ROWS)
    except pa.ArrowInvalid as error:
        _blame(source, error)
    _refuse_ragged(source, ragged)


def _read_csv(source: Source, types: dict[str, Any], ragged: list[Any]) -> Iterator[Any]:
    import pyarrow.csv as arrow_csv

    def keep_count(row: Any) -> str:
        ragged.append((row.actual_columns, row.expected_columns))
        return "skip"

    reader = arrow_csv.open_csv(
        source.path,
        read_options=arrow_csv.ReadOptions(block_size=4 * _CHUNK_BYTES),
        parse_options=arrow_csv.ParseOptions(invalid_row_handler=keep_count),
        convert_options=arrow_csv.ConvertOptions(
            column_types=types, include_columns=list(types), null_values=[""], strings_can_be_null=True
        ),
    )
    with reader:
        yield from reader


def _refuse_ragged(source: Source, ragged: list[Any]) -> None:
    if ragged:
        got, wanted = ragged[0]
        what = f"{len(ragged):,} rows have another number of fields, the first has {got}"
        refuse(source.name, [Finding(column="", what=what, wanted=f"{wanted} fields in every row")])


def _blame(source: Source, error: Exception) -> None:
    """Read the file once more as text, to say in which columns how many values are not of their type."""
    pa = import_arrow()
    import pyarrow.compute as pc

    ragged: list[Any] = []
    wrong: Counter[str] = Counter()
    first: dict[str, str] = {}
    numbers = {column.name: column for column in source.columns if column.type in _LOOKS_LIKE}
    row = 0
    for batch in _read_csv(source, dict.fromkeys(numbers, pa.string()), ragged):
        for name, column in numbers.items():
            values = batch.column(name)
            bad = pc.invert(pc.match_substring_regex(values, _LOOKS_LIKE[column.type]))
            count = pc.sum(bad).as_py() or 0
            if count:
                at = pc.index(bad, True).as_py()
                first.setdefault(name, f'the first is "{values[at].as_py()[:40]}" in row {row + at + 1:,}')
                wrong[name] += count
        row += batch.num_rows
    if not wrong:
        raise ContractBroken(f"{source.name} cannot be read: {str(error).splitlines()[0]}") from error
    refuse(
        source.name,
        [
            Finding(
                column=name,
                what=f"{wrong[name]:,} of {row:,} values are not of its type, {first[name]}",
                wanted=str(column.type),
            )
            for name, column in numbers.items()
            if wrong[name]
        ],
    )
