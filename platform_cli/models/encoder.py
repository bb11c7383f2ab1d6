"""
Turn columns of customers into the matrix that a booster expects, with numpy alone.

In: encoder.json (the specification that `export` takes from a fitted ColumnTransformer) and columns by name.
Out: one float32 matrix in C order, a column per feature of the booster.

Every output is a lane: one input column and a chain of steps over it. That is enough for the transformers that
`export` supports, keeps the specification readable, and leaves nothing in it that could run.
It refuses to know scikit-learn, and xgboost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from platform_cli.errors import ContractBroken, ModelRefused

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Column = NDArray[Any]
    Matrix = NDArray[np.float32]

Scalar = str | float | int | bool
Columns = Mapping[str, "Column"]


OPERATIONS = ("subtract", "divide", "fill", "missing", "codes", "equals")


# Rows whose lanes stay in the processor's second cache while they are laid side by side.
_ROWS_AT_ONCE = 8_192
# A table of codes stays in the processor's nearest cache.
_WIDEST_TABLE = 1_000


@dataclass(frozen=True, kw_only=True)
class Step:
    """
    One operation on a column.

    `subtract`, `divide`, `fill` (in place of what is missing) and `equals` (1 where it is so) use `value`; `missing`
    is 1 where the column is missing; `codes` gives each of `categories` its position, and what is missing or unknown
    a number of its own (None is NaN).
    """

    op: str
    value: Scalar | None = None
    categories: tuple[Scalar, ...] = ()
    missing: float | None = None
    unknown: float | None = None


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One feature of the booster: the column it comes from and what is done to it."""

    name: str
    source: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """The whole encoding: input columns in order, and one lane per feature of the booster in order."""

    inputs: tuple[str, ...]
    lanes: tuple[Lane, ...]

    def encode(self, columns: Columns) -> Matrix:
        """
        Encode a batch.

        Args:
            columns: an array per input, all of one length; missing is NaN, or None in an object array; others are
                ignored.
        Raises:
            ContractBroken: an input is absent, or text where the model wants numbers.
        """
        import numpy as np

        absent = [name for name in self.inputs if name not in columns]
        if absent:
            raise ContractBroken(f'column "{absent[0]}" is absent', wanted=f"the model's {len(self.inputs)} features")
        rows = len(columns[self.inputs[0]]) if self.inputs else 0
        matrix = np.empty((rows, len(self.lanes)), dtype=np.float32)
        for start in range(0, rows, _ROWS_AT_ONCE):
            few = slice(start, start + _ROWS_AT_ONCE)
            self._lay(matrix[few], {name: columns[name][few] for name in self.inputs})
        return matrix

    def _lay(self, matrix: Matrix, columns: Columns) -> None:
        shared: dict[tuple[str, tuple[Step, ...]], Column] = {}
        for position, lane in enumerate(self.lanes):
            column = columns[lane.source]
            try:
                matrix[:, position] = _run(lane, column, shared)
            except (ValueError, TypeError) as error:
                raise ContractBroken(
                    f'column "{lane.source}" of type {column.dtype} cannot be encoded ({error})',
                    wanted="the type the model was trained on",
                ) from error

    def document(self) -> dict[str, Any]:
        """Write it as encoder.json holds it: what a step does not say is left out."""
        outputs = [
            {"name": lane.name, "source": lane.source, "steps": [_said(s) for s in lane.steps]} for lane in self.lanes
        ]
        return {"inputs": list(self.inputs), "outputs": outputs}


def parse_encoder(document: Mapping[str, Any]) -> Encoder:
    """
    Read encoder.json.

    Raises:
        ModelRefused: something in it is unknown or absent.
    """
    try:
        lanes = tuple(
            Lane(name=lane["name"], source=lane["source"], steps=tuple(_step(step) for step in lane["steps"]))
            for lane in document["outputs"]
        )
        encoder = Encoder(inputs=tuple(document["inputs"]), lanes=lanes)
    except (KeyError, TypeError) as error:
        raise ModelRefused(f"encoder.json is not an encoding ({error})", wanted="inputs and outputs") from error
    for lane in lanes:
        unknown = [step.op for step in lane.steps if step.op not in OPERATIONS]
        if unknown or lane.source not in encoder.inputs:
            got = f'operation "{unknown[0]}"' if unknown else f'source "{lane.source}"'
            raise ModelRefused(f'encoder.json: "{lane.name}" has {got}', wanted=", ".join(OPERATIONS) + " on an input")
    return encoder


