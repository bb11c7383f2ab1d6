"""
Kill processes while they publish, run them again, and let the oracle judge what is left.

In: an arena (one store), a number of kills, a seed. Out: what was counted. Used by the tests and by `make soak`.
"""

import contextlib
import datetime
import itertools
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.nursery import Nursery
from tests.faults.oracle import Bucket, Folder, Oracle, Verdict, rescore_with_form
from tests.faults.proxy import Fault, FaultProxy
from tests.faults.victim import FLOW, FOLDER_POINTS, POINTS, PUBLISHED
from tests.s3_server import S3Server
from tests.unit.models.builders import a_form

# What the proxy does at the named points that only a network has, and whether the day is published then.
WIRE_POINTS = {
    "part 1 half sent": ("cut", "part-00000.parquet", False),
    "part 1 stored, no answer": ("drop", "part-00000.parquet", False),
    "commit sent, arrives later": ("delay", "000001.json", True),
    "commit half sent": ("cut", "000001.json", False),
    "commit stored, no answer": ("drop", "000001.json", True),
}
RANDOM = "at a random time"
TWO_PARTS = 65_536 + 1_000


@dataclass
class Arena:
    """One store, one model, one oracle; victims know the store by `url` and `endpoint`."""

    name: str
    url: str
    endpoint: str
    environment: dict[str, str]
    folder: Path
    oracle: Oracle
    digest: str
    proxy: FaultProxy | None = None
    rows: int = TWO_PARTS
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def new_day(self) -> str:
        """Return a day that nobody has published here."""
        return (datetime.date(2020, 1, 1) + datetime.timedelta(days=next(self._numbers))).isoformat()

    def job(self, *days: str, point: str = "", run: str = "run-1", out: str = "outcomes") -> dict[str, Any]:
        """Describe what a victim does."""
        return {
            "url": self.url,
            "endpoint": self.endpoint,
            "environment": self.environment,
            "days": days,
            "rows": self.rows,
            "model": str(self.folder / "model"),
            "digest": self.digest,
            "run": run,
            "point": point,
            "scratch": str(self.folder / "scratch"),
            "out": str(self.folder / out),
        }

    @property
    def calm_endpoint(self) -> str:
        """The server itself, past the proxy."""
        return f"http://{self.proxy.upstream}" if self.proxy else ""

    @property
    def points(self) -> tuple[str, ...]:
        """The named points that this store has."""
        return POINTS + (tuple(WIRE_POINTS) if self.proxy else FOLDER_POINTS)


@contextlib.contextmanager
def folder_arena(folder: Path) -> Iterator[Arena]:
    """Publish into a local folder."""
    yield _arena("folder", folder, Folder(folder / "store"), url=str(folder / "store"))


@contextlib.contextmanager
def s3_arena(folder: Path, server: S3Server) -> Iterator[Arena]:
    """Publish into a bucket of the real S3 server, through the proxy."""
    bucket = server.new_bucket()
    with FaultProxy(server).running() as proxy:
        arena = _arena("s3", folder, Bucket(server.client(), bucket), url=f"s3://{bucket}")
        arena.endpoint, arena.environment, arena.proxy = proxy.endpoint, server.environment, proxy
        yield arena


def _arena(name: str, folder: Path, store: Folder | Bucket, *, url: str) -> Arena:
    (folder / "scratch").mkdir(parents=True)
    digest = a_form(folder / "model")
    oracle = Oracle(store, f"local/{FLOW}", rescore_with_form(folder / "model"))
    return Arena(name=name, url=url, endpoint="", environment={}, folder=folder, oracle=oracle, digest=digest)


@dataclass(frozen=True)
class Tally:
    """What a series of kills came to."""

    kills: dict[str, int]
    days: int
    verdict: Verdict

    @property
    def total(self) -> int:
        return sum(self.kills.values())


def run_kills(arena: Arena, nursery: Nursery, *, kills: int, random_kills: int, seed: int) -> Tally:
    """
    Kill `kills` processes: some at random times, the others in turn at every named point; finish every day.

    Raises:
        AssertionError: a day is lost, doubled or half-visible, or was published by a run that had not committed.
    """
    dice = random.Random(seed)
    done: Counter[str] = Counter()
    days = []
    for point in itertools.islice(itertools.cycle(arena.points), kills - random_kills):
        day = arena.new_day()
        days.append(day)
        _kill_at(arena, nursery, day, point)
        done[point] += 1
        _finish(arena, nursery, day)
    whole_run = _seconds_of_a_run(arena, nursery, days)
    while done[RANDOM] < random_kills:
        day = arena.new_day()
        days.append(day)
        [status] = nursery.run(arena.job(day), kill_after=dice.uniform(0, whole_run))
        assert status in (0, -signal.SIGKILL), f"a run of {day} ended with {status}"
        done[RANDOM] += status != 0
        _finish(arena, nursery, day)
    return Tally(dict(done), len(days), arena.oracle.judge(days))


def _kill_at(arena: Arena, nursery: Nursery, day: str, point: str) -> None:
    if point in WIRE_POINTS:
        published = _kill_on_the_wire(arena, nursery, day, point)
    else:
        [status] = nursery.run(arena.job(day, point=point))
        assert status == -signal.SIGKILL, f"the run never came to the point {point}: it ended with {status}"
        published = point in PUBLISHED
    found = arena.oracle.manifests_of(day)
    assert found == published, f"killed {point}: {found} manifests, wanted {int(published)}"


def _kill_on_the_wire(arena: Arena, nursery: Nursery, day: str, point: str) -> bool:
    assert arena.proxy
    act, path, published = WIRE_POINTS[point]
    pids: list[int] = []
    started, killed = threading.Event(), threading.Event()

    def kill() -> None:
        started.wait(30)
        os.kill(pids[0], signal.SIGKILL)
        killed.set()

    arena.proxy.faults = [Fault(act, path=path, seconds=0.2, also=kill)]
    pids += nursery.start([arena.job(day)])
    started.set()
    [status] = nursery.wait()
    assert killed.is_set(), f"the run never came to the point {point}: it ended with {status}"
    assert status == -signal.SIGKILL
    arena.proxy.settle()
    return published


def _finish(arena: Arena, nursery: Nursery, day: str) -> None:
    """The run is tried again, as any scheduler would; now the day is there, once."""
    [status] = nursery.run(arena.job(day))
    assert status == 0, f"the run of {day} that was tried again ended with {status}"
    assert arena.oracle.manifests_of(day) == 1


def _seconds_of_a_run(arena: Arena, nursery: Nursery, days: list[str]) -> float:
    times = []
    for _ in range(3):
        days.append(arena.new_day())
        begin = time.perf_counter()
        assert nursery.run(arena.job(days[-1])) == [0]
        times.append(time.perf_counter() - begin)
    return sorted(times)[1]
