"""Scoring: every customer once, with the model's own probability, however the day is cut; and nothing heavy loaded."""

import errno
import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xgboost

from platform_cli.errors import StoreFull, UsageError
from platform_cli.scoring.__main__ import main
from platform_cli.scoring.batch import Shard, plan_shards
from platform_cli.scoring.generate import generate_customers
from platform_cli.scoring.score import band_positions
from tests.unit.scoring.conftest import CONTRACT, DAY


def scores_of(place, batch, tmp_path):
    keys = [batch.work.day.key(part.name) for part in batch.parts]
    return [pq.read_table(place.store.fetch(key, tmp_path)) for key in keys]


def test_each_score_is_what_the_booster_says(place, a_batch, saved_model, tmp_path):
    """The oracle reads model.ubj and the snapshot by itself."""
    batch = a_batch(3_000)
    (table,) = scores_of(place, batch, tmp_path)
    customers = pq.read_table(place.store.fetch(batch.work.input.key, tmp_path)).to_pandas()
    customers["utilisation"] = customers["bill_amount_1m"] / customers["credit_limit"]
    booster = xgboost.Booster(model_file=saved_model.folder / "model.ubj")
    expected = booster.predict(xgboost.DMatrix(customers[booster.feature_names].astype("float32")))
    assert table["customer_id"].to_pylist() == list(range(1, 3_001))
    assert np.array_equal(table["probability"].to_numpy(), expected)


def test_a_part_has_the_columns_that_readers_are_promised(place, a_batch, tmp_path):
    (table,) = scores_of(place, a_batch(100), tmp_path)
    assert table.schema.names == ["customer_id", "probability", "risk_band", "model_version", "run"]
    assert str(table.schema.field("probability").type) == "float"
    assert table["model_version"].unique().to_pylist() == ["3"]
    assert table["run"].unique().to_pylist() == ["run-1"]
    for row in table.to_pylist():
        edges = {"low": (0, 0.10), "moderate": (0.10, 0.25), "high": (0.25, 0.50), "very high": (0.50, 1.01)}
        low, high = edges[row["risk_band"]]
        assert low <= row["probability"] < high


def test_a_probability_on_an_edge_is_in_the_band_above(contract):
    scores = np.array([0.0, 0.0999999, 0.25, 0.5, 1.0], dtype=np.float32)
    assert band_positions(contract, scores).tolist() == [0, 0, 2, 3, 3]


def test_how_a_day_is_cut_changes_neither_digest_nor_scores(a_batch, place, tmp_path):
    whole = a_batch(140_000)
    cut = a_batch(140_000, rows_per_shard=1)
    assert [part.rows for part in whole.parts] == [140_000]
    assert [part.rows for part in cut.parts] == [65_536, 65_536, 8_928]
    assert sum((part.blocks for part in cut.parts), ()) == whole.parts[0].blocks
    assert cut.outcome.status == "already-published"
    assert cut.outcome.manifest.digest == whole.outcome.manifest.digest


def test_tallies_of_shards_add_up(a_batch):
    whole, cut = a_batch(140_000).summary.document, a_batch(140_000, rows_per_shard=65_536).summary.document
    assert cut["rows"] == whole["rows"] == 140_000
    assert cut["histogram"] == whole["histogram"]
    assert sum(cut["histogram"]) == 140_000
    assert cut["mean"] == pytest.approx(whole["mean"])


def test_the_summary_reports_scores_per_protected_group(a_batch):
    groups = a_batch(3_000).summary.document["groups"]
    assert set(groups) == {"sex", "education", "marriage", "age"}
    assert set(groups["sex"]) == {"1", "2"}
    assert "30-39" in groups["age"]
    for column in groups.values():
        assert sum(sum(counts) for counts in column.values()) == 3_000


@pytest.mark.parametrize(
    ("rows", "rows_per_shard", "cut"),
    [
        pytest.param(30_000, 1_000_000, [(0, 30_000)], id="one shard for thirty thousand"),
        pytest.param(65_536, 65_536, [(0, 65_536)], id="exactly one block"),
        pytest.param(65_537, 65_536, [(0, 65_536), (65_536, 1)], id="one row more"),
        pytest.param(200_000, 100_000, [(0, 131_072), (131_072, 68_928)], id="rounded up to blocks"),
    ],
)
def test_shards_are_whole_blocks(rows, rows_per_shard, cut):
    expected = tuple(Shard(index=i, first_row=first, rows=size) for i, (first, size) in enumerate(cut))
    assert plan_shards(rows, rows_per_shard=rows_per_shard) == expected


