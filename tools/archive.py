"""
Write container images as files, without a daemon, without a build and always the same.

In: files with their modes, and what the image says about itself. Out: a layer, and an archive as `docker load` and
`ctr images import` read it.

An image of ours is one static program on nothing, or a Debian root file system with one or two files on top. That needs
no Dockerfile; it needs a tar file with no clock in it.
Source: https://github.com/moby/docker-image-spec (v1.2, combined image JSON and file system change sets).
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, kw_only=True)
class Config:
    """What an image says about how it is run."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = ""

    def document(self) -> dict[str, Any]:
        """Return the section as the image format spells it."""
        said = {
            "Env": [f"{name}={value}" for name, value in {"PATH": PATH, **self.environment}.items()],
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.command),
            "User": self.user,
            "StopSignal": self.stop_signal,
        }
        return {key: value for key, value in said.items() if value}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file of a layer: its content, or where that is, and its mode."""

    content: bytes | Path
    mode: int = 0o644


def write_layer(destination: Path, entries: Mapping[str, Entry], empty: Mapping[str, int] | None = None) -> None:
    """
    Write a layer with these files, owned by root, and empty folders of these modes.

    Every folder above a file is an entry of its own: left out, Docker makes it closed to all but root. So a path must
    not lead through a symbolic link of the layer below (/bin, /lib): it would be replaced by a folder.
    """
    folders = {str(parent): 0o755 for path in (*entries, *(empty or {})) for parent in PurePosixPath(path).parents}
    folders |= dict(empty or {})
    folders.pop(".", None)
    with tarfile.open(destination, "w", format=tarfile.PAX_FORMAT) as layer:
        for path, mode in sorted(folders.items()):
            layer.addfile(_header(path, mode, folder=True))
        for path, entry in sorted(entries.items()):
            if isinstance(entry.content, Path):
                with entry.content.open("rb") as source:
                    layer.addfile(_header(path, entry.mode, size=entry.content.stat().st_size), source)
            else:
                layer.addfile(_header(path, entry.mode, size=len(entry.content)), io.BytesIO(entry.content))


def write_image(out: IO[bytes], reference: str, layers: Sequence[Path], config: Config) -> None:
    """Write an archive of one image to a stream, lowest layer first."""
    digests = [_sha256(layer) for layer in layers]
    document = {
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": config.document(),
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "tools/images.py"} for _ in digests],
    }
    said = json.dumps(document, sort_keys=True).encode()
    identity = f"{hashlib.sha256(said).hexdigest()}.json"
    paths = [f"{digest}/layer.tar" for digest in digests]
    manifest = json.dumps([{"Config": identity, "RepoTags": [reference], "Layers": paths}]).encode()
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for name, content in (("manifest.json", manifest), (identity, said)):
            archive.addfile(_header(name, 0o644, size=len(content)), io.BytesIO(content))
        for name, layer in dict(zip(paths, layers, strict=True)).items():
            with layer.open("rb") as source:
                archive.addfile(_header(name, 0o644, size=layer.stat().st_size), source)


def _header(path: str, mode: int, *, size: int = 0, folder: bool = False) -> tarfile.TarInfo:
    header = tarfile.TarInfo(path)
    header.mode, header.size = mode, size
    header.type = tarfile.DIRTYPE if folder else tarfile.REGTYPE
    return header


def _sha256(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
