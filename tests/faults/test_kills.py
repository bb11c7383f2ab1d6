"""Processes are killed while they publish; what they leave in the store is judged by an oracle of its own."""

import pytest

from tests.faults.kills import RANDOM, Arena, run_kills
from tests.faults.nursery import Nursery

# Two stores: 60 kills in all. `make soak` does the same with at least 200 for each store.
KILLS, AT_RANDOM = 30, 8


@pytest.mark.kills
def test_a_killed_publication_is_finished_by_the_next_run_once_and_whole(arena: Arena, nursery: Nursery) -> None:
    tally = run_kills(arena, nursery, kills=KILLS, random_kills=AT_RANDOM, seed=20261122)
    assert tally.total == KILLS
    assert tally.kills[RANDOM] == AT_RANDOM
    assert set(tally.kills) == {*arena.points, RANDOM}
