"""The snapshot: one canonical file per input, whatever it came as, stored once under its own hash."""

import datetime
import hashlib
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest

from platform_cli.errors import ContractBroken
from platform_cli.scoring.generate import generate_batches, generate_customers
from platform_cli.scoring.snapshot import take_snapshot

DAY = datetime.date(2026, 11, 22)


def stored(place, snapshot, tmp_path):
    return pq.read_table(place.store.fetch(snapshot.input.key, tmp_path))


def test_a_snapshot_lies_under_the_hash_of_its_bytes(place, contract, customers, tmp_path):
    snapshot = take_snapshot(place, contract, customers())
    body = place.store.read(snapshot.input.key)
    assert hashlib.sha256(body).hexdigest() == snapshot.input.sha256
    assert snapshot.input.key == f"local/riskiness-score/inputs/{snapshot.input.sha256}.parquet"
    assert snapshot.bytes == len(body)


def test_it_holds_every_column_but_the_label(place, contract, customers, clean_table, tmp_path):
    table = stored(place, take_snapshot(place, contract, customers()), tmp_path)
    assert table.schema.names == [name for name in clean_table.schema.names if name != "default_next_month"]
    assert table.equals(clean_table.drop_columns(["default_next_month"]))


def test_csv_parquet_and_another_order_of_rows_give_the_same_hash(place, contract, clean_table, tmp_path):
    shuffled = clean_table.take(np.random.default_rng(3).permutation(clean_table.num_rows))
    pq.write_table(clean_table, tmp_path / "plain.parquet", compression="gzip", row_group_size=300)
    pq.write_table(shuffled, tmp_path / "shuffled.parquet")
    arrow_csv.write_csv(clean_table, tmp_path / "plain.csv")
    arrow_csv.write_csv(shuffled, tmp_path / "shuffled.csv")
    names = ["plain.parquet", "shuffled.parquet", "plain.csv", "shuffled.csv"]
    snapshots = [take_snapshot(place, contract, str(tmp_path / name)) for name in names]
    assert len({snapshot.input for snapshot in snapshots}) == 1
    assert len(place.store.list("")) == 1


def test_one_changed_value_gives_another_hash(place, contract, customers):
    def change(columns):
        values = columns["bill_amount_1m"].to_pylist()
        values[77] += 1
        return {**columns, "bill_amount_1m": pa.array(values)}

    first = take_snapshot(place, contract, customers())
    assert take_snapshot(place, contract, customers(change)).input.sha256 != first.input.sha256


def test_a_file_that_is_canonical_already_is_stored_byte_for_byte(place, contract, tmp_path):
    path = tmp_path / "customers.parquet"
    generate_customers(contract, path, rows=70_000, seed=2, day=DAY, labelled=False)
    snapshot = take_snapshot(place, contract, str(path))
    assert place.store.read(snapshot.input.key) == path.read_bytes()


def test_a_file_cut_in_odd_row_groups_is_written_again_in_blocks(place, contract, tmp_path):
    path = tmp_path / "customers.parquet"
    table = pa.Table.from_batches(generate_batches(contract, rows=140_000, seed=2, day=DAY))
    pq.write_table(table, path, row_group_size=50_000)
    snapshot = take_snapshot(place, contract, str(path))
    metadata = pq.ParquetFile(place.store.fetch(snapshot.input.key, tmp_path)).metadata
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [65_536, 65_536, 8_928]


def test_rows_end_up_in_the_order_of_ids(place, contract, clean_table, tmp_path):
    path = tmp_path / "shuffled.parquet"
    pq.write_table(clean_table.take(np.random.default_rng(4).permutation(2_000)), path)
    table = stored(place, take_snapshot(place, contract, str(path)), tmp_path)
    assert table["customer_id"].to_pylist() == list(range(1, 2_001))
    assert table["bill_amount_1m"].equals(clean_table["bill_amount_1m"])


def test_the_digest_of_ids_is_that_of_their_bytes_in_blocks(place, contract, tmp_path):
    path = tmp_path / "customers.parquet"
    generate_customers(contract, path, rows=70_000, seed=2, day=DAY)
    snapshot = take_snapshot(place, contract, str(path))
    ids = [number.to_bytes(8, "little") for number in range(1, 70_001)]
    blocks = [b"".join(ids[:65_536]), b"".join(ids[65_536:])]
    assert snapshot.input.id_blocks == tuple(hashlib.sha256(block).hexdigest() for block in blocks)


def test_a_sorted_file_loads_no_database_to_sort_it(contract, tmp_path, customers):
    code = (
        "import sys\nfrom platform_cli.names import Channel\nfrom platform_cli.scoring.contract import load_contract\n"
        "from platform_cli.scoring.snapshot import Place, take_snapshot\nfrom platform_cli.store import open_store\n"
        f"place = Place(store=open_store({str(tmp_path / 'other')!r}), channel=Channel('local'), flow='f')\n"
        f"take_snapshot(place, load_contract({contract.source!r}), {customers()!r})\n"
        "assert 'duckdb' not in sys.modules and 'pandas' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_a_hundred_clean_days_are_never_refused(place, contract, tmp_path):
    hashes = set()
    for number in range(100):
        path = tmp_path / "customers.parquet"
        day = DAY + datetime.timedelta(days=number)
        generate_customers(contract, path, rows=60 + 150 * number, seed=11, day=day, labelled=False)
        hashes.add(take_snapshot(place, contract, str(path)).input.sha256)
    assert len(hashes) == 100


@pytest.mark.parametrize(
    ("row", "customer"),
    [
        pytest.param(65_536, 65_536, id="on either side of a block's end"),
        pytest.param(65_590, 3, id="in another block, out of order"),
    ],
)
def test_an_id_that_comes_twice_is_seen_across_blocks(place, contract, tmp_path, row, customer):
    table = pa.Table.from_batches(generate_batches(contract, rows=65_600, seed=2, day=DAY))
    ids = table["customer_id"].to_pylist()
    ids[row] = customer
    pq.write_table(table.set_column(0, "customer_id", pa.array(ids)), tmp_path / "twice.parquet")
    with pytest.raises(ContractBroken, match='"customer_id": 1 of 65,600 values repeat the id of another row'):
        take_snapshot(place, contract, str(tmp_path / "twice.parquet"))


def test_blocks_that_come_in_the_wrong_order_are_sorted(place, contract, tmp_path):
    table = pa.Table.from_batches(generate_batches(contract, rows=70_000, seed=2, day=DAY))
    pq.write_table(pa.concat_tables([table.slice(65_536), table.slice(0, 65_536)]), tmp_path / "turned.parquet")
    pq.write_table(table, tmp_path / "straight.parquet")
    turned, straight = (take_snapshot(place, contract, str(tmp_path / f"{n}.parquet")) for n in ("turned", "straight"))
    assert turned.input == straight.input
