"""
Bring a run's files into the store: the snapshot under its hash, parts under a name only this attempt uses.

In: local Parquet files and the digests of their rows. Out: records that a draft is made of.

Nothing here is visible to a reader: that takes a manifest. So an unclear answer may be asked again, which the commit
may not: whoever wrote these names wrote these bytes, and the bytes are compared.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from platform_cli.errors import AlreadyExists, Damaged, Unclear
from platform_cli.names import Channel
from platform_cli.publication.digest import IdDigest, RowDigest
from platform_cli.publication.records import Day, InputRecord, Part
from platform_cli.store import Store

_PAUSES = (0.3, 1.0)


def part_name(attempt: str, index: int) -> str:
    """Name a part below its day."""
    return f"parts/{attempt}/part-{index:05d}.parquet"


def add_part(store: Store, day: Day, name: str, path: Path, digest: RowDigest) -> Part:
    """
    Put one file of scores into the store.

    Args:
        name: from `part_name`, with an attempt that no other process ever uses.
        digest: fed with the file's rows.
    """
    sha256 = file_sha256(path)
    _create_surely(store, day.key(name), path, sha256)
    if digest.first_id is None or digest.last_id is None:
        raise Damaged(f"{path} has no rows", wanted="at least one")
    return Part(
        name=name,
        rows=digest.rows,
        sha256=sha256,
        bytes=path.stat().st_size,
        first_id=digest.first_id,
        last_id=digest.last_id,
        blocks=digest.blocks(),
    )


def add_input(store: Store, channel: Channel, flow: str, path: Path, digest: IdDigest) -> InputRecord:
    """
    Put a snapshot into the store, under its own hash: the same snapshot twice is one object.

    Args:
        digest: fed with the snapshot's rows.
    """
    sha256 = file_sha256(path)
    key = f"{channel}/{flow}/inputs/{sha256}.parquet"
    _create_surely(store, key, path, sha256)
    return InputRecord(sha256=sha256, rows=digest.rows, key=key, id_blocks=digest.blocks())


def file_sha256(path: Path) -> str:
    """Hash a file of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetched_sha256(store: Store, key: str) -> str:
    """Hash an object of any size, as it lies in the store."""
    with tempfile.TemporaryDirectory() as folder:
        return file_sha256(store.fetch(key, Path(folder)))


def _create_surely(store: Store, key: str, path: Path, sha256: str) -> None:
    """Create an object that has these bytes on return, also where an answer is lost on the way."""
    _asked_again(lambda: _create_or_compare(store, key, path, sha256))


def _create_or_compare(store: Store, key: str, path: Path, sha256: str) -> None:
    try:
        store.create_from_file(key, path)
    except AlreadyExists as error:
        if fetched_sha256(store, key) != sha256:
            raise Damaged(f"{store.url}/{key} exists with other bytes than {path}") from error


def _asked_again(act: Callable[[], None]) -> None:
    for pause in _PAUSES:
        try:
            return act()
        except Unclear:
            time.sleep(pause)
    return act()
