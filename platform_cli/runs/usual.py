"""
How long a flow's steps usually take.

In: recent runs of one flow. Out: for each step the median of its wall time, beside which a run is seen.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import replace

from platform_cli.runs.values import Run, State

# Fewer say nothing about what is usual; more are another season's.
FEWEST, MOST = 2, 20


def with_usual(run: Run, others: Iterable[Run]) -> Run:
    """Write beside each step how long it took in other runs of the flow that succeeded."""
    recent = [other for other in others if other.state is State.SUCCEEDED and other.name != run.name]
    recent = sorted(recent, key=lambda other: other.began, reverse=True)[:MOST]
    steps = []
    for step in run.steps:
        same = [found for other in recent if (found := other.step(step.name))]
        times = [found.seconds(0.0) for found in same if found.state is State.SUCCEEDED]
        steps.append(replace(step, usual=statistics.median(times) if len(times) >= FEWEST else None))
    return replace(run, steps=tuple(steps))
