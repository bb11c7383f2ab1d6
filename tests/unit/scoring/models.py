"""Small models of the riskiness contract for tests, in their registered form, and whole days scored with them."""

import datetime
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from platform_cli.models.encoder import Encoder, Lane
from platform_cli.models.form import Form, Signature, import_xgboost, load_form, write_form
from platform_cli.publication import Day, ModelRecord, Outcome, publish
from platform_cli.scoring import batch
from platform_cli.scoring.arrow import numpy_columns
from platform_cli.scoring.contract import Contract
from platform_cli.scoring.drift import make_reference
from platform_cli.scoring.features import derive_features


@dataclass(frozen=True)
class SavedModel:
    """A model's folder, and the digest that a registry would have."""

    folder: Path
    digest: str

    def load(self) -> Form:
        return load_form(self.folder, self.digest)


def save_model(contract: Contract, table, folder: Path, *, trees: int = 20, **signature: str) -> SavedModel:
    """Train on labelled customers and write model.ubj, encoder.json, signature.json and reference.json."""
    batch = table.combine_chunks().to_batches()[0]
    features = derive_features(contract, numpy_columns(batch))
    matrix = np.stack([features[name] for name in contract.features], axis=1).astype(np.float32)
    xgboost = import_xgboost()
    label = table["default_next_month"].to_numpy()
    data = xgboost.DMatrix(matrix, label, feature_names=list(contract.features))
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 4, "nthread": 1}, data, trees)
    values = {
        "model": "riskiness",
        "contract": contract.fingerprint,
        "training_run": "training-1",
        "data": "data-1",
        "code": "code-1",
    }
    digest = write_form(
        folder,
        booster=bytes(booster.save_raw("ubj")),
        encoder=Encoder(inputs=contract.features, lanes=tuple(Lane(name=n, source=n) for n in contract.features)),
        signature=Signature(features=contract.features, **{**values, **signature}),
        reference=make_reference(contract, features, booster.inplace_predict(matrix)),
    )
    return SavedModel(folder=folder, digest=digest)


@dataclass(frozen=True)
class PublishedBatch:
    """One scored day; `outcome` is None for a challenger's."""

    work: batch.Work
    scored: list[batch.ScoredShard]
    summary: batch.DaySummary
    outcome: Outcome | None

    @property
    def parts(self):
        return [shard.part for shard in self.scored]


def score_day(place, contract, model: SavedModel, path: str, *, day, rows_per_shard, role) -> PublishedBatch:
    """Do what a flow does, in one process; a champion's scores are published."""
    form = model.load()
    snapshot = batch.take_snapshot(place, contract, path)
    work = batch.Work(
        contract=contract,
        day=Day(channel=place.channel, flow=place.flow, day=day),
        input=snapshot.input,
        model=ModelRecord(role=role, name="riskiness", version="3", digest=model.digest),
        run="run-1",
    )
    attempt = uuid.uuid4().hex
    shards = batch.plan_shards(snapshot.input.rows, rows_per_shard=rows_per_shard)
    scored = [batch.score_shard(place.store, work, shard, form, attempt=attempt) for shard in shards]
    summary = batch.judge_day(contract, form, scored)
    if role != "champion":
        return PublishedBatch(work, scored, summary, None)
    draft = batch.draft_day(work, scored, challengers=(), code="code-2", summary=summary)
    now = datetime.datetime(2026, 11, 23, 4, 0, tzinfo=datetime.UTC)
    return PublishedBatch(work, scored, summary, publish(place.store, work.day, draft, now=now, nonce=attempt))
