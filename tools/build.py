"""
Build pinned Go tools by name and say where they are.

In: names of tools, as the `tool` lines of */go.mod beside this file end. Out: their paths, one to a line.

    python tools/build.py versitygw
    python tools/build.py --all
    python tools/build.py --files argo
    python tools/build.py --list

Each is built once per machine and pin; the second call builds nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # run as a file, Python sees this folder only
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from tools.compile import build_family, drop_go_caches, files_of, home_of  # the path above comes first
from tools.pins import TOOLS, Family, read_families, tools_of


def build(name: str) -> Path:
    """Return one tool's binary, built now where the cache has none."""
    return build_all([name])[name]


def build_all(names: Sequence[str]) -> dict[str, Path]:
    """
    Return the tools' binaries in the order of their names, built now where the cache has none.

    Raises:
        SystemExit: a name is no tool's, or a build failed; it says the command and the compiler's last lines.
    """
    owners = tools_of(read_families(TOOLS))
    if unknown := [name for name in names if name not in owners]:
        raise SystemExit(f"no tool is called {', '.join(unknown)}; there are {', '.join(sorted(owners))}")
    built: dict[str, Path] = {}
    for name in names:
        family = owners[name]
        if name not in built:
            built |= build_family(family, [other for other in names if owners[other] == family])
    return {name: built[name] for name in names}


def main(arguments: Sequence[str] | None = None) -> None:
    """Build what the command line names."""
    parser = argparse.ArgumentParser(description="Build pinned Go tools, each once, and print their paths.")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--all", action="store_true", help="every tool of every family")
    parser.add_argument("--files", action="store_true", help="where upstream's files of these tools lie; build nothing")
    parser.add_argument("--list", action="store_true", help="say what there is; build nothing")
    chosen = parser.parse_args(arguments)
    families = read_families(TOOLS)
    if chosen.list:
        sys.stdout.writelines(_line(family, tool) for family in families.values() for tool in family.tools)
        return
    names = list(tools_of(families)) if chosen.all else chosen.names
    if not names:
        parser.error("name a tool, or say --all or --list")
    if chosen.files:
        owners = tools_of(families)
        sys.stdout.writelines(f"{files_of(owners[name])}\n" for name in names)
        return
    sys.stdout.writelines(f"{path}\n" for path in build_all(names).values())
    drop_go_caches(families)


def _line(family: Family, tool: str) -> str:
    state = "built" if (home_of(family) / tool).exists() else "absent"
    return f"{tool:26}{family.name:14}{family.version:10}{state:8}{family.module}\n"


if __name__ == "__main__":
    main()
