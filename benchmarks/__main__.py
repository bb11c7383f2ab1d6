"""
All benchmarks, or those named: `make bench`, `python -m benchmarks score startup`.

In: nothing. Out: benchmarks/figures.json with the machine and the date of each suite, and a table on stdout.
Every figure is a ratio of things measured in one run on one machine; seconds are there to be read, not compared.
"""

import argparse
import datetime
import importlib
import json
import os
import platform
from pathlib import Path
from typing import Any

FIGURES = Path(__file__).with_name("figures.json")
SUITES = ("startup", "score", "render", "runner")
# Minutes of processor time each, or a cluster: only where named, as `make soak` does.
LONG = ("differential", "cluster")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE", help=f"any of {', '.join(SUITES)}; all where none is named"
    )
    names = parser.parse_args().suites or list(SUITES)
    if unknown := sorted(set(names) - {*SUITES, *LONG}):
        parser.error(f"no such suite: {', '.join(unknown)}")
    kept = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    for name in names:
        figures = importlib.import_module(f"benchmarks.{name}").measure()
        kept[name] = {"date": datetime.datetime.now(datetime.UTC).date().isoformat(), "machine": machine(), **figures}
        FIGURES.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        for line in lines_of(name, figures):
            print(line, flush=True)


def machine() -> dict[str, Any]:
    """Say what this was measured on."""
    model = next(
        (line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")), platform.machine()
    )
    return {
        "cores": os.cpu_count(),
        "processor": model,
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def lines_of(suite: str, figures: object) -> list[str]:
    """Give one line per figure that has a ratio: the suite, what it is, the ratio, its bound."""
    if not isinstance(figures, dict):
        return []
    lines = [line for value in figures.values() for line in lines_of(suite, value)]
    if "ratio" in figures:
        bound = f"bound {figures['bound']}" if "bound" in figures else ""
        lines.insert(0, f"{suite:8} {figures['ratio']:>8}  {bound:11} {figures.get('what', '')}")
    return lines


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


if __name__ == "__main__":
    main()
