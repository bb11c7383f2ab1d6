"""
Signals as text files in one folder, in the style of node-exporter's textfile collector.

In: samples of one flow. Out: `<folder>/<flow>.prom`, replaced as a whole; a scrape never sees half a file.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

from platform_cli.errors import PlatformError
from platform_cli.metrics.exposition import samples_in, text_of
from platform_cli.metrics.samples import Sample


def write(folder: str, flow: str, samples: Iterable[Sample]) -> None:
    """Replace the named signals in the flow's file; the other signals of the file stay."""
    samples = list(samples)
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    file = place / f"{flow}.prom"
    with (place / f".{flow}.lock").open("w") as lock:
        # Branches of one run emit at the same time; each must keep what the other wrote.
        fcntl.flock(lock, fcntl.LOCK_EX)
        replaced = {sample.signal for sample in samples}
        kept = [sample for sample in _read(file, damaged_ok=True) if sample.signal not in replaced]
        draft = place / f".{flow}.{os.getpid()}"
        draft.write_text(text_of(sorted([*kept, *samples], key=lambda sample: sample.signal)), encoding="utf-8")
        draft.replace(file)


def read(folder: str) -> list[Sample]:
    """
    Read every flow's file.

    Raises:
        PlatformError: a file is not in Prometheus' text format.
    """
    return [sample for file in sorted(Path(folder).glob("*.prom")) for sample in _read(file)]


def _read(file: Path, *, damaged_ok: bool = False) -> list[Sample]:
    try:
        return samples_in(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except ValueError as error:
        if damaged_ok:
            return []
        raise PlatformError(
            f"{file} is not in Prometheus' text format ({error})", fix=f"Remove it: rm {file}; the next run writes it."
        ) from error
