"""
A flow's folder and the [code] table of platform.toml -> the files that travel.

In: the root of the working copy, the folder of the flow, the rules. Out: sorted paths relative to the root.
The flow's folder goes in whole, minus documentation, caches and what git ignores; `include` adds what it shares.
The platform's own package is not in it: pods have that from their image.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from platform_cli.code.gitignore import Ignored, matcher
from platform_cli.errors import NotFound, SettingsError, UsageError, did_you_mean
from platform_cli.units import Memory

# Never code: version control, caches, local state, and documentation, whose change must not change a hash.
NEVER = (
    ".git",
    ".gitignore",
    ".metaflow",
    ".platform",
    ".venv",
    "__pycache__",
    "*.pyc",
    ".ipynb_checkpoints",
    "*.md",
    "*.rst",
)
CEILING = Memory.parse("16Mi")


@dataclass(frozen=True, kw_only=True)
class CodeRules:
    """
    The [code] table of platform.toml.

    Attributes:
        include: gitignore patterns, relative to the root, of files outside the flow's folder that travel too.
        exclude: patterns of files that stay behind although they are in the flow's folder or included.
        ceiling: the largest sum of file sizes; a data file in the flow's folder is found here, not in a slow start.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    ceiling: Memory = CEILING


def read_code_rules(file: Path | None) -> CodeRules:
    """
    Read the [code] table of a platform.toml; without a file or a table, the defaults.

    Raises:
        SettingsError: an unknown key or a value of another type.
    """
    if file is None:
        return CodeRules()
    table = tomllib.loads(file.read_text(encoding="utf-8")).get("code", {})
    if not isinstance(table, dict):
        raise SettingsError(f"{file}: code is not a table", wanted="[code] with include, exclude and ceiling")
    for key in table:
        if key not in ("include", "exclude", "ceiling"):
            raise SettingsError(
                f'{file}: code: unknown key "{key}"', fix=did_you_mean(key, ["include", "exclude", "ceiling"])
            )
    return CodeRules(
        include=_patterns(file, "include", table.get("include", [])),
        exclude=_patterns(file, "exclude", table.get("exclude", [])),
        ceiling=Memory.parse(str(table.get("ceiling", CEILING))),
    )


def _patterns(file: Path, key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(pattern, str) and pattern for pattern in value):
        raise SettingsError(f"{file}: code.{key} is {value!r}", wanted="a list of gitignore patterns")
    return tuple(value)


def select_files(root: Path, flow_folder: Path, rules: CodeRules) -> tuple[PurePosixPath, ...]:
    """
    Choose the files that a flow needs in a pod.

    Args:
        root: of the working copy; every path is relative to it, in the package as in the pod.
        flow_folder: where the flow file is; inside `root`.
    Returns:
        Regular files, sorted, so that the same sources give the same package on every file system.
    Raises:
        UsageError: a symbolic link that leaves the tree or stands for a folder, or files beyond the ceiling.
    """
    root = root.resolve()
    flow = PurePosixPath(flow_folder.resolve().relative_to(root))
    included = [matcher(pattern.rstrip("/")) for pattern in rules.include]
    excluded = [matcher(pattern.rstrip("/")) for pattern in (*NEVER, *rules.exclude)]
    start = PurePosixPath() if included else flow
    chosen = sorted(
        path
        for path in _walk(root, start, Ignored(root), excluded)
        if path.is_relative_to(flow) or any(_covers(pattern, path) for pattern in included)
    )
    if not chosen:
        raise NotFound(f"{flow_folder} holds no file that would travel", fix="See [code] in platform.toml.")
    sizes = {path: _size(root, path) for path in chosen}
    if sum(sizes.values()) > rules.ceiling.bytes:
        largest = max(sizes, key=lambda path: sizes[path])
        raise UsageError(
            f"the code of {flow_folder} is {sum(sizes.values()):,} bytes, of which {largest} is {sizes[largest]:,}",
            wanted=f"at most {rules.ceiling}",
            fix="Exclude what is not code under [code] in platform.toml, or raise code.ceiling there.",
        )
    return tuple(chosen)


def _covers(pattern: re.Pattern[str], path: PurePosixPath) -> bool:
    """A pattern that names a folder covers what is below it."""
    return any(pattern.fullmatch(str(part)) for part in (path, *path.parents))


def _walk(
    root: Path, folder: PurePosixPath, ignored: Ignored, excluded: list[re.Pattern[str]]
) -> Iterator[PurePosixPath]:
    for entry in sorted((root / folder).iterdir()):
        path = folder / entry.name
        if any(_covers(pattern, path) for pattern in excluded):
            continue
        is_folder = entry.is_dir() and not entry.is_symlink()
        if ignored(path, is_folder=is_folder):
            continue
        if is_folder:
            yield from _walk(root, path, ignored, excluded)
        elif entry.is_symlink() or entry.is_file():
            yield path


def _size(root: Path, path: PurePosixPath) -> int:
    """The size of a chosen file; a link is followed only to a file of the same tree."""
    file = root / path
    target = file.resolve()
    if file.is_symlink() and not (target.is_relative_to(root) and target.is_file()):
        raise UsageError(
            f"{path} is a symbolic link to {file.readlink()}",
            wanted="files, and links to files inside the working copy",
            fix="Put the file itself there, or exclude the link under [code] in platform.toml.",
        )
    return target.stat().st_size
