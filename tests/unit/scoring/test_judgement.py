"""What ends a day although every row is right: its volume, its scores' distribution, a model of another contract."""

import datetime
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from platform_cli.errors import ContractBroken, ModelRefused
from platform_cli.publication import read_day
from platform_cli.scoring.batch import check_form, check_volume, take_snapshot
from platform_cli.scoring.contract import load_contract
from platform_cli.scoring.drift import Bins, make_reference, read_reference, stability_index
from tests.unit.scoring.conftest import DAY
from tests.unit.scoring.models import score_day

TOMORROW = DAY + datetime.timedelta(days=1)


def change_some(table, name, values):
    return table.set_column(table.schema.get_field_index(name), name, values)


def test_a_row_count_far_from_yesterdays_is_a_breach(a_batch, place, contract, clean_table, tmp_path):
    yesterday = read_day(place.store, a_batch(1_000).work.day)
    pq.write_table(clean_table.slice(0, 1_501), tmp_path / "more.parquet")
    snapshot = take_snapshot(place, contract, str(tmp_path / "more.parquet"))
    with pytest.raises(ContractBroken) as caught:
        check_volume(contract, snapshot, yesterday)
    assert "more.parquet: 1,501 rows, while 2026-11-22 had 1,000; wanted 667 to 1,500" in str(caught.value)


@pytest.mark.parametrize("rows", [667, 1_000, 1_500])
def test_a_row_count_near_yesterdays_passes(a_batch, place, contract, clean_table, tmp_path, rows):
    yesterday = read_day(place.store, a_batch(1_000).work.day)
    pq.write_table(clean_table.slice(0, rows), tmp_path / "near.parquet")
    check_volume(contract, take_snapshot(place, contract, str(tmp_path / "near.parquet")), yesterday)


def test_the_first_day_has_no_yesterday(place, contract, customers):
    check_volume(contract, take_snapshot(place, contract, customers()), None)


def test_scores_far_from_trainings_are_a_breach_that_names_the_features_that_moved(
    place, contract, saved_model, clean_table, tmp_path
):
    """Everybody owes three months: each row is possible, the day is not."""
    late = pa.array([3 + row % 2 for row in range(2_000)])
    table = change_some(clean_table, "repayment_status_1m", late)
    pq.write_table(table, tmp_path / "late.parquet")
    with pytest.raises(ContractBroken) as caught:
        score_day(
            place, contract, saved_model, str(tmp_path / "late.parquet"), day=DAY, rows_per_shard=10**9, role="champion"
        )
    assert "the scores of 2,000 customers are far from training's: PSI " in str(caught.value)
    assert "Features that moved most: repayment_status_1m (PSI" in str(caught.value)


def test_a_mean_outside_the_contracts_bounds_is_a_breach(place, a_contract, saved_model, customers):
    strict = load_contract(a_contract("score_mean = [0.02, 0.60]", "score_mean = [0.02, 0.10]"))
    with pytest.raises(ContractBroken, match=r"the mean score of 2,000 customers is 0\.2\d+; wanted 0.02 to 0.1"):
        score_day(place, strict, saved_model, customers(), day=DAY, rows_per_shard=10**9, role="champion")


@pytest.mark.parametrize("rows", [40, 100, 1_000, 20_000])
def test_a_clean_day_of_any_size_is_not_far_from_training(a_batch, rows):
    for ahead in range(5):
        assert a_batch(rows, day=DAY + datetime.timedelta(days=ahead)).outcome.status == "published"


def test_a_model_of_another_contract_is_refused(contract, a_contract, saved_model):
    other = load_contract(a_contract("bill_amount_1m / credit_limit", "bill_amount_2m / credit_limit"))
    with pytest.raises(ModelRefused) as caught:
        check_form(other, saved_model.load())
    assert f"was trained on contract {contract.fingerprint[:12]}" in str(caught.value)
    assert f"wanted {other.fingerprint[:12]}" in str(caught.value)
    check_form(contract, saved_model.load())


def test_a_reference_of_other_features_is_refused(contract, a_contract, saved_model):
    other = load_contract(a_contract('name = "utilisation"', 'name = "usage"'))
    with pytest.raises(ModelRefused, match="does not fit the contract riskiness: usage, utilisation"):
        read_reference(other, saved_model.load().reference)


def test_a_reference_that_is_none_is_refused(contract, clean_table, tmp_path):
    with pytest.raises(ModelRefused, match=r"reference\.json holds no bins"):
        read_reference(contract, {"score": {"mean": 0.2}})


def test_psi_is_what_the_textbook_says():
    """0.2 * ln(2) - 0.1 * ln(0.8) - 0.1 * ln(2/3), worked by hand for shares 20/50/30 and 40/40/20."""
    by_hand = 0.2 * math.log(0.4 / 0.2) - 0.1 * math.log(0.4 / 0.5) - 0.1 * math.log(0.2 / 0.3)
    assert stability_index([0.2, 0.5, 0.3], [0.4, 0.4, 0.2]) == pytest.approx(by_hand)
    assert stability_index([0.2, 0.5, 0.3], [0.2, 0.5, 0.3]) == 0


def test_an_empty_bin_is_no_infinity():
    assert 0 < stability_index([0.5, 0.5, 0.0], [0.5, 0.4, 0.1]) < 1


def test_values_are_counted_in_their_bins_and_nulls_in_their_own():
    values = np.array([-1.0, 0.0, 0.5, 1.0, 7.0, np.nan, np.nan])
    assert Bins(edges=(0.0, 1.0)).count(values).tolist() == [1, 2, 2, 2]


def test_text_is_counted_by_category_with_others_and_nulls_apart():
    values = np.array(["a", "b", "b", "z", None], dtype=object)
    assert Bins(categories=("a", "b")).count(values).tolist() == [1, 2, 1, 1]


def test_few_values_have_a_bin_each(contract, clean_table):
    columns = {name: np.arange(2_000.0) for name in contract.features}
    columns["repayment_status_1m"] = np.array([-1.0, 0.0, 0.0, 2.0] * 500)
    reference = make_reference(contract, columns, np.linspace(0, 1, 2_000))
    assert reference["bins"]["repayment_status_1m"]["edges"] == [-0.5, 1.0]
    assert reference["bins"]["repayment_status_1m"]["shares"] == [0.25, 0.5, 0.25, 0.0]
    assert reference["bins"]["credit_limit"]["shares"] == [0.1] * 10 + [0.0]
