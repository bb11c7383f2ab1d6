"""Codes of numbers: the table for whole numbers gives what the search gives, value by value."""

import numpy as np
import pytest

from platform_cli.models.encoder import Encoder, Lane, Step

NAN, INF = float("nan"), float("inf")
STATUSES = (-2.0, -1.0, 0.0, 1.0, 2.0, 8.0)


def codes(values: list[float], categories: tuple[float, ...] = STATUSES) -> list[float]:
    step = Step(op="codes", categories=categories, unknown=-1.0, missing=-9.0)
    encoder = Encoder(inputs=("status",), lanes=(Lane(name="status", source="status", steps=(step,)),))
    found: list[float] = encoder.encode({"status": np.array(values)})[:, 0].tolist()
    return found


def test_whole_numbers_get_the_place_of_their_category() -> None:
    assert codes([-2, -1, 0, 1, 2, 8, -0.0]) == [0, 1, 2, 3, 4, 5, 2]


def test_a_number_between_the_categories_is_unknown() -> None:
    assert codes([0, 3, 7, 8]) == [2, -1, -1, 5]


@pytest.mark.parametrize(
    ("stranger", "code"),
    [(2.5, -1), (9, -1), (-3, -1), (1e300, -1), (INF, -1), (-INF, -1), (NAN, -9)],
    ids=["fraction", "above", "below", "huge", "infinity", "minus-infinity", "missing"],
)
def test_one_strange_value_changes_nothing_for_the_others(stranger: float, code: float) -> None:
    assert codes([0, stranger, 8]) == [2, code, 5]


@pytest.mark.parametrize("categories", [(0.5, 1.5), (0.0, 5e6)], ids=["fractions", "far-apart"])
def test_categories_without_a_table_are_searched(categories: tuple[float, ...]) -> None:
    assert codes([categories[1], categories[0], 7], categories) == [1, 0, -1]
