"""The oracle finds what it is there to find: each kind of damage, put into a good store by hand."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.faults import victim
from tests.faults.kills import Arena, folder_arena

DAY = "2020-01-01"


@pytest.fixture
def published(tmp_path: Path) -> Iterator[Arena]:
    """One day, published and good."""
    with folder_arena(tmp_path) as arena:
        arena.rows = 500
        victim.run(arena.job(arena.new_day()))
        assert arena.oracle.judge([DAY]).rows == 500
        yield arena


def place(arena: Arena) -> Path:
    return Path(arena.url) / "local" / victim.FLOW / DAY


def rewrite_manifest(arena: Arena, change: Callable[[dict[str, Any]], object]) -> None:
    path = place(arena) / "manifests" / "000001.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def rewrite_part(arena: Arena, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the rows and hide the traces: hash, size and rows of the part are made to fit."""
    [path] = (place(arena) / "parts").rglob("*.parquet")
    table = change(pq.read_table(path, partitioning=None))
    pq.write_table(table, path)
    body = path.read_bytes()
    traces = {"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body), "rows": len(table)}
    rewrite_manifest(arena, lambda document: document["parts"][0].update(traces))


def a_score_changed(table: pa.Table) -> pa.Table:
    scores = table["probability"].to_pylist()
    return table.set_column(1, "probability", pa.array([scores[0] + 1e-6, *scores[1:]], pa.float32()))


def an_id_changed(table: pa.Table) -> pa.Table:
    return table.set_column(0, "customer", pc.add(table["customer"], 1))


def copy_manifest(arena: Arena, day: str, number: int) -> None:
    folder = place(arena).parent / day / "manifests"
    folder.mkdir(parents=True, exist_ok=True)
    body = (place(arena) / "manifests" / "000001.json").read_bytes()
    (folder / f"{number:06d}.json").write_bytes(body)


def half_a_part(arena: Arena) -> None:
    stray = place(arena) / "parts" / "another-attempt" / "part-00000.parquet"
    stray.parent.mkdir()
    [path] = (place(arena) / "parts").rglob("*.parquet")
    stray.write_bytes(path.read_bytes()[:-20])


DAMAGE: dict[str, tuple[Callable[[Arena], object], str]] = {
    "lost": (lambda arena: (place(arena) / "manifests" / "000001.json").unlink(), "the published days are not"),
    "one too many": (lambda arena: copy_manifest(arena, "2020-01-02", 1), "the published days are not"),
    "doubled": (lambda arena: copy_manifest(arena, DAY, 2), "does not follow the one before it"),
    "gap": (lambda arena: copy_manifest(arena, DAY, 3), "is no chain"),
    "half a part": (half_a_part, "is half a file"),
    "a row less": (lambda arena: rewrite_part(arena, lambda table: table[1:]), "rows do not add up"),
    "another id": (lambda arena: rewrite_part(arena, an_id_changed), "ids are not the input's"),
    "another score": (lambda arena: rewrite_part(arena, a_score_changed), "scores are not the model's"),
    "another sum": (
        lambda arena: rewrite_manifest(arena, lambda document: document["totals"].update(mean=0.5)),
        "sums do not add up",
    ),
    "another digest": (
        lambda arena: rewrite_manifest(arena, lambda document: document.update(digest="0" * 64)),
        "the digest is of other rows",
    ),
    "another model": (
        lambda arena: rewrite_manifest(arena, lambda document: document["models"][0].update(digest="0" * 64)),
        "of a model that is not registered",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_the_oracle_finds(published: Arena, kind: str) -> None:
    damage, message = DAMAGE[kind]
    damage(published)
    with pytest.raises(AssertionError, match=message):
        published.oracle.judge([DAY])
