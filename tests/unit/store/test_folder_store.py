"""A local folder: what happens when the disk or the file system does not play along."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from platform_cli.errors import NotAllowed, PlatformError, StoreFull, StoreUnsafe
from platform_cli.store.folder import FolderStore


def test_a_full_disk_is_reported_and_leaves_nothing_visible(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: the kernel refuses the write in the middle."""
    code = (
        "import resource, signal, sys; from pathlib import Path; from platform_cli.store.folder import FolderStore\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "FolderStore(Path(sys.argv[1])).create('day/part', bytes(3 << 20))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False, cwd=Path.cwd()
    )
    assert done.returncode == 1
    assert f"StoreFull: the disk of {tmp_path} is full" in done.stderr
    assert "while writing day/part" in done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("number", "error", "message"),
    [
        (errno.ENOSPC, StoreFull, "is full"),
        (errno.EDQUOT, StoreFull, "is full"),
        (errno.EROFS, NotAllowed, "cannot write"),
        (errno.EPERM, StoreUnsafe, "refuses hard links"),
        (errno.EIO, PlatformError, "cannot write"),
    ],
    ids=["disk full", "quota", "read-only", "no hard links", "broken disk"],
)
def test_what_the_operating_system_refuses_is_said_in_the_callers_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[PlatformError], message: str
) -> None:
    """Patched, because no test can break a disk; root may write everywhere."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("platform_cli.store.folder.os.link", refuse)
    with pytest.raises(error, match=message) as caught:
        FolderStore(tmp_path).create("day/part", b"x")
    assert type(caught.value) is error
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_key_below_another_keys_object_is_an_error_and_no_refusal(tmp_path: Path) -> None:
    """Else a publication would read "somebody won" out of a broken layout."""
    store = FolderStore(tmp_path)
    store.create("a", b"")
    with pytest.raises(PlatformError, match="cannot write") as caught:
        store.create("a/b", b"")
    assert type(caught.value) is PlatformError


def test_files_of_writers_that_died_are_in_no_list(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.create("a", b"")
    (tmp_path / ".incoming" / "left-behind").write_bytes(b"half")
    assert store.list("") == ["a"]


def test_file_and_folders_are_synced_before_a_create_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patched, because a test cannot cut the power; the order is what makes the promise."""
    synced: list[str] = []
    real = os.fsync

    def note(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real(descriptor)

    monkeypatch.setattr("platform_cli.store.folder.os.fsync", note)
    root = tmp_path / "root"
    FolderStore(root).create("channel/day/part", b"x")
    assert len(synced[0]) == 32
    assert synced[1:] == ["day", "channel", "root", tmp_path.name]


def test_a_files_own_file_is_fetched_without_a_copy(tmp_path: Path) -> None:
    FolderStore(tmp_path / "root").create("a", b"x")
    assert FolderStore(tmp_path / "root").fetch("a", tmp_path) == tmp_path / "root" / "a"
