"""
How far a day is from what the model was trained on.

In: features and scores at training, later those of a day, batch by batch.
Out: the document that a model keeps as reference.json, and the population stability index of each feature and of the
scores.

PSI is the sum over bins of (day - training) * ln(day / training) of the shares; below 0.1 is commonly called stable,
above 0.25 another population (Siddiqi, Credit Risk Scorecards, 2006). Bins are training's deciles, or single values
where a feature has few; nulls are a bin of their own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from platform_cli.errors import ModelRefused
from platform_cli.scoring.contract import Contract

SCORE = "score"
_BINS = 10
_FEW_VALUES = 20
# An empty bin would make the index infinite; this share stands for "none" on either side.
_LEAST_SHARE = 1e-4


@dataclass(frozen=True, kw_only=True)
class Bins:
    """
    How values of one feature are counted, and the shares that training had.

    Attributes:
        edges: lower edges of all bins but the first; empty for text.
        categories: of text; a bin each, and one for any other.
        shares: of training, one per bin, the last for nulls; they add up to 1.
    """

    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        return len(self.edges or self.categories) + 2

    def count(self, values: Any) -> Any:
        """Count values into the bins; float64 with NaN for null, or objects with None for null."""
        import numpy as np

        if values.dtype == object:
            place = {category: position for position, category in enumerate(self.categories)}
            place[None] = self.size - 1  # type: ignore[index]
            positions = [place.get(value, self.size - 2) for value in values.tolist()]
            return np.bincount(np.array(positions, dtype=np.int64), minlength=self.size)
        nulls = int(np.count_nonzero(np.isnan(values)))
        # NaN is sorted behind every edge; what is null leaves that bin for its own.
        counts = np.bincount(np.searchsorted(self.edges, values, side="right"), minlength=self.size)
        counts[self.size - 2] -= nulls
        counts[self.size - 1] += nulls
        return counts


def make_reference(contract: Contract, features: Mapping[str, Any], scores: Any) -> dict[str, Any]:
    """
    Write down the distributions at training time.

    Args:
        features: what `derive_features` returned for the rows that the model is judged on.
        scores: the model's probabilities for the same rows.
    Returns:
        What `read_reference` reads; JSON values only.
    """
    import numpy as np

    columns = {name: np.asarray(features[name]) for name in contract.features}
    columns[SCORE] = np.asarray(scores, dtype=np.float64)
    bins = {}
    for name, values in columns.items():
        made = _bins_of(values)
        counts = made.count(values)
        shares = [round(float(share), 9) for share in counts / counts.sum()]
        bins[name] = {"edges": list(made.edges), "categories": list(made.categories), "shares": shares}
    return {"form": 1, "rows": len(columns[SCORE]), "bins": bins}


def _bins_of(values: Any) -> Bins:
    import numpy as np

    if values.dtype == object:
        return Bins(categories=tuple(sorted({value for value in values.tolist() if value is not None})))
    values = values.astype(np.float64)
    different = np.unique(values[~np.isnan(values)])
    if len(different) > _FEW_VALUES:
        different = np.unique(np.nanquantile(values, np.linspace(0, 1, _BINS + 1)[1:-1]))
        return Bins(edges=tuple(float(edge) for edge in different))
    return Bins(edges=tuple(float(low + high) / 2 for low, high in pairwise(different)))


def read_reference(contract: Contract, document: Mapping[str, Any]) -> dict[str, Bins]:
    """
    Read what `make_reference` wrote.

    Raises:
        ModelRefused: it is not that, or of other features.
    """
    try:
        bins = {
            name: Bins(**{key: tuple(values) for key, values in entry.items()})
            for name, entry in document["bins"].items()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelRefused(f"reference.json holds no bins ({error!r})", fix="Train and register again.") from error
    wanted = {*contract.features, SCORE}
    uneven = [name for name, entry in bins.items() if len(entry.shares) != entry.size]
    if set(bins) != wanted or uneven:
        differs = ", ".join(sorted(set(bins) ^ wanted) or uneven)
        raise ModelRefused(f"reference.json does not fit the contract {contract.name}: {differs}")
    return bins


def stability_index(expected: Sequence[float], found: Sequence[float]) -> float:
    """Compute the PSI of two lists of shares."""
    pairs = [(max(e, _LEAST_SHARE), max(f, _LEAST_SHARE)) for e, f in zip(expected, found, strict=True)]
    return sum((f - e) * math.log(f / e) for e, f in pairs)


def drift_of(bins: Mapping[str, Bins], counts: Mapping[str, Any]) -> dict[str, float]:
    """Compute the PSI of each feature, and of the scores under the name "score"."""
    found = {}
    for name, entry in bins.items():
        rows = max(1, int(counts[name].sum()))
        found[name] = stability_index(entry.shares, [int(count) / rows for count in counts[name]])
    return found


def drift_by_chance(entry: Bins, rows: int) -> float:
    """
    The PSI that so few rows may show although nothing drifted: three times its expectation, (bins - 1) / rows.

    Source: PSI is to first order a chi-square with bins - 1 degrees of freedom over the rows (Yurdakul, 2018).
    """
    return 3 * (entry.size - 1) / max(1, rows)
