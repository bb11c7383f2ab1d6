"""
A store in a local folder.

In: a folder, keys, bodies. Out: files that appear whole or not at all, and stay after a power cut.

An object is written to a hidden file of the same folder tree, synced, and given its name by `os.link`, which refuses
a name that exists: rename would overwrite. Then every folder on the way is synced, since another process may have
made it a moment ago and died before it did so. A killed process leaves at most a hidden file behind.
"""

from __future__ import annotations

import builtins
import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from platform_cli.errors import AlreadyExists, NotAllowed, NotFound, PlatformError, StoreFull, StoreUnsafe
from platform_cli.store import probe_by_creating_twice
from platform_cli.store.keys import check_key, check_prefix

INCOMING = ".incoming"
_CHUNK_BYTES = 1 << 20


class FolderStore:
    """Objects as files below one folder, which is made on the first write."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def url(self) -> str:
        """The folder."""
        return str(self._root)

    def create(self, key: str, body: bytes) -> None:
        """Make a file with these bytes, durable on return; AlreadyExists where the key exists."""
        with self._incoming(key) as file:
            file.write(body)

    def create_from_file(self, key: str, path: Path) -> None:
        """Make a file with the bytes of another one, durable on return; AlreadyExists where the key exists."""
        with path.open("rb") as source, self._incoming(key) as file:
            shutil.copyfileobj(source, file, _CHUNK_BYTES)

    def read(self, key: str) -> bytes:
        """Return the object's bytes; NotFound where there is none."""
        return self.fetch(key, self._root).read_bytes()

    def fetch(self, key: str, folder: Path) -> Path:  # noqa: ARG002 # a local file needs no copy
        """Return the object's own file; NotFound where there is none."""
        path = self._root / check_key(key)
        if not path.is_file():
            raise NotFound(f"{path} does not exist")
        return path

    def list(self, prefix: str) -> builtins.list[str]:
        """Return the keys below a folder of keys, sorted."""
        folder = self._root / check_prefix(prefix)
        keys = []
        for path, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            below = Path(path).relative_to(self._root)
            keys += [(below / name).as_posix() for name in files if not name.startswith(".")]
        return sorted(keys)

    def holds(self, prefix: str) -> bool:
        """Whether there is any object below a folder of keys."""
        return bool(self.list(prefix))

    def probe(self, prefix: str = "") -> None:
        """Return only where a second create of one key is refused; StoreUnsafe where files cannot be linked."""
        probe_by_creating_twice(self, check_prefix(prefix))

    @contextmanager
    def _incoming(self, key: str) -> Iterator[BinaryIO]:
        """Yield a hidden file that takes the key's name after the block, unless the block or the disk fails."""
        path = self._root / check_key(key)
        hidden = self._root / INCOMING / uuid.uuid4().hex
        with self._explained(path):
            try:
                hidden.parent.mkdir(parents=True, exist_ok=True)
                with hidden.open("xb") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                path.parent.mkdir(parents=True, exist_ok=True)
                _link(hidden, path)
            finally:
                hidden.unlink(missing_ok=True)
            self._sync_folders(path.parent)

    def _sync_folders(self, folder: Path) -> None:
        while True:
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if folder == self._root.parent:
                return
            folder = folder.parent

    @contextmanager
    def _explained(self, path: Path) -> Iterator[None]:
        """Turn what the operating system says about a write into what the caller can do about it."""
        try:
            yield
        except OSError as error:
            raise _explain(error, path, self._root) from error


def _link(hidden: Path, path: Path) -> None:
    try:
        os.link(hidden, path)
    except FileExistsError as error:
        raise AlreadyExists(f"{path} exists already") from error


def _explain(error: OSError, path: Path, root: Path) -> PlatformError:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return StoreFull(
                f"the disk of {root} is full ({error.strerror}) while writing {path.relative_to(root)}",
                fix="Free some space, then run again; nothing half-written is visible.",
            )
        case errno.EACCES | errno.EROFS:
            return NotAllowed(f"cannot write {path} ({error.strerror})", fix=f"Make {root} writable for this user.")
        case errno.EPERM | errno.ENOTSUP:
            return StoreUnsafe(
                f"the file system of {root} refuses hard links ({error.strerror})",
                wanted="one that has them: without, two runs could publish one day",
                fix="Choose another folder with PLATFORM_SCORES.",
            )
        case _:
            return PlatformError(f"cannot write {path} ({error.strerror})", fix=f"Look at the folder {root}.")
