"""Figures of a model, against small cases worked out by hand."""

import math

import numpy as np
import pytest

from platform_cli.errors import ContractBroken
from platform_cli.models.evaluate import changed_band, evaluate, score_stability

# Six customers, two defaults. Of the 8 pairs (default, other), 7 are in the right order: only 0.6 over 0.4 is not.
OUTCOMES = np.array([0, 0, 0, 1, 0, 1])
SCORES = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.9])


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    assert evaluate(OUTCOMES, SCORES).auc == pytest.approx(7 / 8)


def test_ks_is_the_widest_gap_between_the_two_outcomes() -> None:
    # At 0.4, both defaults are flagged and one of four others.
    assert evaluate(OUTCOMES, SCORES).ks == pytest.approx(0.75)


def test_brier_is_the_mean_squared_error() -> None:
    assert evaluate(OUTCOMES, SCORES).brier == pytest.approx((0.01 + 0.04 + 0.09 + 0.36 + 0.36 + 0.01) / 6)


def test_calibration_error_is_zero_when_every_bin_defaults_as_often_as_predicted() -> None:
    scores = np.repeat([0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95], 100)
    outcomes = np.concatenate([np.repeat([1, 0], [share, 100 - share]) for share in range(5, 100, 10)])
    result = evaluate(outcomes, scores)
    assert result.calibration_error == pytest.approx(0)
    assert result.calibration[0] == pytest.approx((0.05, 0.05))
    assert evaluate(outcomes, scores * 0.9).calibration_error == pytest.approx(0.05)


def test_curves_begin_and_end_in_the_corners_and_stay_short_enough_to_draw() -> None:
    random = np.random.default_rng(1)
    outcomes = random.integers(0, 2, 20_000)
    result = evaluate(outcomes, random.random(20_000))
    assert (result.roc[0], result.roc[-1]) == ((0.0, 0.0), (1.0, 1.0))
    assert len(result.roc) <= 200
    assert len(result.calibration) == 10


@pytest.mark.parametrize("outcome", [0, 1])
def test_a_holdout_with_one_outcome_says_nothing(outcome: int) -> None:
    with pytest.raises(ContractBroken, match="all 6 outcomes of the hold-out are the same"):
        evaluate(np.full(6, outcome), SCORES)


def test_equal_scores_are_stable_and_shifted_ones_are_not() -> None:
    scores = (np.arange(10_000) + 0.5) / 10_000
    assert score_stability(scores, scores) == 0
    # Everybody of the lower half moves to the upper half: five tenths are empty, five hold twice as many.
    shifted = np.where(scores < 0.5, scores + 0.5, scores)
    empty = (5e-5 - 0.1) * math.log(5e-5 / 0.1)
    assert score_stability(scores, shifted) == pytest.approx(5 * empty + 5 * 0.1 * math.log(2))


def test_a_band_changes_where_a_score_crosses_an_edge() -> None:
    before = np.array([0.05, 0.10, 0.29, 0.30, 0.90])
    after = np.array([0.09, 0.09, 0.29, 0.29, 0.31])
    assert changed_band(before, after, [0.1, 0.3]) == pytest.approx(2 / 5)