def test_no_rows_make_no_shards():
    with pytest.raises(UsageError, match="0 rows in shards of 10"):
        plan_shards(0, rows_per_shard=10)


def test_a_full_disk_during_a_part_is_a_clear_error_and_nothing_is_visible(a_batch, place, monkeypatch):
    """No test can fill a disk politely: the writer is made to fail as it does on a full one."""

    def no_room(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    customers = a_batch(100)  # the snapshot is there already
    before = place.store.list("")
    monkeypatch.setattr("pyarrow.parquet.ParquetWriter.write_table", no_room)
    with pytest.raises(StoreFull, match="no room left in "):
        a_batch(100)
    assert place.store.list("") == before
    assert customers.outcome.manifest.totals.rows == 100


def test_a_scoring_process_loads_no_pandas_sklearn_or_mlflow(contract, saved_model, tmp_path):
    generate_customers(contract, tmp_path / "in.parquet", rows=2_000, seed=1, day=DAY)
    arguments = [str(tmp_path / "in.parquet"), "--contract", str(CONTRACT), "--day", "2026-11-22"]
    arguments += ["--model", str(saved_model.folder), "--digest", saved_model.digest]
    arguments += ["--store", str(tmp_path / "store")]
    code = (
        "import sys, json\nfrom platform_cli.scoring.__main__ import main\n"
        f"code = main({arguments!r})\n"
        "heavy = ('pandas', 'sklearn', 'mlflow', 'metaflow', 'duckdb', 'boto3', 'matplotlib', 'scipy.sparse')\n"
        "print(json.dumps([name for name in heavy if name in sys.modules]))\nsys.exit(code)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    published, loaded = map(json.loads, result.stdout.splitlines())
    assert loaded == []
    assert published["status"] == "published"
    assert published["rows"] == 2_000


def single_process(saved_model, path, store):
    words = [str(path), "--contract", str(CONTRACT), "--day", "2026-11-22", "--store", str(store), "--run", "run-1"]
    return main([*words, "--model", str(saved_model.folder), "--digest", saved_model.digest])


def test_the_single_process_publishes_the_same_whatever_the_order_of_rows(contract, saved_model, tmp_path, capsys):
    """A file in order is scored while it is checked; of one whose second block comes first, the scores are dropped."""
    generate_customers(contract, tmp_path / "ordered.parquet", rows=2 * 65_536, seed=1, day=DAY, labelled=False)
    table = pq.read_table(tmp_path / "ordered.parquet")
    moved = pa.concat_tables([table.slice(65_536), table.slice(0, 65_536)])
    pq.write_table(moved, tmp_path / "moved.parquet", row_group_size=65_536, store_schema=False)
    parts = []
    for name in ("ordered", "moved"):
        assert single_process(saved_model, tmp_path / f"{name}.parquet", tmp_path / name) == 0
        parts += (tmp_path / name).glob("**/part-00000.parquet")
    outcomes = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [outcome["rows"] for outcome in outcomes] == [131_072, 131_072]
    assert len(parts) == 2
    assert pq.read_table(parts[0]).equals(pq.read_table(parts[1]))


@pytest.mark.parametrize("row", [0, 65_535, 69_999])
def test_one_value_out_of_bounds_anywhere_leaves_nothing_in_the_store(contract, saved_model, tmp_path, capsys, row):
    generate_customers(contract, tmp_path / "in.parquet", rows=70_000, seed=1, day=DAY, labelled=False)
    table = pq.read_table(tmp_path / "in.parquet")
    limits = table["credit_limit"].to_numpy().copy()
    limits[row] = np.inf
    table = table.set_column(1, "credit_limit", pa.array(limits))
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=65_536, store_schema=False)
    assert single_process(saved_model, tmp_path / "in.parquet", tmp_path / "store") == 65
    said = capsys.readouterr()
    assert said.out == ""
    assert f"1 of 70,000 values are infinite, the first is inf in row {row + 1:,}" in said.err
    assert not (tmp_path / "store").exists()


def test_the_single_process_ends_with_the_errors_exit_code(saved_model, tmp_path):
    (tmp_path / "in.csv").write_text("customer_id,age\n1,2\n")
    command = [sys.executable, "-m", "platform_cli.scoring", str(tmp_path / "in.csv"), "--contract", str(CONTRACT)]
    command += ["--model", str(saved_model.folder), "--digest", saved_model.digest, "--day", "2026-11-01"]
    result = subprocess.run([*command, "--store", str(tmp_path / "store")], capture_output=True, text=True, check=False)
    assert result.returncode == 65
    assert result.stdout == ""
    assert 'in.csv: 22 findings\n  column "credit_limit": it is missing' in result.stderr
    assert not (tmp_path / "store").exists()
