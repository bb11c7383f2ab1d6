"""What the scoring tests share: the contract of flows/riskiness, and small files of customers drawn from it."""

import datetime
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from platform_cli.scoring.contract import Contract, load_contract
from platform_cli.scoring.generate import generate_customers

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
