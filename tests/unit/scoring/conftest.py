"""What the scoring tests share: the contract of flows/riskiness, and small files of customers drawn from it."""

import datetime
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest

from platform_cli.names import Channel
from platform_cli.scoring.contract import Contract, load_contract
from platform_cli.scoring.generate import generate_customers
from platform_cli.scoring.snapshot import Place
from platform_cli.store import open_store
from tests.unit.scoring.models import PublishedBatch, SavedModel, save_model, score_day

ROOT = Path(__file__).resolve().parents[3]
CONTRACT = ROOT / "flows" / "riskiness" / "contract.toml"
DAY = datetime.date(2026, 11, 22)


@pytest.fixture(scope="session")
def contract() -> Contract:
    return load_contract(CONTRACT)


@pytest.fixture(scope="session")
def clean_table(contract, tmp_path_factory):
    """2,000 customers as a pyarrow table."""
    path = tmp_path_factory.mktemp("clean") / "customers.parquet"
    generate_customers(contract, path, rows=2_000, seed=7, day=DAY)
    return pq.read_table(path)


@pytest.fixture
def a_contract(tmp_path: Path) -> Callable[..., Path]:
    """A copy of the riskiness contract in which one text is replaced by another."""

    def write(old: str = "", new: str = "") -> Path:
        text = CONTRACT.read_text(encoding="utf-8")
        assert old in text
        path = tmp_path / "contract.toml"
        path.write_text(text.replace(old, new, 1) if old else text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(store=open_store(str(tmp_path / "store")), channel=Channel("local"), flow="riskiness-score")


@pytest.fixture
def customers(clean_table, tmp_path: Path) -> Callable[..., str]:
    """Write 2,000 clean customers, with some columns replaced, as Parquet or CSV; returns the path as text."""

    def write(change: Callable[[dict], dict] | None = None, *, suffix: str = ".parquet") -> str:
        columns = {name: clean_table[name] for name in clean_table.schema.names}
        table = pa.table(change(columns) if change else columns)
        path = tmp_path / f"customers{suffix}"
        if suffix == ".csv":
            arrow_csv.write_csv(table, path)
        else:
            pq.write_table(table, path)
        return str(path)

    return write


@pytest.fixture(scope="session")
def saved_model(contract, tmp_path_factory) -> SavedModel:
    """A model trained on 40,000 customers of another day."""
    path = tmp_path_factory.mktemp("training") / "customers.parquet"
    generate_customers(contract, path, rows=40_000, seed=7, day=DAY - datetime.timedelta(days=60))
    return save_model(contract, pq.read_table(path), path.parent / "form")


@pytest.fixture
def a_batch(place, contract, saved_model, tmp_path) -> Callable[..., PublishedBatch]:
    """Score generated customers as one day, in shards of `rows_per_shard`, and publish them."""

    def run(rows: int = 3_000, *, rows_per_shard: int = 10**9, day=DAY, model=None, role="champion") -> PublishedBatch:
        model = model or saved_model
        path = tmp_path / f"customers-{rows}-{day}.parquet"
        if not path.exists():
            generate_customers(contract, path, rows=rows, seed=7, day=day, labelled=False)
        return score_day(place, contract, model, str(path), day=day, rows_per_shard=rows_per_shard, role=role)

    return run
