"""A published day can be traced and checked from the store alone."""

import shutil

import pyarrow.parquet as pq
import pytest
import xgboost

from platform_cli.errors import ContractBroken, Damaged, ModelRefused, NotFound, UsageError
from platform_cli.publication import Day
from platform_cli.scoring.audit import explain_customer, verify_day
from tests.unit.scoring.conftest import DAY
from tests.unit.scoring.models import SavedModel, save_model


@pytest.fixture
def load_model(saved_model):
    def load(record):
        assert (record.role, record.version, record.digest) == ("champion", "3", saved_model.digest)
        return saved_model.load()

    return load


def test_a_score_is_traced_to_run_model_data_and_code(place, contract, a_batch, load_model, saved_model, tmp_path):
    batch = a_batch(140_000, rows_per_shard=65_536)
    found = explain_customer(place.store, batch.work.day, contract, load_model, customer="70000")
    assert found.customer == 70_000
    assert found.part == batch.work.day.key(batch.parts[1].name)
    assert (found.run, found.manifest) == ("run-1", 1)
    assert (found.model.version, found.model.digest) == ("3", saved_model.digest)
    assert (found.training_run, found.training_data, found.code) == ("training-1", "data-1", "code-1")
    assert found.input == batch.work.input.key
    table = pq.read_table(place.store.fetch(found.part, tmp_path)).to_pylist()
    row = next(row for row in table if row["customer_id"] == 70_000)
    assert (found.probability, found.risk_band) == (row["probability"], row["risk_band"])


def test_contributions_are_the_boosters_own_largest_first(place, contract, a_batch, load_model, saved_model, tmp_path):
    batch = a_batch(500)
    found = explain_customer(place.store, batch.work.day, contract, load_model, customer="42", top=20)
    row = pq.read_table(place.store.fetch(batch.work.input.key, tmp_path)).to_pandas().iloc[[41]]
    row["utilisation"] = row["bill_amount_1m"] / row["credit_limit"]
    booster = xgboost.Booster(model_file=saved_model.folder / "model.ubj")
    data = xgboost.DMatrix(row[booster.feature_names].astype("float32"))
    *shares, base = booster.predict(data, pred_contribs=True)[0]
    assert found.base == pytest.approx(base)
    expected = dict(zip(booster.feature_names, shares, strict=True))
    assert {c.feature: c.log_odds for c in found.contributions} == pytest.approx(expected)
    sizes = [abs(contribution.log_odds) for contribution in found.contributions]
    assert sizes == sorted(sizes, reverse=True)
    assert {c.feature: c.value for c in found.contributions}["credit_limit"] == row["credit_limit"].item()


@pytest.mark.parametrize(
    ("customer", "error", "says"),
    [
        pytest.param("501", NotFound, "customer 501 has no score on 2026-11-22", id="nobody"),
        pytest.param("x", UsageError, 'the customer is "x"; wanted a whole number', id="no number"),
    ],
)
def test_a_customer_who_has_no_score_is_named(place, contract, a_batch, *, load_model, customer, error, says):
    batch = a_batch(500)
    with pytest.raises(error, match=says):
        explain_customer(place.store, batch.work.day, contract, load_model, customer=customer)


def test_a_day_that_is_not_published_cannot_be_explained(place, contract, load_model):
    day = Day(channel=place.channel, flow=place.flow, day=DAY)
    with pytest.raises(NotFound, match="2026-11-22 of riskiness-score is not published"):
        explain_customer(place.store, day, contract, load_model, customer="1")


def test_a_sound_day_is_verified_and_its_sample_scored_again(place, contract, a_batch, load_model):
    batch = a_batch(140_000, rows_per_shard=65_536)
    found = verify_day(place.store, batch.work.day, contract, load_model)
    assert (found.rows, found.parts, found.manifest) == (140_000, 3, 1)
    assert found.rescored == 65_536 + 8_928
    assert found.digest == batch.outcome.manifest.digest
    assert verify_day(place.store, batch.work.day, contract, load_model, blocks=(1,)).rescored == 65_536


def flip(path, position):
    path.chmod(0o644)
    body = bytearray(path.read_bytes())
    body[position] ^= 1
    path.write_bytes(body)


def test_one_flipped_bit_in_a_part_is_found(place, contract, a_batch, load_model, tmp_path):
    batch = a_batch(500)
    flip(place.store.fetch(batch.work.day.key(batch.parts[0].name), tmp_path), 900)
    with pytest.raises(Damaged, match=r"part-00000\.parquet has the hash"):
        verify_day(place.store, batch.work.day, contract, load_model)


def test_one_flipped_bit_in_the_snapshot_is_found(place, contract, a_batch, load_model, tmp_path):
    batch = a_batch(500)
    flip(place.store.fetch(batch.work.input.key, tmp_path), 900)
    with pytest.raises(Damaged, match=f"{batch.work.input.sha256}.parquet has sha256"):
        verify_day(place.store, batch.work.day, contract, load_model)


def test_scores_that_the_model_does_not_give_are_found(place, contract, a_batch, saved_model, clean_table, tmp_path):
    batch = a_batch(500)
    other = save_model(contract, clean_table, tmp_path / "other", trees=2).load()
    with pytest.raises(Damaged, match="500 of 500 scores differ in block 0; wanted what model riskiness version 3"):
        verify_day(place.store, batch.work.day, contract, lambda _: other)


def test_a_model_with_one_bit_flipped_is_refused(place, contract, a_batch, saved_model, tmp_path):
    batch = a_batch(500)
    shutil.copytree(saved_model.folder, tmp_path / "form")
    flip(tmp_path / "form" / "model.ubj", 700)
    with pytest.raises(ModelRefused, match=r"model\.ubj has sha256"):
        verify_day(
            place.store,
            batch.work.day,
            contract,
            lambda _: SavedModel(tmp_path / "form", saved_model.digest).load(),
        )
    assert issubclass(ModelRefused, ContractBroken)
