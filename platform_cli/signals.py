"""
The table of every metric that the platform emits.

In: nothing. Out: SIGNALS, from which `metrics` checks what is emitted and the reference page is written.
Names follow Prometheus: base units, `_seconds`, `_total`, `_ratio`. Labels are small sets, never a run's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One metric: what it is called, what one sample of it means, and who emits it."""

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    meaning: str
    emitted_by: str


def _batch(name: str, unit: str, meaning: str, *labels: str) -> Signal:
    """A gauge that a batch leaves about its latest run of a flow."""
    return Signal(
        name=f"platform_batch_{name}",
        kind=Kind.GAUGE,
        unit=unit,
        labels=("flow", *labels),
        meaning=meaning,
        emitted_by="the batch flow",
    )


def _run(name: str, kind: Kind, unit: str, meaning: str, *labels: str) -> Signal:
    """What Argo's workflow controller emits about every run, because `policy/health` asks it to."""
    return Signal(
        name=f"platform_run_{name}",
        kind=kind,
        unit=unit,
        labels=("flow", "queue", *labels),
        meaning=meaning,
        emitted_by="Argo's workflow controller",
    )


RUN_SIGNALS = (
    _run("finished_total", Kind.COUNTER, "runs", "Runs that ended, by the way they ended.", "status"),
    _run("duration_seconds", Kind.GAUGE, "seconds", "Wall time of the latest run."),
)

SIGNALS: dict[str, Signal] = {
    signal.name: signal
    for signal in (
        *RUN_SIGNALS,
        _batch("rows_in", "rows", "Customers in the day's snapshot."),
        _batch("rows_scored", "rows", "Customers with a published score."),
        _batch("rows_per_second", "rows per second", "Customers scored per second of scoring time."),
        _batch("input_bytes", "bytes", "Size of the day's snapshot."),
        _batch("phase_duration_seconds", "seconds", "Wall time of one phase of the batch.", "phase"),
        _batch("as_of_timestamp_seconds", "seconds since 1970", "The day that was scored, at 00:00 UTC."),
        _batch("published_timestamp_seconds", "seconds since 1970", "When the day's manifest was committed."),
        _batch("score_quantile", "probability", "Quantile of the published scores.", "quantile"),
        _batch("feature_drift_psi", "1", "Population stability index of a feature against training.", "feature"),
        _batch("score_drift_psi", "1", "Population stability index of the scores against training."),
        _batch(
            "model_version_info", "1", "Always 1; the labels say which version holds which role.", "role", "version"
        ),
        _batch("shadow_rank_correlation_ratio", "1", "Spearman rank correlation of a challenger's scores.", "role"),
        _batch("shadow_band_changed_ratio", "1", "Share of customers whose risk band the challenger changes.", "role"),
        _batch("shadow_failed", "1", "1 where the challenger did not score the day, else 0.", "role"),
    )
}
