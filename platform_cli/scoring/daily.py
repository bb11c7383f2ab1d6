"""
What the steps of a daily batch do, one function per step, in their order.

    begin -> find_published -> score_shards (each shard) -> publish_day -> shadow_day (each challenger) -> emit_metrics

In: the values that the step before returned. Out: values for the step after, small and safe to keep as artifacts.
A flow file holds the graph and its promises; this module joins them to the environment that the flow runs in.
"""

from __future__ import annotations

import datetime
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from platform_cli import metrics, publication
from platform_cli.models.form import FILES, Form, load_form
from platform_cli.names import parse_day
from platform_cli.publication import Day, Draft, ModelRecord, Outcome, Part
from platform_cli.scoring import batch
from platform_cli.scoring.batch import Comparison, DaySummary, ScoredShard, Shard, Snapshot, Work
from platform_cli.scoring.contract import Contract, load_contract
from platform_cli.scoring.drift import SCORE
from platform_cli.scoring.inputs import code_identity, customers_file
from platform_cli.scoring.place import place_of

CHAMPION = "champion"


@dataclass(frozen=True, kw_only=True)
class Batch:
    """
    Everything that is decided once, at the start of a day's batch.

    Attributes:
        models: by role, as the registry had them at the start.
        forms: each role's files by name; no step after the first asks the registry.
        seconds: wall time of the phases so far.
    """

    flow_class: str
    contract: Contract
    code: str
    day: Day
    run: str
    snapshot: Snapshot
    models: Mapping[str, ModelRecord]
    forms: Mapping[str, Mapping[str, bytes]]
    seconds: Mapping[str, float]

    @property
    def challengers(self) -> list[str]:
        """Roles to score in shadow, in order."""
        return sorted(role for role in self.models if role != CHAMPION)

    @property
    def models_text(self) -> str:
        """The models in words, the champion first."""
        return ", ".join(f"{role} version {self.models[role].version}" for role in (CHAMPION, *self.challengers))

    def work(self, role: str) -> Work:
        """What one model does to the day."""
        return Work(
            contract=self.contract, day=self.day, input=self.snapshot.input, model=self.models[role], run=self.run
        )

    def form(self, role: str) -> Form:
        """Load one of the models; its bytes are compared with the registered digest first."""
        with tempfile.TemporaryDirectory(prefix="model-") as folder:
            for name, body in self.forms[role].items():
                (Path(folder) / name).write_bytes(body)
            return load_form(Path(folder), self.models[role].digest)


@dataclass(frozen=True, kw_only=True)
class PublishedDay:
    """A day that this run published, or found published by another process of it."""

    outcome: Outcome
    summary: DaySummary
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Shadow:
    """What one challenger did on the day: a comparison with the champion, or the reason why there is none."""

    role: str
    version: str
    comparison: Comparison | None = None
    failure: str = ""


def begin(folder: Path, flow_class: str, *, as_of: str, customers: str, run: str) -> Batch:
    """
    Decide what will be scored by what.

    Args:
        folder: of the flow; holds contract.toml, whose name is the model's.
        customers: a file, `s3://bucket/key`, or `synthetic:ROWS`.
        run: address of this run, as every row will carry it.
    Raises:
        ContractBroken: the day, the customers or their number are not what the contract allows.
        NoChampion: nothing was ever promoted.
        ModelRefused: the champion's files changed, or it was trained on another contract.
    """
    began = time.monotonic()
    contract = load_contract(folder / "contract.toml")
    day_date = parse_day(as_of, today=datetime.datetime.now(datetime.UTC).date())
    place = place_of(flow_class)
    day = Day(channel=place.channel, flow=place.flow, day=day_date)
    models, forms = _resolve(contract.name)
    resolved = time.monotonic()
    with customers_file(contract, customers, day=day_date) as path:
        # Named as the caller named it: the file of synthetic customers is gone before anybody reads its name.
        snapshot = replace(batch.take_snapshot(place, contract, path), source=customers)
    batch.check_volume(contract, snapshot, publication.read_day_before(place.store, day))
    begun = Batch(
        flow_class=flow_class,
        contract=contract,
        code=code_identity(folder),
        day=day,
        run=run,
        snapshot=snapshot,
        models=models,
        forms=forms,
        seconds={"resolve": resolved - began, "snapshot": time.monotonic() - resolved},
    )
    batch.check_form(contract, begun.form(CHAMPION))
    return begun


def _resolve(model: str) -> tuple[dict[str, ModelRecord], dict[str, dict[str, bytes]]]:
    from platform_cli.models.connection import connect

    registry = connect()
    # Asked first, so that a missing champion is the error even where challengers exist.
    registry.resolve(model)
    models, forms = {}, {}
    with tempfile.TemporaryDirectory(prefix="models-") as scratch:
        for role, version in registry.roles(model).items():
            models[role] = ModelRecord(
                role=role, name=version.model, version=str(version.number), digest=version.digest
            )
            fetched = registry.fetch(version, Path(scratch) / role)
            forms[role] = {name: (fetched / name).read_bytes() for name in FILES}
    return models, forms


def find_published(begun: Batch) -> Outcome | None:
    """
    Say whether the day is published already by this work, so that nothing need be done.

    Raises:
        Conflict: it is published from another input or by another model.
    """
    return publication.find_published(place_of(begun.flow_class).store, begun.day, _draft(begun))


