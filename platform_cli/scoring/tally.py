"""
Count what a day's scores look like, while they are made.

In: batches of features, protected columns and probabilities.
Out: counts that add up over shards: a histogram, the bins of drift, and scores per protected group.

Counting must not cost what scoring does. So the histogram sees every row, and drift and groups every nth, with n such
that about 50,000 rows of the day are seen; that is exact enough for an index that is read to two digits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from platform_cli.scoring.contract import Column
from platform_cli.scoring.drift import SCORE, Bins, drift_of

HISTOGRAM_BINS = 1_000
GROUP_BINS = 20
SAMPLE_ROWS = 50_000
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(kw_only=True)
class Tally:
    """
    Counts of scored rows.

    Attributes:
        rows: all rows.
        total: sum of their probabilities.
        histogram: rows per thousandth of probability.
        bins: per feature, and for the score, rows per bin of the model's reference; of the sampled rows.
        groups: per protected column and value, rows per twentieth of probability; of the sampled rows.
    """

    rows: int = 0
    total: float = 0.0
    histogram: Any = 0
    bins: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)

    def merge(self, other: Tally) -> None:
        """Add the counts of other rows."""
        self.rows += other.rows
        self.total += other.total
        self.histogram = self.histogram + other.histogram
        for name, counts in other.bins.items():
            self.bins[name] = self.bins.get(name, 0) + counts
        for column, groups in other.groups.items():
            mine = self.groups.setdefault(column, {})
            for label, counts in groups.items():
                mine[label] = mine.get(label, 0) + counts

    def quantile(self, share: float) -> float:
        """Give the probability below which this share of the rows is, to a thousandth."""
        import numpy as np

        return float(np.searchsorted(np.cumsum(self.histogram), share * self.rows) + 0.5) / HISTOGRAM_BINS

    def document(self, reference: Mapping[str, Bins]) -> dict[str, Any]:
        """Write the day down as JSON values: what a manifest keeps and a card draws."""
        return {
            "rows": self.rows,
            "mean": self.total / self.rows,
            "quantiles": {str(share): self.quantile(share) for share in QUANTILES},
            "histogram": [int(count) for count in self.histogram.reshape(100, -1).sum(axis=1)],
            "psi": {name: round(value, 6) for name, value in drift_of(reference, self.bins).items()},
            "groups": {
                column: {label: [int(count) for count in counts] for label, counts in sorted(groups.items())}
                for column, groups in self.groups.items()
            },
        }


def stride_for(rows: int) -> int:
    """Say which share of a day's rows is sampled: every nth."""
    return max(1, rows // SAMPLE_ROWS)


def count_rows(
    scores: Any,
    features: Mapping[str, Any],
    protected: Mapping[Column, Any],
    reference: Mapping[str, Bins],
    stride: int,
) -> Tally:
    """Count one batch."""
    import numpy as np

    sampled = scores[::stride].astype(np.float64)
    return Tally(
        rows=len(scores),
        total=float(scores.sum(dtype=np.float64)),
        histogram=_histogram(scores, HISTOGRAM_BINS),
        bins={
            name: entry.count(sampled if name == SCORE else features[name][::stride])
            for name, entry in reference.items()
        },
        groups={column.name: _groups(column, values[::stride], sampled) for column, values in protected.items()},
    )


def _positions(scores: Any, size: int) -> Any:
    import numpy as np

    return np.minimum((scores * size).astype(np.int64), size - 1)


def _histogram(scores: Any, size: int) -> Any:
    import numpy as np

    return np.bincount(_positions(scores, size), minlength=size)


def _groups(column: Column, values: Any, scores: Any) -> dict[str, Any]:
    """Count scores per value of a protected column; numbers without categories, such as ages, by tens."""
    import numpy as np

    if values.dtype != object and not column.categories:
        values = np.floor(values / 10) * 10
    known = np.array([str(value) for value in values]) if values.dtype == object else values
    different, inverse = np.unique(known, return_inverse=True)
    table = np.bincount(inverse * GROUP_BINS + _positions(scores, GROUP_BINS), minlength=len(different) * GROUP_BINS)
    rows = table.reshape(len(different), GROUP_BINS)
    return {_label(column, value): rows[position] for position, value in enumerate(different)}


def _label(column: Column, value: Any) -> str:
    if isinstance(value, str):
        return value
    if math.isnan(value):
        return "unknown"
    return str(int(value)) if column.categories else f"{int(value)}-{int(value) + 9}"
