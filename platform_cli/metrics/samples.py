"""
Samples of the signals in the table, and nothing else.

In: a flow's name and values by signal. Out: samples with every label that the table asks for, or UnknownSignal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from platform_cli.errors import PlatformError, did_you_mean
from platform_cli.signals import SIGNALS, Signal

Values = float | Mapping[str | tuple[str, ...], float]


class UnknownSignal(PlatformError):
    """A signal or label is not in the table, or its value is not a number."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One value of one signal; `labels` in the table's order."""

    signal: str
    labels: tuple[tuple[str, str], ...]
    value: float


def samples_of(flow: str, values: Mapping[str, Values]) -> list[Sample]:
    """
    Check values against the table and spell out their labels.

    Args:
        values: signal -> number; or -> {label value: number}, a tuple of values where the signal has several labels
            besides `flow`.
    Raises:
        UnknownSignal: a name or a number of labels that the table does not have, or a value that is not finite.
    """
    found = []
    for name, value in values.items():
        if name not in SIGNALS:
            raise UnknownSignal(f'no signal "{name}"', fix=did_you_mean(name, list(SIGNALS)))
        labelled = value if isinstance(value, Mapping) else {(): value}
        found += [_sample(SIGNALS[name], flow, labels, number) for labels, number in labelled.items()]
    return found


def _sample(signal: Signal, flow: str, labels: str | tuple[str, ...], number: float) -> Sample:
    given = (flow, *((labels,) if isinstance(labels, str) else labels))
    if len(given) != len(signal.labels):
        raise UnknownSignal(
            f"signal {signal.name} has {len(given)} label values, {', '.join(given)}",
            wanted=f"one for each of {', '.join(signal.labels)}",
        )
    if not math.isfinite(number):
        raise UnknownSignal(f"signal {signal.name} is {number}", wanted="a finite number")
    return Sample(signal=signal.name, labels=tuple(zip(signal.labels, given, strict=True)), value=float(number))
