"""
How well probabilities tell who defaults.

In: outcomes (0 or 1) and probabilities of the same customers.
Out: the figures that training logs and the gate compares, and the points of the curves that cards draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from platform_cli.errors import ContractBroken

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BINS = 10
_MOST_POINTS = 200
# A share of nobody would make the logarithm infinite; half a customer in ten thousand stands for it.
_LEAST_SHARE = 5e-5


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """
    Attributes:
        auc: area under the ROC curve.
        ks: Kolmogorov-Smirnov distance between the scores of the two outcomes.
        brier: mean squared difference of probability and outcome.
        calibration_error: expected calibration error over ten bins of equal size: what the mean probability of a bin
            is off its share of defaults, averaged over customers.
        roc: points (share of others flagged, share of defaults flagged), rising.
        calibration: points (mean probability, share of defaults), one per bin.
    """

    rows: int
    auc: float
    ks: float
    brier: float
    calibration_error: float
    roc: tuple[tuple[float, float], ...]
    calibration: tuple[tuple[float, float], ...]

    def metrics(self) -> dict[str, float]:
        """Give the figures as MLflow keeps them."""
        return {"auc": self.auc, "ks": self.ks, "brier": self.brier, "calibration_error": self.calibration_error}


def evaluate(outcomes: NDArray[Any], probabilities: NDArray[Any]) -> Evaluation:
    """
    Evaluate probabilities against what happened.

    Raises:
        ContractBroken: nobody defaulted, or everybody did; then nothing can be said.
    """
    import numpy as np
    from sklearn.metrics import roc_auc_score, roc_curve

    outcomes = np.asarray(outcomes)
    scores = np.asarray(probabilities, dtype=np.float64)
    if len(np.unique(outcomes)) != 2:
        raise ContractBroken(f"all {len(outcomes)} outcomes of the hold-out are the same", wanted="defaults and others")
    others, defaults, _ = roc_curve(outcomes, scores)
    bins = np.array_split(np.argsort(scores, kind="stable"), min(_BINS, len(scores)))
    points = [(float(scores[rows].mean()), float(outcomes[rows].mean())) for rows in bins]
    sizes = [len(rows) / len(scores) for rows in bins]
    shown = np.unique(np.linspace(0, len(others) - 1, _MOST_POINTS).astype(int))
    return Evaluation(
        rows=len(scores),
        auc=float(roc_auc_score(outcomes, scores)),
        ks=float(np.max(defaults - others)),
        brier=float(np.mean((scores - outcomes) ** 2)),
        calibration_error=sum(size * abs(mean - share) for size, (mean, share) in zip(sizes, points, strict=True)),
        roc=tuple((float(others[at]), float(defaults[at])) for at in shown),
        calibration=tuple(points),
    )


def score_stability(before: NDArray[Any], after: NDArray[Any]) -> float:
    """Give the population stability index of two sets of scores, over the tenths of the first."""
    import numpy as np

    edges = np.unique(np.quantile(before, np.linspace(0, 1, _BINS + 1)[1:-1]))
    counts = [np.bincount(np.searchsorted(edges, scores), minlength=len(edges) + 1) for scores in (before, after)]
    first, second = (np.maximum(count / count.sum(), _LEAST_SHARE) for count in counts)
    return float(np.sum((second - first) * np.log(second / first)))


def changed_band(before: NDArray[Any], after: NDArray[Any], edges: Sequence[float]) -> float:
    """Give the share of customers whose risk band differs; `edges` are the bands' upper edges without the last."""
    import numpy as np

    return float(np.mean(np.digitize(before, edges) != np.digitize(after, edges)))
