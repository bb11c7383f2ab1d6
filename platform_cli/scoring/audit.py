"""
Answer for a published day, long after its run: where a score comes from, and whether everything is still true.

In: a store, a day, the contract, and a way to load the model that a manifest names.
Out: an Explanation of one customer's score, or a Verification of all of them.

Only manifests, parts, snapshots and the registered model are looked at; nothing of the run that made them is needed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_cli.errors import Damaged, NotFound, UsageError
from platform_cli.publication import Day, Manifest, ModelRecord, Part, content_digest, examine, read_day, read_part
from platform_cli.publication.parts import file_sha256
from platform_cli.scoring.arrow import BLOCK_ROWS, import_arrow, numpy_columns
from platform_cli.scoring.contract import ColumnType, Contract
from platform_cli.scoring.features import derive_features
from platform_cli.store import Store

if TYPE_CHECKING:
    from platform_cli.models.form import Form

Loader = Callable[[ModelRecord], "Form"]


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """What one feature adds to the log-odds of a customer."""

    feature: str
    value: float | str | None
    log_odds: float


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """
    One customer's score and everything it rests on.

    Attributes:
        contributions: the largest first, by size; `base` is what a customer without features would have.
    """

    customer: int | str
    probability: float
    risk_band: str
    manifest: int
    part: str
    run: str
    model: ModelRecord
    training_run: str
    training_data: str
    code: str
    input: str
    base: float
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was looked at and found true."""

    day: Day
    manifest: int
    digest: str
    parts: int
    rows: int
    rescored: int


def explain_customer(
    store: Store, day: Day, contract: Contract, load_model: Loader, *, customer: str, top: int = 5
) -> Explanation:
    """
    Trace a published score back to data and code.

    Args:
        customer: the id as text, whatever its type.
        top: number of contributions, the largest ones.
    Raises:
        NotFound: the day is not published, or the customer is not in it.
    """
    import numpy as np

    manifest = read_day(store, day)
    part, row = _find_score(store, manifest, contract, _parse_id(contract, customer))
    form = load_model(manifest.draft.champion)
    wanted = row.column(contract.id.name)[0].as_py()
    features = derive_features(contract, numpy_columns(_find_input(store, manifest, contract, wanted)))
    shares = form.contributions(features)[0]
    order = np.argsort(-np.abs(shares[:-1]), kind="stable")[:top]
    return Explanation(
        customer=wanted,
        probability=row.column("probability")[0].as_py(),
        risk_band=row.column("risk_band")[0].as_py(),
        manifest=manifest.number,
        part=day.key(part.name),
        run=row.column("run")[0].as_py(),
        model=manifest.draft.champion,
        training_run=form.signature.training_run,
        training_data=form.signature.data,
        code=form.signature.code,
        input=manifest.draft.input.key,
        base=float(shares[-1]),
        contributions=tuple(
            Contribution(feature=name, value=_plain(features[name][0]), log_odds=float(shares[position]))
            for position, name in ((int(p), form.features[p]) for p in order)
        ),
    )


def _parse_id(contract: Contract, customer: str) -> int | str:
    if contract.id.type is ColumnType.STRING:
        return customer
    try:
        return int(customer)
    except ValueError as error:
        raise UsageError(f'the customer is "{customer}"', wanted=f"a whole number, as {contract.id.name} is") from error


def _plain(value: Any) -> float | str | None:
    if value is None or isinstance(value, str):
        return value
    return None if value != value else float(value)  # noqa: PLR0124 # NaN, which is a null here


def _find_score(store: Store, manifest: Manifest, contract: Contract, customer: Any) -> tuple[Part, Any]:
    import pyarrow.compute as pc

    import_arrow()
    name = contract.id.name
    for part in manifest.draft.parts:
        if not part.first_id <= customer <= part.last_id:
            continue
        with tempfile.TemporaryDirectory(prefix="explain-") as folder:
            for batch in read_part(store.fetch(manifest.day.key(part.name), Path(folder)), name):
                found = batch.filter(pc.equal(batch.column(name), customer))
                if found.num_rows:
                    return part, found
    raise NotFound(
        f"customer {customer} has no score on {manifest.day.day}", fix="`platform scores show DAY` tells who has one."
    )


