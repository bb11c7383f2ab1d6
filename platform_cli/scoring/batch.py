"""
What the steps of a daily batch call, in the order in which they call it.

    take_snapshot -> check_volume -> plan_shards -> score_shard (each shard) -> judge_day -> draft_day -> publish
    then, for each challenger: score_shard -> compare_with_champion

In: values that any process can be handed. Out: the same, or the breach that ends the day.

Nothing here reads settings, a clock or the registry; `publish` is publication's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from platform_cli.errors import ContractBroken, ModelRefused
from platform_cli.publication import Draft, Manifest, ModelRecord, ScoreBounds
from platform_cli.scoring.compare import Comparison, compare_with_champion
from platform_cli.scoring.contract import Contract
from platform_cli.scoring.drift import SCORE, drift_by_chance, drift_of, read_reference
from platform_cli.scoring.score import ScoredShard, Shard, Work, plan_shards, score_shard
from platform_cli.scoring.snapshot import Place, Snapshot, take_snapshot
from platform_cli.scoring.tally import Tally

if TYPE_CHECKING:
    from platform_cli.models.form import Form

__all__ = [
    "Comparison",
    "DaySummary",
    "Place",
    "ScoredShard",
    "Shard",
    "Snapshot",
    "Work",
    "check_form",
    "check_volume",
    "compare_with_champion",
    "draft_day",
    "judge_day",
    "plan_shards",
    "score_shard",
    "take_snapshot",
]

# So few rows may differ from yesterday's without being a sign of anything.
_ROWS_OF_NO_CONCERN = 10


@dataclass(frozen=True, kw_only=True)
class DaySummary:
    """A day's scores as they were made: counts over all shards, and what is worth keeping of them as JSON values."""

    tally: Tally
    document: dict[str, Any]
    rows_per_second: float


def check_form(contract: Contract, form: Form) -> None:
    """
    Say whether a model was trained on this contract.

    Raises:
        ModelRefused: it was not; its features would not mean what it learned.
    """
    if form.contract == contract.fingerprint and form.features == contract.features:
        return
    fix = "Train a model on this contract, or score with the contract that it was trained on."
    differs = [name for name in contract.features if name not in form.features]
    differs += [name for name in form.features if name not in contract.features]
    what = f"; features that differ: {', '.join(differs)}" if differs else ""
    raise ModelRefused(
        f"model {form.signature.model} ({form.digest[:12]}) was trained on contract {form.contract[:12]}{what}",
        wanted=f"{contract.fingerprint[:12]}, the fingerprint of {contract.source}",
        fix=fix,
    )


def check_volume(contract: Contract, snapshot: Snapshot, yesterday: Manifest | None) -> None:
    """
    Compare the rows of a day with those of the latest day published before it; without one there is nothing to compare.

    Raises:
        ContractBroken: far more or far fewer customers than then.
    """
    if yesterday is None:
        return
    rows, before = snapshot.input.rows, yesterday.draft.input.rows
    ratio = max(rows, before) / max(1, min(rows, before))
    if ratio > contract.limits.rows_ratio and abs(rows - before) > _ROWS_OF_NO_CONCERN:
        low, high = before / contract.limits.rows_ratio, before * contract.limits.rows_ratio
        raise ContractBroken(
            f"{snapshot.source}: {rows:,} rows, while {yesterday.day.day} had {before:,}",
            wanted=f"{low:,.0f} to {high:,.0f} (limits.rows_ratio in {contract.source})",
            fix="Compare the file with that day's. If the number is right, raise the limit in a reviewed change.",
        )


def judge_day(contract: Contract, form: Form, scored: Iterable[ScoredShard]) -> DaySummary:
    """
    Add the shards up and compare the scores' distribution with training's.

    Raises:
        ContractBroken: mean or PSI of the scores is outside the contract's limits.
    """
    tally = Tally()
    seconds = 0.0
    for shard in scored:
        tally.merge(shard.tally)
        seconds += shard.seconds
    reference = read_reference(contract, form.reference)
    drift = drift_of(reference, tally.bins)
    low, high = contract.limits.score_mean
    mean = tally.total / max(1, tally.rows)
    allowed = contract.limits.score_psi + drift_by_chance(reference[SCORE], int(tally.bins[SCORE].sum()))
    worst = sorted(((value, name) for name, value in drift.items() if name != SCORE), reverse=True)[:3]
    fix = "Features that moved most: " + ", ".join(f"{name} (PSI {value:.2f})" for value, name in worst) + "."
    if not low <= mean <= high:
        raise ContractBroken(
            f"the mean score of {tally.rows:,} customers is {mean:.4f}", wanted=f"{low:g} to {high:g}", fix=fix
        )
    if drift[SCORE] > allowed:
        raise ContractBroken(
            f"the scores of {tally.rows:,} customers are far from training's: PSI {drift[SCORE]:.3f}",
            wanted=f"at most {allowed:.3f}",
            fix=fix,
        )
    return DaySummary(
        tally=tally,
        document=tally.document(reference),
        rows_per_second=round(tally.rows / seconds, 1) if seconds else 0.0,
    )


def draft_day(
    work: Work, scored: Iterable[ScoredShard], *, challengers: tuple[ModelRecord, ...], code: str, summary: DaySummary
) -> Draft:
    """Write down what publication is asked to publish; parts come in the order of their rows."""
    low, high = work.contract.limits.score_mean
    parts = sorted((shard.part for shard in scored), key=lambda part: part.first_id)
    return Draft(
        input=work.input,
        models=(work.model, *challengers),
        parts=tuple(parts),
        run=work.run,
        code=code,
        id_column=work.contract.id.name,
        bands=tuple(band.name for band in work.contract.bands),
        bounds=ScoreBounds(min_mean=low, max_mean=high),
        summary=summary.document,
    )
