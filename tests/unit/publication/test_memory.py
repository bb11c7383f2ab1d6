"""Ten million rows are published with the memory of one million."""

import subprocess
import sys
from pathlib import Path

import pytest

from platform_cli.store import open_store

from .builder import ids_of, work

ROOT = Path(__file__).resolve().parents[3]
MILLION = 16 * 65_536

EXAMINE = """
import pathlib, resource, sys
from platform_cli.publication import examine, read_day
from platform_cli.store import open_store
from tests.unit.publication.builder import DAY
store = open_store(sys.argv[1])
assert examine(store, DAY, read_day(store, DAY).draft).rows == int(sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_of_the_gates(folder: Path, millions: int) -> int:
    rows = millions * MILLION
    store = open_store(str(folder / f"store-{millions}"))
    work(store, folder, ids=ids_of(rows), cut=tuple(range(MILLION, rows, MILLION))).publish()
    command = [sys.executable, "-c", EXAMINE, store.url, str(rows)]
    return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


@pytest.mark.slow
def test_the_gates_need_no_more_memory_for_ten_million_rows_than_for_one(tmp_path: Path) -> None:
    assert peak_of_the_gates(tmp_path, 10) <= 1.15 * peak_of_the_gates(tmp_path, 1)
