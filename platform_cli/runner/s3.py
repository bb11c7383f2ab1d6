"""
Metaflow's S3 datastore inside this process.

In: nothing. Out: Metaflow's own storage class, which reads with threads where it would start a pool of processes.

Metaflow hands more than ten objects to a helper with a process per worker: over a second of CPU for every step, whose
two dozen artifacts are a few hundred bytes each. Very wide joins still get the helper, which is faster there.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

THREADS = 8
# Metaflow's own border between "one after the other" and "with helpers".
FEW = 10
# Above this, a helper's start is small against the transfers: a join of about 55 tasks.
MANY = 1000


@cache
def keep_s3_in_process() -> None:
    """Change Metaflow's class; once per process."""
    from metaflow.datastore.datastore_storage import CloseAfterUse
    from metaflow.metaflow_config import ARTIFACT_LOCALROOT
    from metaflow.plugins.datastores.s3_storage import S3Storage
    from metaflow.plugins.datatools.s3.s3 import S3, S3Client

    save_bytes, load_bytes, is_file = S3Storage.save_bytes, S3Storage.load_bytes, S3Storage.is_file
    # Each client of its own would read botocore's model of S3 again, 0.1 s each; a client serves all threads.
    client = S3Client()

    def initialise(self: Any, root: str | None = None) -> None:
        super(S3Storage, self).__init__(root)
        self.s3_client = client

    def save(self: Any, items: Iterable[Any], overwrite: bool = False, len_hint: int = 0) -> None:
        # One after the other also keeps one artifact in memory at a time.
        save_bytes(self, items, overwrite, len_hint if len_hint > MANY else 0)

    def load(self: Any, paths: list[str]) -> Any:
        if not FEW < len(paths) <= MANY:
            return load_bytes(self, paths)
        s3 = S3(s3root=self.datastore_root, tmproot=ARTIFACT_LOCALROOT, external_client=client)

        def one(path: str) -> tuple[str, str | None, dict[str, str] | None]:
            found = s3.get(path, return_missing=True, return_info=True)
            return (found.key, found.path, found.metadata) if found.exists else (found.key, None, None)

        with ThreadPoolExecutor(THREADS) as pool:
            return CloseAfterUse(iter(list(pool.map(one, paths))), closer=s3)

    def exist(self: Any, paths: list[str]) -> list[bool]:
        if not FEW < len(paths) <= MANY:
            answers: list[bool] = is_file(self, paths)
            return answers
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(lambda path: bool(is_file(self, [path])[0]), paths))

    S3Storage.__init__, S3Storage.save_bytes = initialise, save
    S3Storage.load_bytes, S3Storage.is_file = load, exist
