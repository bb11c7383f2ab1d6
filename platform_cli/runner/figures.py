"""
What one attempt cost -> a small JSON beside its artifacts, for telemetry.

In: when the process began, what its step did, how it ended. Out: `<attempt>.figures.json` in the task's folder.
"""

from __future__ import annotations

import json
import resource
import time
from dataclasses import asdict, dataclass

from platform_cli.errors import PlatformError
from platform_cli.graph.address import Address
from platform_cli.runner.logs import say
from platform_cli.runner.records import Records


@dataclass(frozen=True, kw_only=True)
class Figures:
    """
    One attempt of one task.

    Attributes:
        duration_seconds: of the whole process; `code_seconds`: of the step's own code.
        peak_memory_bytes: of the process, or of its largest child where that was larger.
        exit_class: the class of what ended it; empty after a success.
    """

    flow: str
    run: str
    step: str
    path: str
    attempt: int
    try_: int
    began_seconds: float
    duration_seconds: float
    code_seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    exit_code: int
    exit_class: str


def cpu_and_memory() -> tuple[float, int]:
    """CPU seconds of this process and its ended children, and the larger peak of resident memory in bytes."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    # Linux counts ru_maxrss in KiB. Source: getrusage(2)
    return sum(usage.ru_utime + usage.ru_stime for usage in usages), max(usage.ru_maxrss for usage in usages) * 1024


def process_age_seconds() -> float:
    """Seconds since the kernel started this process, interpreter's start included."""
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123 # a kernel's file
        ticks = int(file.read().rpartition(b")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / _TICKS_PER_SECOND


_TICKS_PER_SECOND = 100  # USER_HZ, fixed on Linux. Source: time(7)


def save_figures(records: Records, address: Address, figures: Figures) -> None:
    """Leave the figures; never the reason why a step fails."""
    body = json.dumps({name.rstrip("_"): value for name, value in asdict(figures).items()}, sort_keys=True)
    try:
        records.datastore.store.create(records.key(address, f"{figures.attempt}.figures.json"), body.encode())
    except PlatformError as error:
        say(f"platform-step: the figures of this attempt are lost: {error.problem}")
