"""
.gitignore files -> one predicate.

In: a tree with .gitignore files at any depth.
Out: whether git would ignore a path. Written here because a pod's image and a tarball of sources have no git, and
because a package must not depend on what is staged.

Refuses to know: the user's global excludes and .git/info/exclude; both differ between two people with the same sources.

Source: https://git-scm.com/docs/gitignore#_pattern_format
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One line of a .gitignore, seen from the folder that holds the file."""

    pattern: re.Pattern[str]
    negated: bool
    folders_only: bool


def matcher(pattern: str) -> re.Pattern[str]:
    """Compile a gitignore pattern (without `!` and without a trailing slash) for paths relative to its folder."""
    anchored = "/" in pattern
    pattern = pattern.removeprefix("/")
    text, at = "" if anchored else "(?:.*/)?", 0
    while at < len(pattern):
        piece, at = _next_piece(pattern, at)
        text += piece
    return re.compile(text, re.DOTALL)


def _next_piece(pattern: str, at: int) -> tuple[str, int]:
    """Translate what stands at one position into a regular expression; return it with the position behind it."""
    rest = pattern[at:]
    if rest.startswith("**/") and (at == 0 or pattern[at - 1] == "/"):
        return "(?:.*/)?", at + 3
    if rest == "**" and at > 0 and pattern[at - 1] == "/":
        return ".+", at + 2
    match rest[0]:
        case "*":
            return "[^/]*", at + len(rest) - len(rest.lstrip("*"))
        case "?":
            return "[^/]", at + 1
        case "[":
            end = pattern.find("]", at + 3 if rest[1:2] in ("!", "^") else at + 2)
            if end > 0:
                inside = pattern[at + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
                inside = "^" + inside[1:] if inside[0] in "!^" else inside
                return f"(?!/)[{inside}]", end + 1
        case "\\" if len(rest) > 1:
            return re.escape(rest[1]), at + 2
    return re.escape(rest[0]), at + 1


def read_rules(text: str) -> tuple[Rule, ...]:
    """Read the lines of one .gitignore, in order."""
    rules = []
    for line in text.splitlines():
        # Trailing spaces are ignored unless quoted with a backslash.
        stripped = re.sub(r"(?<!\\) +$", "", line)
        if not stripped or stripped.startswith("#"):
            continue
        negated = stripped.startswith("!")
        stripped = stripped[negated:]
        folders_only = stripped.endswith("/")
        stripped = stripped.rstrip("/")
        if stripped:
            rules.append(Rule(pattern=matcher(stripped), negated=negated, folders_only=folders_only))
    return tuple(rules)


class Ignored:
    """What git would ignore below `root`. A file is not asked again once its folder is ignored, as in git."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._rules: dict[PurePosixPath, tuple[Rule, ...]] = {}

    def __call__(self, path: PurePosixPath, *, is_folder: bool) -> bool:
        """Say whether `path`, relative to the root and not below an ignored folder, is ignored."""
        # The nearest .gitignore decides first, the last matching line of a file wins.
        for folder in path.parents:
            relative = path.relative_to(folder).as_posix()
            for rule in reversed(self._of(folder)):
                if (is_folder or not rule.folders_only) and rule.pattern.fullmatch(relative):
                    return not rule.negated
        return False

    def _of(self, folder: PurePosixPath) -> tuple[Rule, ...]:
        if folder not in self._rules:
            file = self._root / folder / ".gitignore"
            self._rules[folder] = read_rules(file.read_text(encoding="utf-8")) if file.is_file() else ()
        return self._rules[folder]
