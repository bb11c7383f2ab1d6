"""Gates look at what lies in the store: each says no to its own kind of wrong, and then nothing is published."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from platform_cli.errors import ContractBroken, Damaged, PlatformError
from platform_cli.publication import ScoreBounds, file_sha256, list_days, part_name
from platform_cli.store import Store, open_store

from .builder import DAY, ids_of, put_part, scores_of, work

BLOCK = 65_536


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "scores"))


def with_column(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def probability(first: float) -> pa.Table:
    table = scores_of(ids_of(10))
    values = np.array([first, *table["probability"].to_pylist()[1:]], dtype="f4")
    return with_column(table, "probability", pa.array(values))


def with_ids(*changed: int) -> pa.Table:
    table = scores_of(ids_of(10))
    return with_column(table, "customer", pa.array([*changed, *table["customer"].to_pylist()[len(changed) :]]))


WRONG = {
    "NaN": (probability(float("nan")), "probability has 1 rows outside"),
    "infinity": (probability(float("inf")), "probability has 1 rows outside"),
    "above one": (probability(1.0000001), "probability has 1 rows outside"),
    "below zero": (probability(-0.1), "probability has 1 rows outside"),
    "a row less": (scores_of(ids_of(10)).slice(0, 9), "9 rows were scored; wanted 10, as the input has"),
    "a row more": (scores_of(ids_of(11)), "11 rows were scored; wanted 10"),
    "another id": (with_ids(999), "the scored ids differ from the input's in 1 blocks"),
    "an id twice": (with_ids(1007), "not sorted by customer, or hold one twice"),
    "ids in another order": (with_ids(1007, 1000), "not sorted by customer"),
    "another model": (scores_of(ids_of(10), version="4"), "model_version holds '4'; wanted '3'"),
    "another run": (scores_of(ids_of(10), run="run-0"), "run holds 'run-0'; wanted 'run-1'"),
    "a column more": (scores_of(ids_of(10)).append_column("x", pa.array([0] * 10)), "has the columns customer"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_scores_are_refused_and_the_day_stays_unpublished(store: Store, tmp_path: Path, kind: str) -> None:
    scores, message = WRONG[kind]
    with pytest.raises(ContractBroken, match=message):
        work(store, tmp_path, ids=ids_of(10), scores=scores).publish()
    assert list_days(store, DAY.channel, DAY.flow) == ()


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        (ScoreBounds(max_mean=0.3), r"the mean of the scores is 0.5\d+; wanted 0.0000 to 0.3000"),
        (ScoreBounds(min_mean=0.7), r"the mean of the scores is 0.5\d+; wanted 0.7000 to 1.0000"),
        (ScoreBounds(max_deviation=0.1), r"the standard deviation of the scores is 0.2\d+"),
        (ScoreBounds(min_deviation=0.4), r"the standard deviation of the scores is 0.2\d+"),
    ],
    ids=["high", "low", "wide", "narrow"],
)
def test_a_distribution_outside_its_bounds_is_refused(
    store: Store, tmp_path: Path, bounds: ScoreBounds, message: str
) -> None:
    with pytest.raises(ContractBroken, match=message):
        work(store, tmp_path).changed(bounds=bounds).publish()


def test_parts_are_cut_at_whole_blocks(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ContractBroken, match=r"part-00000\.parquet has 100 rows; wanted a multiple of 65,536"):
        work(store, tmp_path, cut=(100,)).publish()


def test_parts_in_another_order_are_refused(store: Store, tmp_path: Path) -> None:
    ready = work(store, tmp_path, ids=ids_of(2 * BLOCK), cut=(BLOCK,))
    with pytest.raises(ContractBroken, match=r"part-00000\.parquet begins with less"):
        ready.changed(parts=ready.draft.parts[::-1]).publish()


def tamper(store: Store, name: str, change: Any) -> None:
    path = Path(store.url) / DAY.key(name)
    path.write_bytes(change(path.read_bytes()))


def test_a_part_with_other_bytes_than_were_written_is_refused(store: Store, tmp_path: Path) -> None:
    """A note in the file's footer: every row is as it was, only the hash can tell."""
    ready = work(store, tmp_path)
    tamper(store, "parts/attempt-1/part-00000.parquet", lambda body: body.replace(b"parquet-cpp", b"parquet-cpq"))
    with pytest.raises(Damaged, match=r"part-00000\.parquet has the hash"):
        ready.publish()


def test_half_a_part_is_refused(store: Store, tmp_path: Path) -> None:
    ready = work(store, tmp_path)
    tamper(store, "parts/attempt-1/part-00000.parquet", lambda body: body[: len(body) // 2])
    half = file_sha256(Path(store.url) / DAY.key("parts/attempt-1/part-00000.parquet"))
    parts = (replace(ready.draft.parts[0], sha256=half),)
    with pytest.raises(Damaged, match="is not a whole Parquet file"):
        ready.changed(parts=parts).publish()


def test_a_part_that_holds_other_rows_than_were_scored_is_refused(store: Store, tmp_path: Path) -> None:
    """The run's own digest of what it computed, not of what it wrote, is the judge."""
    ready = work(store, tmp_path, ids=ids_of(10))
    other = put_part(store, tmp_path, probability(0.123), part_name("attempt-2", 0))
    lie = replace(other, blocks=ready.draft.parts[0].blocks)
    with pytest.raises(Damaged, match="holds other rows than the run scored"):
        ready.changed(parts=(lie,)).publish()


def test_a_part_that_is_gone_is_an_error(store: Store, tmp_path: Path) -> None:
    ready = work(store, tmp_path)
    (Path(store.url) / DAY.key("parts/attempt-1/part-00000.parquet")).unlink()
    with pytest.raises(PlatformError, match="does not exist"):
        ready.publish()


def test_a_probability_of_another_type_is_refused(store: Store, tmp_path: Path) -> None:
    table = scores_of(ids_of(10))
    table = with_column(table, "probability", table["probability"].cast(pa.float64()))
    with pytest.raises(ContractBroken, match="column probability is double; wanted float"):
        work(store, tmp_path, ids=ids_of(10), scores=table).publish()


def test_a_part_name_that_is_taken_by_other_bytes_is_never_overwritten(store: Store, tmp_path: Path) -> None:
    put_part(store, tmp_path, scores_of(ids_of(10)), part_name("attempt-1", 0))
    with pytest.raises(Damaged, match="exists with other bytes"):
        put_part(store, tmp_path, scores_of(ids_of(11)), part_name("attempt-1", 0))


def test_a_part_without_rows_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="has no rows; wanted at least one"):
        put_part(store, tmp_path, scores_of(ids_of(0)), part_name("attempt-1", 0))


def test_texts_as_ids_are_published_like_numbers(store: Store, tmp_path: Path) -> None:
    ids = pa.array([f"c-{number:05d}" for number in range(1000)])
    assert work(store, tmp_path, ids=ids).publish().number == 1


def test_a_published_part_is_plain_parquet(store: Store, tmp_path: Path) -> None:
    work(store, tmp_path).publish()
    table = pq.read_table(Path(store.url) / DAY.key("parts/attempt-1/part-00000.parquet"), partitioning=None)
    assert table.column_names == ["customer", "probability", "risk_band", "model_version", "run"]
