"""The digest of rows: written out by hand here, and the same for every way to cut the rows."""

import hashlib
import struct

import numpy as np
import pyarrow as pa
import pytest

from platform_cli.errors import ContractBroken
from platform_cli.publication import BLOCK_ROWS, IdDigest, RowDigest

BANDS = ("low", "medium", "high")


def rows(ids: pa.Array, probability: list[float], band: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {"id": ids, "probability": pa.array(probability, pa.float32()), "risk_band": pa.array(band).dictionary_encode()}
    )


def digest_of(*batches: pa.RecordBatch) -> tuple[str, ...]:
    digest = RowDigest("id", BANDS)
    for batch in batches:
        digest.update(batch)
    return digest.blocks()


def by_hand(*pieces: bytes) -> str:
    return hashlib.sha256(b"".join(pieces)).hexdigest()


def test_a_row_with_a_number_as_id_is_thirteen_bytes() -> None:
    batch = rows(pa.array([1, -2]), [0.25, 0.5], ["high", "low"])
    expected = by_hand(struct.pack("<qfB", 1, 0.25, 2), struct.pack("<qfB", -2, 0.5, 0))
    assert digest_of(batch) == (expected,)


def test_a_row_with_a_text_as_id_says_its_length_first() -> None:
    """Without the length `a|bc` and `ab|c` would be the same bytes."""
    batch = rows(pa.array(["a", "", "löwe"]), [0.0, 1.0, 0.5], ["low", "medium", "high"])
    expected = by_hand(
        struct.pack("<I", 1) + b"a" + struct.pack("<fB", 0.0, 0),
        struct.pack("<I", 0) + struct.pack("<fB", 1.0, 1),
        struct.pack("<I", 5) + "löwe".encode() + struct.pack("<fB", 0.5, 2),
    )
    assert digest_of(batch) == (expected,)


def test_the_ids_alone_have_a_digest_of_the_same_form() -> None:
    digest = IdDigest("id")
    digest.update(pa.RecordBatch.from_pydict({"id": pa.array([1, 2]), "x": pa.array([0, 0])}))
    assert digest.blocks() == (by_hand(struct.pack("<qq", 1, 2)),)
    assert (digest.rows, digest.first_id, digest.last_id) == (2, 1, 2)


@pytest.mark.parametrize("kind", [pa.int64(), pa.string()], ids=["numbers", "texts"])
@pytest.mark.parametrize("step", [1_000, 65_536, 70_001])
def test_the_digest_does_not_depend_on_the_size_of_batches(kind: pa.DataType, step: int) -> None:
    count = 2 * BLOCK_ROWS + 10
    ids = pa.array(np.arange(count)).cast(kind)
    batch = pa.RecordBatch.from_pydict(
        {
            "id": ids,
            "probability": np.linspace(0, 1, count, dtype="f4"),
            "risk_band": pa.array(np.resize(BANDS, count)).dictionary_encode(),
        }
    )
    whole = digest_of(batch)
    assert len(whole) == 3
    assert digest_of(*(batch.slice(start, step) for start in range(0, count, step))) == whole


def test_parts_that_begin_at_whole_blocks_have_the_digests_of_the_whole_day() -> None:
    batch = rows(pa.array(np.arange(BLOCK_ROWS + 5)), [0.5] * (BLOCK_ROWS + 5), ["low"] * (BLOCK_ROWS + 5))
    halves = digest_of(batch.slice(0, BLOCK_ROWS)) + digest_of(batch.slice(BLOCK_ROWS))
    assert digest_of(batch) == halves


def test_the_order_of_a_columns_own_dictionary_does_not_matter() -> None:
    one = rows(pa.array([1, 2]), [0.1, 0.9], ["low", "high"])
    other = one.set_column(
        2, "risk_band", pa.DictionaryArray.from_arrays(pa.array([1, 0]), pa.array(["high", "low", "unused"]))
    )
    assert digest_of(one) == digest_of(other)


@pytest.mark.parametrize("change", ["id", "probability", "risk_band"])
def test_every_column_counts(change: str) -> None:
    values = {"id": pa.array([1]), "probability": [0.5], "risk_band": ["low"]}
    others = {"id": pa.array([2]), "probability": [0.50000006], "risk_band": ["high"]}
    one = rows(values["id"], values["probability"], values["risk_band"])
    values[change] = others[change]
    assert digest_of(one) != digest_of(rows(values["id"], values["probability"], values["risk_band"]))


def test_an_unknown_band_is_refused() -> None:
    with pytest.raises(ContractBroken, match="1 rows of another band; wanted one of low, medium, high"):
        digest_of(rows(pa.array([1, 2]), [0.1, 0.2], ["low", "none"]))


def test_a_row_without_an_id_is_refused() -> None:
    with pytest.raises(ContractBroken, match="column id has 1 nulls; wanted an id in every row"):
        digest_of(rows(pa.array([1, None]), [0.1, 0.2], ["low", "low"]))
