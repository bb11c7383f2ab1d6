"""Another model's contract may name customers by text and have text features; everything works the same."""

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest

from platform_cli.errors import ContractBroken
from platform_cli.scoring.arrow import numpy_columns
from platform_cli.scoring.contract import load_contract
from platform_cli.scoring.drift import drift_of, make_reference, read_reference
from platform_cli.scoring.features import derive_features
from platform_cli.scoring.snapshot import take_snapshot

CONTRACT = """
name = "fraud"
columns = [
  { name = "card", role = "id", type = "string" },
  { name = "channel", role = "feature", type = "string", categories = ["shop", "web"], max_null_rate = 0.5 },
  { name = "amount", role = "feature", type = "float64", min = 0 },
  { name = "race", role = "protected", type = "string" },
]
bands = [{ name = "all", below = 1.0 }]
[limits]
rows_ratio = 2
score_mean = [0, 1]
score_psi = 0.5
"""


@pytest.fixture
def fraud(tmp_path):
    (tmp_path / "fraud.toml").write_text(CONTRACT)
    return load_contract(tmp_path / "fraud.toml")


def write(tmp_path, **changes):
    columns = {
        "card": ["é-2", "a-1", "b-1"],
        "channel": ["web", None, "shop"],
        "amount": [1.5, 2.0, 3.0],
        "race": ["x", "y", "x"],
    }
    path = tmp_path / "cards.csv"
    arrow_csv.write_csv(pa.table({**columns, **changes}), path)
    return str(path)


def test_text_ids_are_sorted_by_their_bytes(fraud, place, tmp_path):
    snapshot = take_snapshot(place, fraud, write(tmp_path))
    table = pq.read_table(place.store.fetch(snapshot.input.key, tmp_path))
    assert table["card"].to_pylist() == ["a-1", "b-1", "é-2"]
    assert table["channel"].to_pylist() == [None, "shop", "web"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"channel": ["web", "post", "shop"]}, '"channel": 1 of 3 .* is post in row 2', id="category"),
        pytest.param({"card": ["b", "a", "b"]}, '"card": 1 of 3 values repeat the id', id="an id twice"),
        pytest.param({"card": ["b", None, "c"]}, '"card": 1 of 3 values are missing', id="no id"),
    ],
)
def test_a_breach_in_text_is_counted(fraud, place, tmp_path, changes, says):
    with pytest.raises(ContractBroken, match=says):
        take_snapshot(place, fraud, write(tmp_path, **changes))


def test_drift_of_a_text_feature_is_that_of_its_categories(fraud):
    trained = {"channel": np.array(["web", "shop"] * 50, dtype=object), "amount": np.arange(100.0)}
    reference = read_reference(fraud, make_reference(fraud, trained, np.linspace(0, 1, 100)))
    assert reference["channel"].categories == ("shop", "web")
    counts = {name: entry.count(trained.get(name, np.linspace(0, 1, 100))) for name, entry in reference.items()}
    assert drift_of(reference, counts) == pytest.approx({"channel": 0, "amount": 0, "score": 0}, abs=1e-6)


def test_features_of_text_stay_text(fraud):
    batch = pa.RecordBatch.from_pydict({"channel": ["web", None], "amount": [1.0, None]})
    features = derive_features(fraud, numpy_columns(batch))
    assert features["channel"].tolist() == ["web", None]
    assert np.isnan(features["amount"]).tolist() == [False, True]
