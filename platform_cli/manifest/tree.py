"""
The tree of an environment: which files it should hold, and what is different in a folder.

In: rendered texts by file name, and those that lie there. Out: what is missing, stale and left over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_RENDERED = "# Rendered from "


@dataclass(frozen=True, kw_only=True)
class Drift:
    """File names, sorted, relative to the folder."""

    missing: tuple[str, ...]
    stale: tuple[str, ...]
    left_over: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.stale or self.left_over)

    def lines(self) -> list[str]:
        """One line per file."""
        named = (("missing", self.missing), ("stale", self.stale), ("left over", self.left_over))
        return [f"{word}: {name}" for word, names in named for name in names]


def drift(wanted: Mapping[str, str], found: Mapping[str, str], *, whole: bool) -> Drift:
    """
    Compare what should lie in a folder with what does.

    Args:
        whole: `wanted` is the whole tree, so a rendered file beyond it is left over; others are none of our business.
    """
    return Drift(
        missing=tuple(sorted(name for name in wanted if name not in found)),
        stale=tuple(sorted(name for name in wanted if name in found and found[name] != wanted[name])),
        left_over=tuple(
            sorted(name for name, text in found.items() if name not in wanted and text.startswith(_RENDERED))
        )
        if whole
        else (),
    )