def _step(document: Mapping[str, Any]) -> Step:
    return Step(**{**document, "categories": tuple(document.get("categories", ()))})


def _said(step: Step) -> dict[str, Any]:
    return {key: value for key, value in asdict(step).items() if value is not None and value != ()}


def _run(lane: Lane, column: Column, shared: dict[tuple[str, tuple[Step, ...]], Column]) -> Column:
    for number, step in enumerate(lane.steps, start=1):
        if step.op != "codes":
            column = _apply(step, column)
            continue
        # All one-hot lanes of a column begin with the same codes: look the categories up once per batch.
        key = (lane.source, lane.steps[:number])
        if key not in shared:
            shared[key] = _codes(step, column)
        column = shared[key]
    if column.dtype.kind in "OUT":
        return numbers(column)
    return column


def _apply(step: Step, column: Column) -> Column:
    import numpy as np

    match step.op:
        case "fill":
            return _fill(column, step.value)
        case "missing":
            return is_missing(column).astype(np.float64)
        case "equals":
            return cast("Column", column == step.value).astype(np.float64)
        case "subtract":
            return numbers(column) - cast("float", step.value)
        case _:
            return numbers(column) / cast("float", step.value)


def numbers(column: Column) -> Column:
    """Read a column as float64, the type in which scikit-learn computes; None becomes NaN, text is refused."""
    import numpy as np

    if column.dtype.kind in "UT" or (column.dtype.kind == "O" and any(isinstance(value, str) for value in column)):
        raise TypeError("text where a number is wanted")
    return column.astype(np.float64, copy=False)


def is_missing(column: Column) -> NDArray[np.bool_]:
    """Say where a column has NaN or None."""
    import numpy as np

    if column.dtype.kind == "f":
        return cast("NDArray[np.bool_]", np.isnan(column))
    if column.dtype.kind == "O":
        return np.fromiter(map(_is_gap, column.tolist()), dtype=bool, count=len(column))
    return np.zeros(len(column), dtype=bool)


def _is_gap(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _fill(column: Column, value: Scalar | None) -> Column:
    import numpy as np

    if not isinstance(value, str):
        column = numbers(column)
    gaps = is_missing(column)
    return np.where(gaps, cast("Any", value), column) if gaps.any() else column


def _codes(step: Step, column: Column) -> Column:
    import numpy as np

    missing = np.nan if step.missing is None else step.missing
    unknown = np.nan if step.unknown is None else step.unknown
    if step.categories and not any(isinstance(category, str) for category in step.categories):
        values = numbers(column)
        quick = _whole_number_codes(step.categories, unknown, values)
        if quick is not None:
            return quick
        known = np.array(step.categories, dtype=np.float64)
        order = np.argsort(known, kind="stable")
        place = np.minimum(np.searchsorted(known, values, sorter=order), len(known) - 1)
        codes = np.where(known[order[place]] == values, order[place].astype(np.float64), unknown)
        return np.where(np.isnan(values), missing, codes)
    table: dict[object, float] = {category: float(code) for code, category in enumerate(step.categories)}
    table[None] = missing
    found = (table.get(None if _is_gap(value) else value, unknown) for value in column.tolist())
    return np.fromiter(found, dtype=np.float64, count=len(column))


def _whole_number_codes(categories: tuple[Scalar, ...], unknown: float, values: Column) -> Column | None:
    """Look codes up in a table, where categories and values are whole numbers close together; else None."""
    import numpy as np

    wanted = [float(category) for category in categories]
    low, high = min(wanted), max(wanted)
    if high - low > _WIDEST_TABLE or any(number != int(number) for number in wanted):
        return None
    # NaN is not between anything, so a missing value takes the other way.
    if not (values.size and low <= values.min() and values.max() <= high):
        return None
    places = values - low
    whole = places.astype(np.intp)
    if (whole != places).any():
        return None
    table = np.full(int(high - low) + 1, unknown)
    for code, number in enumerate(wanted):
        table[int(number - low)] = code
    return table[whole]