def _find_input(store: Store, manifest: Manifest, contract: Contract, customer: Any) -> Any:
    import pyarrow.compute as pc

    for batch in _input_blocks(store, manifest, None):
        found = batch.filter(pc.equal(batch.column(contract.id.name), customer))
        if found.num_rows:
            return found
    raise Damaged(f"{manifest.draft.input.key} does not hold customer {customer}, who has a score")


def _input_blocks(store: Store, manifest: Manifest, blocks: list[int] | None) -> Iterator[Any]:
    import pyarrow.parquet as pq

    with tempfile.TemporaryDirectory(prefix="input-") as folder:
        path = store.fetch(manifest.draft.input.key, Path(folder))
        with pq.ParquetFile(path, pre_buffer=False) as file:
            yield from file.iter_batches(batch_size=BLOCK_ROWS, row_groups=blocks)


def verify_day(
    store: Store, day: Day, contract: Contract, load_model: Loader, *, blocks: tuple[int, ...] = ()
) -> Verification:
    """
    Read a published day again, all of it, and score a sample again.

    Args:
        blocks: which blocks of 65,536 rows are scored again; the first and the last where empty.
    Raises:
        Damaged: snapshot, a part, or the digest is not what the manifest says, or a score is not what the model gives.
        ModelRefused: the model is not the one that made the scores.
    """
    import_arrow()
    manifest = read_day(store, day)
    draft = manifest.draft
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        found = file_sha256(store.fetch(draft.input.key, Path(folder)))
    if found != draft.input.sha256:
        raise Damaged(f"{store.url}/{draft.input.key} has sha256 {found[:12]}", wanted=draft.input.sha256[:12])
    totals = examine(store, day, draft)
    digest = content_digest(day, draft, (block for part in draft.parts for block in part.blocks))
    if (totals, digest) != (manifest.totals, manifest.digest):
        raise Damaged(f"{day}: the rows have digest {digest[:12]}", wanted=f"{manifest.digest[:12]}, as the manifest")
    last = (draft.input.rows - 1) // BLOCK_ROWS
    chosen = sorted({block for block in blocks if block <= last} or {0, last})
    rescored = _score_again(store, manifest, contract, load_model(draft.champion), chosen)
    return Verification(
        day=day,
        manifest=manifest.number,
        digest=digest,
        parts=len(draft.parts),
        rows=totals.rows,
        rescored=rescored,
    )


def _score_again(store: Store, manifest: Manifest, contract: Contract, form: Form, blocks: list[int]) -> int:
    import numpy as np

    rows = 0
    inputs = zip(blocks, _input_blocks(store, manifest, blocks), strict=True)
    for block, batch in inputs:
        fresh = form.predict(derive_features(contract, numpy_columns(batch)))
        published = _published_block(store, manifest, contract, block)
        differs = int(np.count_nonzero(fresh != published))
        if differs:
            model = manifest.draft.champion
            raise Damaged(
                f"{manifest.day}: {differs:,} of {len(fresh):,} scores differ in block {block}",
                wanted=f"what model {model.name} version {model.version} gives",
            )
        rows += len(fresh)
    return rows


def _published_block(store: Store, manifest: Manifest, contract: Contract, block: int) -> Any:
    first = 0
    for part in manifest.draft.parts:
        if first <= block * BLOCK_ROWS < first + part.rows:
            with tempfile.TemporaryDirectory(prefix="verify-") as folder:
                path = store.fetch(manifest.day.key(part.name), Path(folder))
                for number, batch in enumerate(read_part(path, contract.id.name)):
                    if first + number * BLOCK_ROWS == block * BLOCK_ROWS:
                        return batch.column("probability").to_numpy(zero_copy_only=False)
        first += part.rows
    raise Damaged(f"{manifest.day}: block {block} is in no part")
