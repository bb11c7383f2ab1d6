"""
Read what is pinned: the families of Go tools beside this file.

In: a folder of families, each with go.mod, go.sum and, where a build needs more than that, build.toml.
Out: families with their tools, flags and the key of the cache folder that their binaries live in.

A family is one Go module, because its tools come from one place and move together. The key is made from everything that
decides what the binaries are, so a changed pin is another folder and an old binary is never mistaken for a new one.
It refuses to know how a build is run.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TOOLS = Path(__file__).resolve().parent

# One compiler for all tools on every machine; the go command fetches it from the module proxy, checked against the
# checksum database, where the one at hand is another. Prometheus wants 1.26.7 at least.
TOOLCHAIN = "go1.26.8"
FLAGS = ("-trimpath", "-buildvcs=false")
SETTINGS = {"tags", "ldflags", "share", "copy", "write"}


@dataclass(frozen=True, kw_only=True)
class Family:
    """One Go module and the programs that are built from it."""

    folder: Path
    tools: dict[str, str]
    """A tool's name and its package, in the order of go.mod."""
    module: str
    """The upstream module that provides the tools; empty where the source is in the folder."""
    version: str
    """That module's version, with its `v`."""
    requirements: dict[str, str]
    """Every module that go.mod requires, and its version."""
    key: str
    tags: tuple[str, ...] = ()
    ldflags: tuple[str, ...] = ()
    share: tuple[str, ...] = ()
    """Folders of the module that are wanted beside the binaries."""
    copies: dict[str, str] = field(default_factory=dict)
    """Files that the published module lacks, and which of its files each one equals. They make the build use a copy."""
    writes: dict[str, str] = field(default_factory=dict)
    """The same for files that need some content of their own."""

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.name

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags of `go build`, with the versions filled in."""
        major, minor, *_ = [*self.version.removeprefix("v").split("."), ""]
        linker = " ".join(["-s", "-w", *self.ldflags]).format(version=self.version, major=major, minor=minor)
        return (*FLAGS, *([f"-tags={','.join(self.tags)}"] if self.tags else []), f"-ldflags={linker}")


def read_families(folder: Path = TOOLS) -> dict[str, Family]:
    """Return every family below the folder by its name."""
    return {path.parent.name: read_family(path.parent) for path in sorted(folder.glob("*/go.mod"))}


def read_family(folder: Path) -> Family:
    """
    Read one family.

    Raises:
        SystemExit: go.mod names no tool, or build.toml has a word that means nothing here.
    """
    text = (folder / "go.mod").read_text()
    packages = _directive(text, "tool")
    if not packages:
        raise SystemExit(f"{folder / 'go.mod'} has no line `tool <package>`")
    requirements = dict(entry.split() for entry in _directive(text, "require"))
    module = _provider(packages[0], requirements)
    settings = _settings(folder / "build.toml")
    return Family(
        folder=folder,
        tools={_program(package): package for package in packages},
        module=module,
        version=requirements.get(module, ""),
        requirements=requirements,
        key=_key(folder),
        tags=tuple(settings.get("tags", ())),
        ldflags=tuple(settings.get("ldflags", ())),
        share=tuple(settings.get("share", ())),
        copies=settings.get("copy", {}),
        writes=settings.get("write", {}),
    )


def tools_of(families: dict[str, Family]) -> dict[str, Family]:
    """Return which family each tool belongs to."""
    owners: dict[str, Family] = {}
    for family in families.values():
        for tool in family.tools:
            if tool in owners:
                raise SystemExit(f"tool {tool!r} is in two families: {owners[tool].name} and {family.name}")
            owners[tool] = family
    return owners


def key_of(*parts: str | bytes) -> str:
    """Return a short name for these contents and no others."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(str(len(raw)).encode() + b":" + raw)
    return digest.hexdigest()[:16]


def _key(folder: Path) -> str:
    sources = [path for path in folder.rglob("*") if path.suffix in (".mod", ".sum", ".toml", ".go")]
    parts: list[str | bytes] = [TOOLCHAIN, *FLAGS]
    for path in sorted(sources):
        parts += [path.relative_to(folder).as_posix(), path.read_bytes()]
    return key_of(*parts)


def _settings(file: Path) -> dict[str, Any]:
    settings = tomllib.loads(file.read_text()) if file.exists() else {}
    if unknown := settings.keys() - SETTINGS:
        raise SystemExit(f"{file}: got {', '.join(sorted(unknown))}; wanted some of {', '.join(sorted(SETTINGS))}")
    return settings


def _directive(text: str, word: str) -> list[str]:
    """Return what go.mod says after a word, on lines of its own and in blocks, without comments."""
    found: list[str] = []
    block = False
    for line in text.splitlines():
        bare = line.split("//")[0].strip()
        if block:
            block = bare != ")"
            found += [bare] if block and bare else []
        elif bare == f"{word} (":
            block = True
        elif bare.startswith(f"{word} "):
            found.append(bare.removeprefix(f"{word} ").strip())
    return found


def _provider(package: str, requirements: dict[str, str]) -> str:
    """Return the required module whose path leads to the package; the longest wins, as in Go."""
    return max((module for module in requirements if f"{package}/".startswith(f"{module}/")), key=len, default="")


def _program(package: str) -> str:
    """Return the name that `go build` gives a package's program."""
    parts = package.split("/")
    return parts[-2] if re.fullmatch(r"v\d+", parts[-1]) and len(parts) > 1 else parts[-1]
