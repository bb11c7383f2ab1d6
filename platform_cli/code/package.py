"""
Files -> one content-addressed archive, and back in the pod.

In: chosen files of a working copy. Out: a tar whose sha256 is its name; the same sources give the same bytes on any
day, for any user. Who packed it, when, and from which commit are labels beside it, never inside.

The archive is not compressed: the hash is then checked over what is unpacked, before anything is parsed, and no small
file can grow into a large one.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from platform_cli.errors import CodeRefused
from platform_cli.units import Memory

# More than any folder of code; an archive of a million empty files is refused without unpacking it.
MOST_FILES = 20_000
LARGEST = Memory.parse("256Mi")


@dataclass(frozen=True, kw_only=True)
class Package:
    """A flow's code as it travels. `body` is the archive, `sha256` its hash in hexadecimal."""

    sha256: str
    body: bytes
    files: tuple[PurePosixPath, ...]

    @property
    def name(self) -> str:
        """What the archive is called in a store."""
        return f"{self.sha256}.tar"


def pack(root: Path, files: tuple[PurePosixPath, ...]) -> Package:
    """Put files into an archive with fixed times, owners and modes; `files` are relative to `root` and sorted."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in files:
            content = (root / path).read_bytes()
            member = tarfile.TarInfo(str(path))
            member.size, member.mode, member.mtime = len(content), 0o644, 0
            archive.addfile(member, io.BytesIO(content))
    body = buffer.getvalue()
    return Package(sha256=hashlib.sha256(body).hexdigest(), body=body, files=files)


def unpack(body: bytes, sha256: str, folder: Path) -> None:
    """
    Write a package's files below an empty or absent folder.

    Args:
        sha256: what the caller was told to run; nothing is looked at unless the archive has this hash.
    Raises:
        CodeRefused: another hash, or a member that is not a plain file inside the folder. Nothing retries this.
    """
    found = hashlib.sha256(body).hexdigest()
    if found != sha256:
        raise CodeRefused(f"the code package has the hash {found}", wanted=sha256, fix="Submit the flow again.")
    try:
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:") as archive:
            members = _checked(archive)
            folder.mkdir(parents=True, exist_ok=True)
            for member in members:
                _write(archive, member, folder)
    except tarfile.TarError as error:
        raise CodeRefused(f"the code package {sha256} is not an archive: {error}") from error
    except FileExistsError as error:
        raise CodeRefused(f"the code package {sha256} would overwrite {error.filename}") from error


def _checked(archive: tarfile.TarFile) -> list[tarfile.TarInfo]:
    """All members, none of which can leave the folder, be something else than a file, or fill the disk."""
    members: list[tarfile.TarInfo] = []
    total = 0
    for member in archive:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or not path.parts or "\\" in member.name or "\0" in member.name:
            raise CodeRefused(f"the code package holds the path {member.name!r}", wanted="paths inside its folder")
        if not member.isreg() or member.issparse():
            raise CodeRefused(f"the code package holds {member.name!r}, which is not a plain file")
        total += member.size
        members.append(member)
        if len(members) > MOST_FILES or total > LARGEST.bytes:
            raise CodeRefused(
                f"the code package holds more than {len(members) - 1} files or {LARGEST}",
                wanted=f"at most {MOST_FILES} files and {LARGEST}",
            )
    return members


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    source = archive.extractfile(member)
    if source is None:
        raise CodeRefused(f"the code package holds {member.name!r}, which is not a plain file")
    target = folder / member.name
    target.parent.mkdir(parents=True, exist_ok=True)
    # O_EXCL: a second member of the same name, or a file that was there, is never overwritten.
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(handle, "wb") as file:
        file.write(source.read())
