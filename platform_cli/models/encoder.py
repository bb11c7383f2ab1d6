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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from platform_cli.errors import ContractBroken, ModelRefused

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Column = NDArray[Any]
    Matrix = NDArray[np.float32]

Scalar = str | float | int | bool
Columns = Mapping[str, "Column"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """
    One operation on a column.

    `subtract`, `divide`, `multiply` and `add` use `value`; `clip` uses `low` and `high`; `fill` puts `value` in place
    of what is missing; `missing` is 1 where the column is missing; `codes` gives each of `categories` its position,
    `missing` and `unknown` a number of their own (None is NaN); `equals` is 1 where the column is `value`.
    """

    op: str
    value: Scalar | None = None
    low: float | None = None
    high: float | None = None
    categories: tuple[Scalar, ...] = ()
    missing: float | None = None
    unknown: float | None = None


_FIELDS: dict[str, tuple[str, ...]] = {
    "subtract": ("value",),
    "divide": ("value",),
    "multiply": ("value",),
    "add": ("value",),
    "clip": ("low", "high"),
    "fill": ("value",),
    "missing": (),
    "codes": ("categories", "missing", "unknown"),
    "equals": ("value",),
}
_MAY_BE_NULL = ("missing", "unknown")


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
        return matrix

    def document(self) -> dict[str, Any]:
        """Write it as encoder.json holds it."""
        return {
            "inputs": list(self.inputs),
            "outputs": [
                {"name": lane.name, "source": lane.source, "steps": [_step_document(step) for step in lane.steps]}
                for lane in self.lanes
            ],
        }


def parse_encoder(document: object) -> Encoder:
    """
    Read encoder.json.

    Raises:
        ModelRefused: anything in it that is unknown, absent or of another type.
    """
    if not isinstance(document, dict) or set(document) != {"inputs", "outputs"}:
        raise _refused("the document", f"{_keys(document)}", "inputs, outputs")
    inputs, outputs = document["inputs"], document["outputs"]
    if not isinstance(inputs, list) or not all(isinstance(name, str) for name in inputs) or not inputs:
        raise _refused("inputs", repr(inputs), "a list of column names")
    if not isinstance(outputs, list) or not outputs:
        raise _refused("outputs", repr(outputs), "a list of features")
    lanes = tuple(_parse_lane(position, lane, inputs) for position, lane in enumerate(outputs))
    return Encoder(inputs=tuple(inputs), lanes=lanes)


def _parse_lane(position: int, lane: object, inputs: list[str]) -> Lane:
    where = f"outputs[{position}]"
    if not isinstance(lane, dict) or set(lane) != {"name", "source", "steps"}:
        raise _refused(where, _keys(lane), "name, source, steps")
    if not isinstance(lane["name"], str) or lane["source"] not in inputs or not isinstance(lane["steps"], list):
        raise _refused(where, f"source {lane['source']!r}", "a feature made from one of the inputs")
    steps = tuple(_parse_step(f"{where}.steps[{number}]", step) for number, step in enumerate(lane["steps"]))
    return Lane(name=lane["name"], source=lane["source"], steps=steps)


def _parse_step(where: str, step: object) -> Step:
    if not isinstance(step, dict) or step.get("op") not in _FIELDS:
        raise _refused(where, repr(step)[:80], f"one of {', '.join(_FIELDS)}")
    names = _FIELDS[step["op"]]
    if set(step) != {"op", *names}:
        raise _refused(where, _keys(step), ", ".join(("op", *names)))
    values = {name: step[name] for name in names}
    for name, value in values.items():
        if name == "categories":
            if not isinstance(value, list) or not all(isinstance(item, Scalar) for item in value):
                raise _refused(f"{where}.categories", repr(value)[:80], "a list of texts or numbers")
            values[name] = tuple(value)
        elif not (isinstance(value, Scalar) or (value is None and name in _MAY_BE_NULL)):
            raise _refused(f"{where}.{name}", repr(value)[:80], "a text or a number")
    return Step(op=step["op"], **values)


def _step_document(step: Step) -> dict[str, Any]:
    values = {name: getattr(step, name) for name in _FIELDS[step.op]}
    return {"op": step.op, **{name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}}


def _keys(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, dict) else type(value).__name__


def _refused(where: str, got: str, wanted: str) -> ModelRefused:
    return ModelRefused(f"encoder.json: {where} has {got}", wanted=wanted, fix="Register the model again.")


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
        case "clip":
            return np.clip(numbers(column), step.low, step.high)
        case "subtract":
            return numbers(column) - cast("float", step.value)
        case "divide":
            return numbers(column) / cast("float", step.value)
        case "multiply":
            return numbers(column) * cast("float", step.value)
        case _:
            return numbers(column) + cast("float", step.value)


def numbers(column: Column) -> Column:
    """Read a column as float64, the type in which scikit-learn computes; None becomes NaN, text is refused."""
    import numpy as np

    if column.dtype.kind == "O" and any(isinstance(value, str) for value in column):
        raise TypeError("text where a number is wanted")
    if column.dtype.kind in "UT":
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
        known = np.array(step.categories, dtype=np.float64)
        order = np.argsort(known, kind="stable")
        place = np.minimum(np.searchsorted(known, values, sorter=order), len(known) - 1)
        codes = np.where(known[order[place]] == values, order[place].astype(np.float64), unknown)
        return np.where(np.isnan(values), missing, codes)
    table: dict[object, float] = {category: float(code) for code, category in enumerate(step.categories)}
    table[None] = missing
    found = (table.get(None if _is_gap(value) else value, unknown) for value in column.tolist())
    return np.fromiter(found, dtype=np.float64, count=len(column))
