"""
Judge a file of customers by its contract, on Arrow batches.

In: the names and types of a file's columns, then its batches in order.
Out: nothing, or one ContractBroken that lists every finding with file, column and count.

Written small instead of taken from a library; see docs/decisions/0003-data-contract.md. Nothing here opens a file.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, NoReturn

from platform_cli.errors import ContractBroken, did_you_mean
from platform_cli.scoring.arrow import arrow_type, import_arrow
from platform_cli.scoring.contract import Column, ColumnType, Contract, Role

# Of fewer rows, all customers may well have the same repayment status; of so many, a constant column is a broken join.
CONSTANT_ROWS = 50


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing wrong with one column, in words."""

    column: str
    what: str
    wanted: str
    fix: str = ""


def refuse(source: str, findings: list[Finding]) -> NoReturn:
    """
    Raise one ContractBroken for all findings.

    Args:
        source: the file, as the person who gave it would write it.
    """
    fix = " ".join(dict.fromkeys(finding.fix for finding in findings if finding.fix))
    if len(findings) == 1:
        only = findings[0]
        raise ContractBroken(f"{source}: {_subject(only)}{only.what}", wanted=only.wanted, fix=fix)
    lines = [f"  {_subject(finding)}{finding.what}; wanted {finding.wanted}" for finding in findings]
    raise ContractBroken(f"{source}: {len(findings)} findings\n" + "\n".join(lines), fix=fix)


def _subject(finding: Finding) -> str:
    return f'column "{finding.column}": ' if finding.column else ""


def check_names(contract: Contract, names: list[str], source: str, *, labelled: bool) -> None:
    """
    Compare the columns of a file with the contract's: none missing, none too many, none twice, in order.

    Args:
        labelled: whether the label must be there; where not, it may.
    """
    label = contract.label.name if contract.label else ""
    wanted = [column.name for column in (contract.columns if labelled else contract.inputs)]
    findings = [
        Finding(column=name, what=f"{count} columns have this name", wanted="one")
        for name, count in Counter(names).items()
        if count > 1
    ]
    extra = [name for name in dict.fromkeys(names) if name not in wanted and name != label]
    for name in wanted:
        if name not in names:
            findings.append(Finding(column=name, what="it is missing", wanted=f"{len(wanted)} columns", fix=""))
    missing = [finding.column for finding in findings if finding.what == "it is missing"]
    for name in extra:
        fix = f'"{name}": {did_you_mean(name, missing)}' if missing else ""
        findings.append(Finding(column=name, what="it is not in the contract", wanted="no other column", fix=fix))
    if findings:
        refuse(source, findings)
    found = [name for name in names if name in wanted]
    moved = [(got, right) for got, right in zip(found, wanted, strict=True) if got != right]
    if moved:
        what = f'{len(moved)} columns are in another order, the first is "{moved[0][0]}"'
        refuse(source, [Finding(column=moved[0][1], what=what, wanted=f'"{moved[0][1]}" at that place')])


def check_types(contract: Contract, schema: Any, source: str) -> None:
    """Compare the types of a file that has types: those of the contract, or ones that fit into them without loss."""
    pa = import_arrow()
    findings = []
    for column in contract.columns:
        if column.name not in schema.names:
            continue
        kind = schema.field(column.name).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        integer = pa.types.is_integer(kind) and kind != pa.uint64()
        fits = {
            ColumnType.INT64: integer,
            ColumnType.FLOAT64: integer or pa.types.is_floating(kind),
            ColumnType.STRING: pa.types.is_string(kind) or pa.types.is_large_string(kind),
        }[column.type]
        if not fits:
            findings.append(Finding(column=column.name, what=f"its type is {kind}", wanted=str(column.type)))
    if findings:
        refuse(source, findings)


@dataclass(kw_only=True)
class _Seen:
    """What was seen of one column: how often each thing, where first, and the range of its values."""

    counts: Counter[str]
    first: dict[str, str]
    low: Any = None
    high: Any = None
    varied: bool = False