def score_shards(begun: Batch, role: str, shards: Sequence[Shard]) -> list[ScoredShard]:
    """Score shards with one of the models, into parts that only this attempt uses."""
    form = begun.form(role)
    batch.check_form(begun.contract, form)
    store = place_of(begun.flow_class).store
    attempt = uuid.uuid4().hex
    return [batch.score_shard(store, begun.work(role), shard, form, attempt=attempt) for shard in shards]


def publish_day(begun: Batch, scored: Sequence[ScoredShard]) -> PublishedDay:
    """
    Judge the day as a whole, and commit it.

    Raises:
        ContractBroken: a gate was not passed; nothing was published.
        Conflict: somebody published the day with other inputs or another model.
    """
    began = time.monotonic()
    summary = batch.judge_day(begun.contract, begun.form(CHAMPION), scored)
    challengers = tuple(begun.models[role] for role in begun.challengers)
    draft = batch.draft_day(begun.work(CHAMPION), scored, challengers=challengers, code=begun.code, summary=summary)
    outcome = publication.publish(
        place_of(begun.flow_class).store,
        begun.day,
        draft,
        now=datetime.datetime.now(datetime.UTC),
        nonce=uuid.uuid4().hex,
    )
    return PublishedDay(outcome=outcome, summary=summary, seconds=time.monotonic() - began)


def shadow_day(begun: Batch, role: str, shards: Sequence[Shard], champion: Sequence[Part]) -> Comparison:
    """Score the published day with a challenger, to a place of its own, and compare it with the champion."""
    scored = score_shards(begun, role, shards)
    store = place_of(begun.flow_class).store
    parts = [shard.part for shard in scored]
    return batch.compare_with_champion(store, begun.day, begun.contract, champion=champion, challenger=parts)


def shadow_of(begun: Batch, role: str, comparison: Comparison | None, failure: object) -> Shadow:
    """
    Write down what a challenger did.

    Args:
        failure: what Metaflow's @catch kept, or None: an error's class and text, which may say more on further lines.
    """
    reason = ""
    if failure is not None or comparison is None:
        kind = str(getattr(failure, "type", "")).rpartition(".")[2]
        text = str(getattr(failure, "exception", "") or "").strip().partition("\n")[0]
        # The class that @catch makes up where the process ended without an exception.
        unsaid = kind in ("", "FailureHandledByCatch")
        reason = "its task was killed, or ran out of memory, on every try" if unsaid else f"{kind}: {text}"
    return Shadow(role=role, version=begun.models[role].version, comparison=comparison, failure=reason)


def published_path(begun: Batch, outcome: Outcome) -> str:
    """The address of the manifest that holds the day."""
    return f"{place_of(begun.flow_class).store.url}/{begun.day.manifest_key(outcome.number)}"


def emit_metrics(
    begun: Batch, published: PublishedDay, scored: Sequence[ScoredShard], shadows: Sequence[Shadow]
) -> None:
    """Leave the day's signals; never fails and never waits long."""
    manifest, summary = published.outcome.manifest, published.summary
    drift = dict(summary.document["psi"])
    as_of = datetime.datetime.combine(begun.day.day, datetime.time(), datetime.UTC)
    values: dict[str, Any] = {
        "platform_batch_rows_in": begun.snapshot.input.rows,
        "platform_batch_rows_scored": manifest.totals.rows,
        "platform_batch_rows_per_second": summary.rows_per_second,
        "platform_batch_input_bytes": begun.snapshot.bytes,
        "platform_batch_phase_duration_seconds": phases(begun, published, scored),
        "platform_batch_as_of_timestamp_seconds": as_of.timestamp(),
        "platform_batch_published_timestamp_seconds": datetime.datetime.fromisoformat(
            manifest.published_at
        ).timestamp(),
        "platform_batch_score_quantile": summary.document["quantiles"],
        "platform_batch_score_drift_psi": drift.pop(SCORE),
        "platform_batch_feature_drift_psi": drift,
        "platform_batch_model_version_info": {(role, model.version): 1.0 for role, model in begun.models.items()},
        "platform_batch_shadow_failed": {shadow.role: float(bool(shadow.failure)) for shadow in shadows},
    }
    compared = {shadow.role: shadow.comparison for shadow in shadows if shadow.comparison and not shadow.failure}
    values["platform_batch_shadow_rank_correlation_ratio"] = {r: c.rank_correlation for r, c in compared.items()}
    values["platform_batch_shadow_band_changed_ratio"] = {r: c.band_changed for r, c in compared.items()}
    metrics.emit(begun.day.flow, values)


def phases(begun: Batch, published: PublishedDay, scored: Sequence[ScoredShard]) -> dict[str, float]:
    """Wall time by phase; scoring is the sum over shards."""
    return {**begun.seconds, "score": sum(shard.seconds for shard in scored), "publish": published.seconds}


def _draft(begun: Batch) -> Draft:
    work = begun.work(CHAMPION)
    bands = tuple(band.name for band in begun.contract.bands)
    return Draft(
        input=work.input,
        models=(work.model,),
        parts=(),
        run=begun.run,
        code=begun.code,
        id_column=begun.contract.id.name,
        bands=bands,
    )
