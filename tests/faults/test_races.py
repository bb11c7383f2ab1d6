"""Many processes publish one day at once: one of them does, all of them end well."""

import json
from collections import Counter

import pytest

from tests.faults.kills import Arena
from tests.faults.nursery import Nursery

PROCESSES, DAYS = 16, 50


@pytest.mark.slow
def test_of_sixteen_processes_at_once_one_publishes_each_day(arena: Arena, nursery: Nursery) -> None:
    arena.rows = 60
    arena.endpoint = arena.calm_endpoint  # nothing misbehaves here but the sixteen
    days = [arena.new_day() for _ in range(DAYS)]
    jobs = [arena.job(*days, run=f"run-{number}", out=f"outcomes-{number}") for number in range(PROCESSES)]
    assert nursery.run(*jobs) == [0] * PROCESSES
    lines = [line for path in arena.folder.glob("outcomes-*") for line in path.read_text().splitlines()]
    outcomes = Counter((record["day"], record["status"]) for record in map(json.loads, lines))
    assert outcomes == {
        **{(day, "published"): 1 for day in days},
        **{(day, "already-published"): PROCESSES - 1 for day in days},
    }
    assert arena.oracle.judge(days).manifests == DAYS