class RowChecks:
    """
    Checks over all batches of one file.

    `look` may run in many threads at once; `add` takes its results one after the other, in the order of the rows.
    """

    def __init__(self, contract: Contract, columns: tuple[Column, ...], source: str) -> None:
        self.columns = columns
        self.source = source
        self.rows = 0
        self._seen = {column.name: _Seen(counts=Counter(), first={}) for column in columns}
        self._id = contract.id
        self._last_id: Any = None
        self.is_sorted = True
        self.holds = True  # but for missing values, whose share is known at the end

    def look(self, batch: Any) -> dict[str, Any]:
        """Find what is wrong in one batch: per column its range and, per kind of finding, count and first row."""
        return {column.name: _look(column, batch.column(column.name)) for column in self.columns}

    def add(self, batch: Any, looked: dict[str, Any]) -> None:
        for name, (low, high, wrong) in looked.items():
            seen = self._seen[name]
            for kind, (count, row, value) in wrong.items():
                seen.counts[kind] += count
                self.holds = self.holds and kind == "null" and name != self._id.name
                where = "" if row is None else f", the first is {value} in row {self.rows + row + 1:,}"
                seen.first.setdefault(kind, where)
            if low is not None:
                seen.varied |= low != high or (seen.low is not None and (low, high) != (seen.low, seen.high))
                seen.low, seen.high = low, high
        self._add_ids(batch.column(self._id.name))
        self.rows += batch.num_rows

    def _add_ids(self, ids: Any) -> None:
        import pyarrow.compute as pc

        ids = ids.drop_null()
        if not len(ids):
            return
        repeated = pc.sum(pc.equal(ids[1:], ids[:-1])).as_py() or 0
        rises = pc.all(pc.greater_equal(ids[1:], ids[:-1])).as_py() is not False
        first, last = ids[0].as_py(), ids[-1].as_py()
        if self._last_id is not None:
            repeated += first == self._last_id
            rises = rises and first >= self._last_id
        self._last_id = last
        self.is_sorted = self.is_sorted and rises
        self._seen[self._id.name].counts["repeated"] += int(repeated)

    def finish(self, repeated_ids: int | None = None) -> None:
        """
        Say what was found.

        Args:
            repeated_ids: rows whose id another row before them has, where the file was not sorted.
        Raises:
            ContractBroken: with every finding.
        """
        if not self.rows:
            refuse(self.source, [Finding(column="", what="it has 0 rows", wanted="at least one customer")])
        if repeated_ids is not None:
            self._seen[self._id.name].counts["repeated"] = repeated_ids
        findings = [finding for column in self.columns for finding in self._of(column)]
        if findings:
            refuse(self.source, findings)

    def _of(self, column: Column) -> list[Finding]:
        seen = self._seen[column.name]
        findings = []

        def say(kind: str, what: str, wanted: str) -> None:
            if seen.counts[kind]:
                text = f"{seen.counts[kind]:,} of {self.rows:,} values {what}{seen.first.get(kind, '')}"
                findings.append(Finding(column=column.name, what=text, wanted=wanted))

        if seen.counts["null"] > column.max_null_rate * self.rows:
            rate = f"at most {column.max_null_rate:.1%}" if column.max_null_rate else "none"
            say("null", "are missing", rate)
        say("nan", "are NaN", "a number, or an empty value where nothing is known")
        say("infinite", "are infinite", "finite numbers")
        say("bounds", "are out of bounds", bounds_of(column))
        say("unknown", "are unknown categories", f"one of {', '.join(map(str, column.categories))}")
        say("repeated", "repeat the id of another row", "each id once")
        if self.rows >= CONSTANT_ROWS and column.role is Role.FEATURE and seen.low is not None and not seen.varied:
            what = f"all {self.rows:,} values are {seen.low}"
            findings.append(Finding(column=column.name, what=what, wanted="a column that varies"))
        return findings


def bounds_of(column: Column) -> str:
    """Write a column's bounds as a person would."""
    low = "" if column.min is None else f"at least {column.min:,}"
    high = "" if column.max is None else f"at most {column.max:,}"
    return " and ".join(text for text in (low, high) if text)


def _look(column: Column, values: Any) -> tuple[Any, Any, dict[str, tuple[int, int | None, Any]]]:
    """Give range and wrong values of one column; the exact masks are made only where the range shows a need."""
    import pyarrow.compute as pc

    wrong: dict[str, tuple[int, int | None, Any]] = {}

    def note(kind: str, mask: Any) -> None:
        count = pc.sum(mask).as_py() or 0
        if count:
            row = pc.index(mask, True).as_py()
            wrong[kind] = (count, row, values[row].as_py())

    if values.null_count:
        wrong["null"] = (values.null_count, None, None)
    low, high = _range_of(column, values)
    if column.type is ColumnType.FLOAT64 and low is not None and not math.isfinite(high - low):
        note("nan", pc.is_nan(values))
        note("infinite", pc.is_inf(values))
        values = pc.if_else(pc.is_finite(values), values, None)
        low, high = _range_of(column, values)
    if low is None:
        return None, None, wrong
    if column.min is not None and low < column.min:
        note("bounds", pc.less(values, column.min))
    if column.max is not None and high > column.max:
        below = wrong.pop("bounds", (0, None, None))
        note("bounds", pc.greater(values, column.max))
        above = wrong.pop("bounds")
        wrong["bounds"] = (below[0] + above[0], *(below[1:] if below[0] else above[1:]))
    if column.categories and not _in_a_row(column, low, high):
        known = import_arrow().array(column.categories, arrow_type(column))
        note("unknown", pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, value_set=known))))
    return low, high, wrong


def _range_of(column: Column, values: Any) -> tuple[Any, Any]:
    """Give the least and the greatest value, None where there is none; one NaN makes NaN of both."""
    import pyarrow.compute as pc

    if column.type is ColumnType.STRING or values.null_count or not len(values):
        span = pc.min_max(values).as_py()
        # Arrow skips NaN, which makes its way into any sum.
        if column.type is ColumnType.FLOAT64 and math.isnan(pc.sum(values).as_py() or 0.0):
            return math.nan, math.nan
        return span["min"], span["max"]
    # Half the time of Arrow's, whose kernel looks for nulls.
    array = values.to_numpy()
    return array.min().item(), array.max().item()


def _in_a_row(column: Column, low: Any, high: Any) -> bool:
    """Whether the categories are whole numbers without a gap and the values between them: then each is one of them."""
    if column.type is not ColumnType.INT64:
        return False
    first, last = min(column.categories), max(column.categories)
    return bool(last - first + 1 == len(column.categories) and first <= low and high <= last)  # type: ignore[operator]
