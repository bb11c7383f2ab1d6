"""Derived features: the same row gives the same bits in training and in scoring."""

import numpy as np
import pyarrow as pa

from platform_cli.scoring.arrow import numpy_columns
from platform_cli.scoring.features import derive_features


def test_utilisation_is_the_latest_bill_over_the_limit(contract):
    columns = {name: np.zeros(3) for name in contract.features}
    columns["bill_amount_1m"] = np.array([500.0, -30.0, 0.0])
    columns["credit_limit"] = np.array([2000.0, 10.0, 7.0])
    assert derive_features(contract, columns)["utilisation"].tolist() == [0.25, -3.0, 0.0]


def test_features_come_in_the_order_of_the_contract(contract):
    columns = {name: np.ones(1) for name in reversed(contract.features)}
    assert tuple(derive_features(contract, columns)) == contract.features


def test_pandas_and_arrow_give_the_same_bits(contract, clean_table):
    frame = clean_table.to_pandas()
    trained = derive_features(contract, frame)
    scored = derive_features(contract, numpy_columns(clean_table.combine_chunks().to_batches()[0]))
    for name in contract.features:
        assert trained[name].tobytes() == scored[name].tobytes(), name


def test_a_null_becomes_nan_and_its_utilisation_too(contract, clean_table):
    table = clean_table.slice(0, 2)
    bills = pa.array([None, 100.0], type=pa.float64())
    table = table.set_column(table.schema.get_field_index("bill_amount_1m"), "bill_amount_1m", bills)
    features = derive_features(contract, numpy_columns(table.combine_chunks().to_batches()[0]))
    assert np.isnan(features["bill_amount_1m"]).tolist() == [True, False]
    assert np.isnan(features["utilisation"]).tolist() == [True, False]
