"""
Objects under keys, on a local folder or on S3: created once, never overwritten, never half-visible.

In: an address (`/some/folder`, `s3://bucket/prefix`). Out: a Store.

The one promise that publication rests on is `create`: of any number of callers with the same key exactly one
succeeds. There is no delete and no overwrite, on purpose: a run cannot destroy what another one published.
Refuses to know what the objects mean.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from platform_cli.errors import AlreadyExists, StoreUnsafe, UsageError

PROBE_NAME = "probe/conditional-create"


class Store(Protocol):
    """A place for objects. Keys are relative, `/`-separated names, see `keys.check_key`."""

    @property
    def url(self) -> str:
        """Where the store is, as a person would write it."""

    def create(self, key: str, body: bytes) -> None:
        """
        Make an object whole and durable, where none was.

        Raises:
            AlreadyExists: the key exists; it keeps what it had.
            Unclear: it was sent, and no answer says whether it exists now.
            StoreFull: no room; nothing is visible.
        """

    def create_from_file(self, key: str, path: Path) -> None:
        """As `create`, with the content of a local file, which is streamed."""

    def read(self, key: str) -> bytes:
        """Return a small object whole; NotFound where there is none."""

    def fetch(self, key: str, folder: Path) -> Path:
        """
        Make an object readable as a local file, which the caller must not change; NotFound where there is none.

        Args:
            folder: an existing folder for a copy, where the store needs one.
        """

    def list(self, prefix: str) -> list[str]:
        """Return all keys below a folder of keys, sorted; the empty prefix means all."""

    def holds(self, prefix: str) -> bool:
        """Whether there is any object below a folder of keys."""

    def probe(self, prefix: str = "") -> None:
        """
        Return only where the store honours conditional creates; StoreUnsafe otherwise.

        Args:
            prefix: a folder of keys that the caller may write; its account may write nowhere else.
        """


def open_store(url: str, *, s3_endpoint: str = "") -> Store:
    """
    Choose the store for an address; nothing is connected to yet.

    Args:
        url: a folder, or `s3://bucket` with an optional `/prefix`.
        s3_endpoint: address of an S3 server other than AWS's.
    """
    if url.startswith("s3://"):
        from platform_cli.store.s3 import S3Store

        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        if not bucket:
            raise UsageError(f'the store is "{url}"', wanted="s3://bucket or s3://bucket/prefix")
        if s3_endpoint and not s3_endpoint.startswith(("http://", "https://")):
            raise UsageError(f'the S3 endpoint is "{s3_endpoint}"', wanted="http://host:port or https://host")
        return S3Store(bucket, prefix.strip("/"), endpoint=s3_endpoint)
    if "://" in url or not url:
        raise UsageError(f'the store is "{url}"', wanted="a folder, or s3://bucket/prefix")
    from platform_cli.store.folder import FolderStore

    return FolderStore(Path(url).absolute())


def probe_by_creating_twice(store: Store, prefix: str) -> None:
    """
    Create one key twice; a store that lets the second through would let two runs publish one day.

    The key stays and is the same for every probe: a refusal of the first create is as good an answer.
    """
    for _ in ("first", "second"):
        try:
            store.create(f"{prefix}/{PROBE_NAME}" if prefix else PROBE_NAME, b"created once\n")
        except AlreadyExists:
            return
    raise StoreUnsafe(
        f"{store.url} overwrote an object that it was asked to create only where absent",
        wanted="a store that honours conditional creates (S3: If-None-Match on PUT)",
        fix="Choose another store with PLATFORM_SCORES, or update this one; nothing was published.",
    )
