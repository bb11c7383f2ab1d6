"""Synthetic customers: the same bytes for a seed, another file each day, and a label worth learning."""

import datetime
import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xgboost

from platform_cli.errors import UsageError
from platform_cli.scoring.contract import load_contract
from platform_cli.scoring.generate import generate_batches, generate_customers

DAY = datetime.date(2026, 11, 22)


def draw(contract, rows, seed=1, day=DAY):
    return pa.Table.from_batches(generate_batches(contract, rows=rows, seed=seed, day=day))


def test_a_seed_and_a_day_give_the_same_bytes(contract, tmp_path):
    digests = set()
    for name in ("one", "two"):
        generate_customers(contract, tmp_path / name, rows=70_000, seed=3, day=DAY)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_a_customer_does_not_depend_on_how_many_are_drawn(contract):
    assert draw(contract, 40_000).slice(0, 1_000).equals(draw(contract, 1_000))


def test_ids_rise_from_one(contract):
    assert draw(contract, 20_000)["customer_id"].to_pylist() == list(range(1, 20_001))


def test_a_limit_lasts_while_bills_differ_by_day(contract):
    today, tomorrow = draw(contract, 1_000), draw(contract, 1_000, day=DAY + datetime.timedelta(days=1))
    assert today["credit_limit"].equals(tomorrow["credit_limit"])
    assert not today["bill_amount_1m"].equals(tomorrow["bill_amount_1m"])


def test_another_seed_draws_other_people(contract):
    assert not draw(contract, 1_000)["credit_limit"].equals(draw(contract, 1_000, seed=2)["credit_limit"])


def test_a_file_has_one_row_group_per_block_of_65536_rows(contract, tmp_path):
    generate_customers(contract, tmp_path / "f", rows=150_000, seed=3, day=DAY)
    metadata = pq.ParquetFile(tmp_path / "f").metadata
    assert [metadata.row_group(group).num_rows for group in range(3)] == [65_536, 65_536, 18_928]


def test_a_column_that_nobody_can_draw_is_named(contract, a_contract):
    other = load_contract(a_contract('name = "bill_amount_6m"', 'name = "bill_amount_9m"'))
    with pytest.raises(UsageError, match='no way to draw the column "bill_amount_9m"'):
        draw(other, 10)


def test_drawn_customers_resemble_the_real_ones(contract):
    """Medians, shares and correlations of the public file, written out; generous, since nobody bets on them."""
    table = draw(contract, 60_000)
    column = {name: table[name].to_numpy() for name in table.schema.names}
    assert 0.19 < column["default_next_month"].mean() < 0.25
    assert np.median(column["credit_limit"]) == 140_000
    assert 17_000 < np.median(column["bill_amount_1m"]) < 28_000
    assert 1_300 < np.median(column["payment_amount_1m"]) < 2_700
    assert 0.45 < (column["repayment_status_1m"] == 0).mean() < 0.55
    assert np.corrcoef(column["bill_amount_1m"], column["bill_amount_2m"])[0, 1] > 0.9
    assert np.corrcoef(column["bill_amount_1m"], column["bill_amount_3m"])[0, 1] > 0.8


def test_a_model_can_learn_the_label_about_as_well_as_the_real_one(contract):
    """The area under the ROC curve by ranks, of a model that this test trains; on the real file it is 0.78."""
    table = draw(contract, 40_000)
    matrix = np.stack([table[name].to_numpy() for name in contract.features[:-1]], axis=1)
    label = table["default_next_month"].to_numpy()
    train = xgboost.DMatrix(matrix[:25_000], label[:25_000])
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 4, "eta": 0.1, "nthread": 1}, train, 80)
    scores, truth = booster.inplace_predict(matrix[25_000:]), label[25_000:]
    ranks = scores.argsort().argsort() + 1
    positive = truth.sum()
    auc = (ranks[truth == 1].sum() - positive * (positive + 1) / 2) / (positive * (truth.size - positive))
    assert 0.75 < auc < 0.82
