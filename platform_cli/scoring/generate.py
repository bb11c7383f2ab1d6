"""
Draw synthetic customers that behave like the real ones.

In: a contract with the columns of flows/riskiness, a seed, a day and a number of rows.
Out: batches of Arrow, or a canonical Parquet file, sorted by id.

Rows come in blocks, each from its own random stream, so the bytes depend on neither the number of rows asked for nor on
who draws them. A customer's limit and person are the same every day; what they did in the last months differs by day.
Shares, quantiles and transition tables were read off the public file of 30,000 customers; a latent inclination to
trouble ties them together, so that a model reaches an AUC of about 0.78 here as it does there.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from platform_cli.errors import UsageError, did_you_mean
from platform_cli.scoring.arrow import BLOCK_ROWS, COMPRESSION, arrow_schema, import_arrow
from platform_cli.scoring.contract import Contract

# A quarter of a row group: few enough rows that a test draws a small file fast. Changing it changes every file.
DRAW_ROWS = 16_384

_SHARES = (0, 0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99, 0.999, 1)
_LIMITS = (10e3, 10e3, 20e3, 30e3, 50e3, 140e3, 240e3, 360e3, 430e3, 500e3, 700e3, 1e6)
_AGES = (21, 22, 23, 25, 28, 34, 41, 49, 53, 60, 69, 79)
# Bill over limit of those who revolve or are late, and of those who pay in full or do not use the card.
_REVOLVING = (0, 0.016, 0.05, 0.10, 0.28, 0.64, 0.93, 0.99, 1.02, 1.35, 2.2, 4)
_PAYING = (-0.01, 0, 0.001, 0.002, 0.005, 0.017, 0.053, 0.18, 0.40, 0.95, 1.1, 2)
_STATES = (-2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8)
_OLDEST = (0.163, 0.191, 0.543, 0, 0.092, 0.006, 0.0016, 0.0005, 0.0005, 0.0014, 0.001)
_LATE = (0, 0.047, 0.118, 0, 0.372, 0.173, 0.23, 0.02, 0.02, 0.01, 0.01)
# From last month's state (row) to this month's (column), months 5 to 2 and then month 1, where alone state 1 occurs.
_MIDDLE = {
    -2: (0.842, 0.083, 0.061, 0, 0.014, 0, 0, 0, 0, 0, 0),
    -1: (0.075, 0.754, 0.131, 0, 0.040, 0, 0, 0, 0, 0, 0),
    0: (0, 0.054, 0.884, 0, 0.062, 0, 0, 0, 0, 0, 0),
    2: (0, 0.074, 0.227, 0, 0.636, 0.063, 0, 0, 0, 0, 0),
}
_LATEST = {
    -2: (0.677, 0, 0, 0.323, 0, 0, 0, 0, 0, 0, 0),
    -1: (0.032, 0.767, 0.079, 0.101, 0.021, 0, 0, 0, 0, 0, 0),
    0: (0, 0.038, 0.906, 0, 0.056, 0, 0, 0, 0, 0, 0),
    2: (0.001, 0.099, 0, 0.426, 0.405, 0.069, 0, 0, 0, 0, 0),
}


def generate_batches(
    contract: Contract, *, rows: int, seed: int, day: datetime.date, labelled: bool = True
) -> Iterator[Any]:
    """
    Draw customers 1 to `rows` as they are on `day`.

    Args:
        labelled: with the label, as for training; without it the columns are those of a snapshot.
    Returns:
        Record batches of at most DRAW_ROWS rows.
    Raises:
        UsageError: the contract has a column that this generator does not know.
    """
    pa = import_arrow()
    schema = arrow_schema(contract.columns if labelled else contract.inputs)
    for block in range(-(-rows // DRAW_ROWS)):
        columns = _draw(seed, day.toordinal(), block)
        for name in schema.names:
            if name not in columns:
                raise UsageError(
                    f'{contract.source}: no way to draw the column "{name}"', fix=did_you_mean(name, list(columns))
                )
        arrays = [_to_arrow(pa, columns[field.name], field.type) for field in schema]
        batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
        yield batch.slice(0, min(DRAW_ROWS, rows - block * DRAW_ROWS))


def generate_customers(
    contract: Contract, path: Path, *, rows: int, seed: int, day: datetime.date, labelled: bool = True
) -> None:
    """Write customers 1 to `rows` to a Parquet file; same arguments, same bytes."""
    pa = import_arrow()
    import pyarrow.parquet as pq

    schema = arrow_schema(contract.columns if labelled else contract.inputs)
    with pq.ParquetWriter(path, schema, compression=COMPRESSION) as writer:
        pending: list[Any] = []
        for batch in generate_batches(contract, rows=rows, seed=seed, day=day, labelled=labelled):
            pending.append(batch)
            if len(pending) * DRAW_ROWS == BLOCK_ROWS:
                writer.write_table(pa.Table.from_batches(pending), row_group_size=BLOCK_ROWS)
                pending = []
        if pending:
            writer.write_table(pa.Table.from_batches(pending), row_group_size=BLOCK_ROWS)


def _to_arrow(pa: Any, values: Any, kind: Any) -> Any:
    import numpy as np

    if kind == pa.string():
        return pa.array(values.astype(np.int64)).cast(kind)
    if pa.types.is_integer(kind):
        return pa.array(values.astype(np.int64))
    return pa.array(np.round(values), mask=np.isnan(values))


def _draw(seed: int, day: int, block: int) -> dict[str, Any]:
    """Draw one block: first who the customers are, from the seed alone, then their months, from seed and day."""
    import numpy as np

    lasting = np.random.Generator(np.random.PCG64DXSM([seed, block]))
    recent = np.random.Generator(np.random.PCG64DXSM([seed, block, day]))
    trouble = lasting.standard_normal(DRAW_ROWS)
    standing = 0.93 * lasting.standard_normal(DRAW_ROWS) - 0.37 * trouble
    # Who has a high limit uses a smaller part of it.
    habit = 0.92 * lasting.standard_normal(DRAW_ROWS) - 0.40 * standing
    columns = {
        "customer_id": np.arange(block * DRAW_ROWS + 1, (block + 1) * DRAW_ROWS + 1),
        "credit_limit": _limit(_share(standing)),
        "sex": 1 + (lasting.random(DRAW_ROWS) < 0.604),
        "education": lasting.choice(7, DRAW_ROWS, p=(0.0005, 0.3528, 0.4677, 0.1639, 0.0041, 0.0093, 0.0017)),
        "marriage": lasting.choice(4, DRAW_ROWS, p=(0.0018, 0.4553, 0.5321, 0.0108)),
        "age": np.floor(np.interp(lasting.random(DRAW_ROWS), _SHARES, _AGES)),
    }
    status = _statuses(recent, trouble)
    bills = _bills(recent, habit, status, columns["credit_limit"])
    payments = _payments(recent, status, bills)
    columns["default_next_month"] = _label(recent, trouble, status, bills, columns["credit_limit"])
    is_new = recent.random(DRAW_ROWS) < 0.002
    for month in range(1, 7):
        hidden = is_new & (month >= 4)
        columns[f"repayment_status_{month}m"] = status[month]
        columns[f"bill_amount_{month}m"] = np.where(hidden, np.nan, np.clip(bills[month], -9e5, 9e6))
        columns[f"payment_amount_{month}m"] = np.where(hidden, np.nan, np.clip(payments[month], 0, 9e6))
    return columns


def _share(normal: Any) -> Any:
    """Turn standard normal numbers into shares in (0, 1); the logistic curve is within 0.01 of the normal one."""
    import numpy as np

    return 1 / (1 + np.exp(-1.702 * normal))


def _limit(share: Any) -> Any:
    import numpy as np

    return np.maximum(1, np.round(np.interp(share, _SHARES, _LIMITS) / 10_000)) * 10_000


def _statuses(rng: Any, trouble: Any) -> dict[int, Any]:
    """Walk from month 6 to month 1; the more trouble, the later the state among those that may follow."""
    import numpy as np

    def draw() -> Any:
        return _share(0.30 * trouble + 0.954 * rng.standard_normal(trouble.size))

    states = np.array(_STATES)
    status = {6: states[np.searchsorted(np.cumsum(_OLDEST)[:-1], draw(), side="right")]}
    for month in range(5, 0, -1):
        table = _LATEST if month == 1 else _MIDDLE
        steps = np.array([np.cumsum(table.get(min(state, 2), _LATE) if state < 3 else _LATE)[:-1] for state in _STATES])
        edges = steps[status[month + 1] + 2]
        status[month] = states[(draw()[:, None] >= edges).sum(axis=1)]
    return status


def _bills(rng: Any, habit: Any, status: dict[int, Any], limit: Any) -> dict[int, Any]:
    """Bills of months 6 to 1 (and 7, which only payments see): a lasting level, small steps around it."""
    import numpy as np

    bills = {}
    walk = 0.25 * rng.standard_normal(habit.size)
    for month in range(7, 0, -1):
        walk = 0.95 * walk + 0.12 * rng.standard_normal(habit.size)
        share = _share((habit + walk) / 1.06)
        revolves = (status[min(month, 6)] == 0) | (status[min(month, 6)] >= 2)
        level = np.where(revolves, np.interp(share, _SHARES, _REVOLVING), np.interp(share, _SHARES, _PAYING))
        idle = ~revolves & (rng.random(habit.size) < 0.3) & (status[min(month, 6)] != -1)
        bills[month] = np.where(idle, 0, level * limit * (1 - 0.03 * (month - 1)))
    return bills


def _payments(rng: Any, status: dict[int, Any], bills: dict[int, Any]) -> dict[int, Any]:
    """Payments against the bill of the month before: all of it, a twentieth or so, or nothing."""
    import numpy as np

    payments = {}
    for month in range(6, 0, -1):
        size = bills[month].size
        due = np.maximum(bills[month + 1], 0)
        part = np.minimum(np.exp(rng.normal(-2.75, 0.8, size)), 1.2)
        none = rng.random(size) < np.select([status[month] == 0, status[month] == -1], [0.03, 0.18], 0.4)
        in_full = np.isin(status[month], (-2, -1))
        payments[month] = np.where(none, 0, np.where(in_full, due, np.round(due * part, -2)))
    return payments


def _label(rng: Any, trouble: Any, status: dict[int, Any], bills: dict[int, Any], limit: Any) -> Any:
    """Whether the customer is delinquent next month, from what is seen and a little of what is not."""
    import numpy as np

    latest = status[1]
    late_before = sum((status[month] >= 2).astype(float) for month in range(2, 7))
    odds = (
        -2.2
        + np.select([latest == 1, latest >= 2, latest == -1], [1.1, 2.3, 0.15], 0.0)
        + 0.28 * late_before
        - 0.36 * (np.log(limit) - 11.7)
        + 0.25 * np.clip(bills[1] / limit, 0, 1)
        + 0.30 * trouble
    )
    return (rng.random(latest.size) < 1 / (1 + np.exp(-odds))).astype(np.int64)
