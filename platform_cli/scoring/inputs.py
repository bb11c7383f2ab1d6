"""
What a flow's `customers` parameter may say, beside a file: `synthetic:30000` makes customers of the contract.

In: the parameter, a contract, a day. Out: a path that `take_snapshot` and `take_training_set` read.

Also here, since every flow needs it and none should write it: which code is asking.
"""

from __future__ import annotations

import datetime
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_cli.errors import UsageError
from platform_cli.publication import IdDigest, InputRecord, add_input
from platform_cli.scoring.contract import Contract
from platform_cli.scoring.features import derive_features
from platform_cli.scoring.snapshot import write_canonical
from platform_cli.scoring.source import locate, open_source

if TYPE_CHECKING:
    import pandas as pd

    from platform_cli.scoring.snapshot import Place
    from platform_cli.store import Store

SYNTHETIC = "synthetic:"
# One population: its customers are the same every day, what they owe and pay is the day's.
_POPULATION_SEED = 20261101
_HOLDOUT_ONE_IN = 5


@contextmanager
def customers_file(contract: Contract, customers: str, *, day: datetime.date) -> Iterator[str]:
    """
    Give a path or address that can be opened; synthetic customers are written to a file that goes afterwards.

    Args:
        customers: a path, `s3://bucket/key`, or `synthetic:ROWS`.
        day: the day that synthetic customers are drawn for.
    """
    if not customers.startswith(SYNTHETIC):
        yield customers
        return
    count = customers.removeprefix(SYNTHETIC)
    if not count.isdigit() or not int(count):
        raise UsageError(f'customers is "{customers}"', wanted="a file, s3://bucket/key, or synthetic:ROWS")
    from platform_cli.scoring.generate import generate_customers

    with tempfile.TemporaryDirectory(prefix="customers-") as folder:
        path = Path(folder) / f"synthetic-{count}-{day}.parquet"
        generate_customers(contract, path, rows=int(count), seed=_POPULATION_SEED, day=day)
        yield str(path)


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Checked customers whose outcome is known, frozen in the store like a day's input."""

    input: InputRecord


def take_training_set(place: Place, contract: Contract, source: str) -> TrainingSet:
    """
    Check a labelled file of customers and put its canonical form into the store.

    Raises:
        ContractBroken: every finding, with file, column and count; nothing was stored.
    """
    with tempfile.TemporaryDirectory(prefix="training-") as scratch:
        folder = Path(scratch)
        path = locate(source, folder=folder, s3_endpoint=place.s3_endpoint)
        opened = open_source(contract, path, source, labelled=True)

        def add(canonical: Path, digest: IdDigest) -> InputRecord:
            return add_input(place.store, place.channel, place.flow, canonical, digest)

        return TrainingSet(input=write_canonical(contract, opened, folder, add))


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """
    A training set in memory.

    Attributes:
        features: derived ones included, float64 columns in the contract's order.
        labels: 0 or 1, one per row.
        is_holdout: the fifth of the customers that no model is ever fitted on. It depends on the id alone, so that a
            champion of last year is judged on customers that it did not see either.
    """

    features: pd.DataFrame
    labels: Any
    is_holdout: Any


def read_training_set(contract: Contract, store: Store, key: str) -> Labelled:
    """Read a training set back from the store."""
    import pandas as pd
    import pyarrow.parquet as pq

    if contract.label is None:
        raise UsageError(f"{contract.source} has no column with the role label", wanted="one, to train on")
    with tempfile.TemporaryDirectory(prefix="training-") as scratch:
        table = pq.read_table(store.fetch(key, Path(scratch)))
    columns = {name: table.column(name).to_pandas().to_numpy() for name in table.column_names}
    ids = pd.util.hash_array(columns[contract.id.name])
    return Labelled(
        features=pd.DataFrame(derive_features(contract, columns)),
        labels=columns[contract.label.name].astype("int64"),
        is_holdout=ids % _HOLDOUT_ONE_IN == 0,
    )


def code_identity(folder: Path) -> str:
    """
    Say which code a flow is: a hash over the sources and settings in its folder.

    Only what decides a result is in it: no path, no commit, no time, so the same code is the same on every machine.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".toml") and path.is_file():
            body = path.read_bytes()
            name = path.relative_to(folder).as_posix()
            digest.update(f"{name}\0{len(body)}\0".encode() + body)
    return f"sha256:{digest.hexdigest()[:16]}"
