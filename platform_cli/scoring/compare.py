"""
Compare a challenger's scores with the champion's for the same customers.

In: the parts of both, in the store. Out: rank correlation, how many customers change their risk band, PSI.

Both sides are read twice, a batch at a time: first to count probabilities by their millionth, which gives every
probability its rank, then to correlate the ranks. Memory does not depend on the number of customers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_cli.errors import ContractBroken
from platform_cli.publication import Day, Part, read_part
from platform_cli.scoring.arrow import BLOCK_ROWS, import_arrow
from platform_cli.scoring.contract import Contract
from platform_cli.scoring.drift import stability_index
from platform_cli.scoring.score import band_positions
from platform_cli.store import Store

_GRAINS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """
    A challenger beside the champion.

    Attributes:
        rank_correlation: Spearman's, -1 to 1; probabilities within a millionth of each other count as equal.
        bands: names of the risk bands.
        migration: customers by the champion's band (row) and the challenger's (column).
        psi: of the challenger's scores against the champion's deciles.
    """

    rows: int
    rank_correlation: float
    bands: tuple[str, ...]
    migration: tuple[tuple[int, ...], ...]
    psi: float

    @property
    def band_changed(self) -> float:
        """Share of customers in another band."""
        return 1 - sum(row[position] for position, row in enumerate(self.migration)) / self.rows


def compare_with_champion(
    store: Store, day: Day, contract: Contract, *, champion: Iterable[Part], challenger: Iterable[Part]
) -> Comparison:
    """
    Compare two models on one day.

    Raises:
        ContractBroken: they did not score the same customers.
    """
    import numpy as np

    champion, challenger = tuple(champion), tuple(challenger)
    size = len(contract.bands)
    counts = np.zeros((2, _GRAINS + 1), dtype=np.int64)
    migration = np.zeros(size * size, dtype=np.int64)
    for ours, theirs in _pairs(store, day, contract, champion, challenger):
        for side, scores in enumerate((ours, theirs)):
            counts[side] += np.bincount(_grains(scores), minlength=_GRAINS + 1)
        moves = band_positions(contract, ours) * size + band_positions(contract, theirs)
        migration += np.bincount(moves, minlength=size * size)
    # The rank of all rows in a grain is the middle of the places they share.
    ranks = np.cumsum(counts, axis=1) - (counts - 1) / 2
    sums = np.zeros(3)
    rows = int(counts[0].sum())
    middle = (rows + 1) / 2
    for ours, theirs in _pairs(store, day, contract, champion, challenger):
        x, y = ranks[0][_grains(ours)] - middle, ranks[1][_grains(theirs)] - middle
        sums += (x @ y, x @ x, y @ y)
    spread = float(np.sqrt(sums[1] * sums[2]))
    return Comparison(
        rows=rows,
        rank_correlation=float(sums[0]) / spread if spread else 1.0,
        bands=tuple(band.name for band in contract.bands),
        migration=tuple(tuple(int(n) for n in row) for row in migration.reshape(size, size)),
        psi=_psi(counts),
    )


def _grains(scores: Any) -> Any:
    import numpy as np

    return np.rint(scores.astype(np.float64) * _GRAINS).astype(np.int64)


def _psi(counts: Any) -> float:
    """Compute the PSI between two lists of counts over the deciles of the first."""
    import numpy as np

    cumulated = np.cumsum(counts[0])
    edges = np.unique(np.searchsorted(cumulated, cumulated[-1] * np.arange(1, 10) / 10) + 1)
    shares = [np.add.reduceat(side, [0, *edges[edges < len(side)]]) / side.sum() for side in counts]
    return stability_index([float(share) for share in shares[0]], [float(share) for share in shares[1]])


def _pairs(
    store: Store, day: Day, contract: Contract, champion: tuple[Part, ...], challenger: tuple[Part, ...]
) -> Iterator[tuple[Any, Any]]:
    """Give the probabilities of both, for the same customers at a time."""
    import_arrow()
    name = contract.id.name
    sides = (read_scores(store, day, name, champion), read_scores(store, day, name, challenger))
    # Every part but the last holds whole blocks, so both sides come in the same batches however they were sharded.
    for ours, theirs in zip(*sides, strict=False):
        if not ours.column(name).equals(theirs.column(name)):
            raise ContractBroken(f"{day}: champion and challenger scored other customers", wanted="the same snapshot")
        yield tuple(batch.column("probability").to_numpy(zero_copy_only=False) for batch in (ours, theirs))
    if sum(part.rows for part in champion) != sum(part.rows for part in challenger):
        raise ContractBroken(f"{day}: champion and challenger scored other customers", wanted="the same snapshot")


def read_scores(store: Store, day: Day, id_column: str, parts: Iterable[Part]) -> Iterator[Any]:
    """Read the rows of parts in order, 65,536 at a time."""
    for part in parts:
        with tempfile.TemporaryDirectory(prefix="scores-") as folder:
            path = store.fetch(day.key(part.name), Path(folder))
            for batch in read_part(path, id_column):
                for start in range(0, batch.num_rows, BLOCK_ROWS):
                    yield batch.slice(start, BLOCK_ROWS)
