"""
A process that scores and publishes days with the product's own code, and can be told where to die.

The named points are set from outside: a store that watches the product's calls, and the system calls of this very
process. The product knows nothing of them.
"""

import datetime
import json
import os
import signal
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from platform_cli.models.form import Form, import_xgboost, load_form
from platform_cli.names import Channel
from platform_cli.publication import (
    BLOCK_ROWS,
    Day,
    Draft,
    IdDigest,
    InputRecord,
    ModelRecord,
    Part,
    RowDigest,
    add_input,
    add_part,
    part_name,
    publish,
)
from platform_cli.store import Store, open_store

import_xgboost()  # before the first fork: a victim then starts in milliseconds

BANDS = ("low", "medium", "high")
EDGES = (0.3, 0.6)
FLOW = "riskiness-score"

# In the order in which a publication passes them.
POINTS = (
    "before input",
    "after input",
    "before part 1",
    "after part 1",
    "after part 2",
    "before look",
    "after probe",
    "before gates",
    "after gates",
    "before commit",
    "after commit",
)
FOLDER_POINTS = tuple(
    f"{kind} {state}"
    for kind in ("part 1", "commit")
    for state in ("written, not synced", "synced, not named", "named, folder not synced")
)
# After these the day is published although the process is dead.
PUBLISHED = frozenset({"after commit", "commit named, folder not synced"})


def run(job: dict[str, Any], wait: Callable[[], object] = lambda: None) -> None:
    """Publish every day of the job and note each outcome in its file, a line a day."""
    os.environ.update(job["environment"])
    die = Death(job.get("point", ""))
    store = Watched(open_store(job["url"], s3_endpoint=job["endpoint"]), die)
    form = load_form(Path(job["model"]), job["digest"])
    for text in job["days"]:
        wait()
        outcome = publish_day(store, form, job, datetime.date.fromisoformat(text))
        with Path(job["out"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"day": text, "status": outcome}) + "\n")


def publish_day(store: Store, form: Form, job: dict[str, Any], day: datetime.date) -> str:
    """Do what the daily batch does, with as little around it as possible."""
    place = Day(channel=Channel("local"), flow=FLOW, day=day)
    folder = Path(job["scratch"]) / uuid.uuid4().hex
    folder.mkdir()
    snapshot = customers(day, job["rows"])
    record = put_snapshot(store, place, snapshot, folder)
    attempt = uuid.uuid4().hex
    shards = [snapshot.slice(start, BLOCK_ROWS) for start in range(0, len(snapshot), BLOCK_ROWS)]
    parts = [put_part(store, place, score(form, shard, job), attempt, n, folder) for n, shard in enumerate(shards)]
    draft = Draft(
        input=record,
        models=(ModelRecord(role="champion", name="riskiness", version="1", digest=form.digest),),
        parts=tuple(parts),
        run=job["run"],
        code="tests",
        id_column="customer",
        bands=BANDS,
    )
    now = datetime.datetime.now(datetime.UTC)
    return publish(store, place, draft, now=now, nonce=uuid.uuid4().hex).status


def customers(day: datetime.date, rows: int) -> pa.Table:
    """Make the customers of a day: always the same for the same day."""
    random = np.random.default_rng(day.toordinal())
    return pa.table(
        {
            "customer": np.cumsum(random.integers(1, 9, rows)),
            "limit": random.integers(1, 100, rows) * 1000,
            "late": random.integers(-2, 9, rows),
            "bill": np.where(random.random(rows) < 0.1, np.nan, random.normal(50_000, 20_000, rows)),
        }
    )


def put_snapshot(store: Store, day: Day, snapshot: pa.Table, folder: Path) -> InputRecord:
    pq.write_table(snapshot, folder / "snapshot.parquet", compression="none")
    digest = IdDigest("customer")
    for batch in snapshot.to_batches():
        digest.update(batch)
    return add_input(store, day.channel, day.flow, folder / "snapshot.parquet", digest)


def score(form: Form, shard: pa.Table, job: dict[str, Any]) -> pa.Table:
    probability = form.predict({name: shard[name].to_numpy() for name in form.features})
    band = np.digitize(probability, EDGES).astype("i4")
    return pa.table(
        {
            "customer": shard["customer"],
            "probability": probability,
            "risk_band": pa.DictionaryArray.from_arrays(pa.array(band), pa.array(BANDS)),
            "model_version": pa.DictionaryArray.from_arrays(np.zeros(len(shard), "i4"), pa.array(["1"])),
            "run": pa.DictionaryArray.from_arrays(np.zeros(len(shard), "i4"), pa.array([job["run"]])),
        }
    )


def put_part(store: Store, day: Day, scores: pa.Table, attempt: str, index: int, folder: Path) -> Part:
    path = folder / f"part-{index}.parquet"
    pq.write_table(scores, path, compression="none")
    digest = RowDigest("customer", BANDS)
    for batch in scores.to_batches():
        digest.update(batch)
    return add_part(store, day, part_name(attempt, index), path, digest)


class Death:
    """Kills this process when it comes to a named point; the empty name is never reached."""

    def __init__(self, point: str) -> None:
        self._point = point
        self.doing = ""
        if point in FOLDER_POINTS:
            self._watch_system_calls()

    def at(self, point: str) -> None:
        if point == self._point:
            os.kill(os.getpid(), signal.SIGKILL)

    def _watch_system_calls(self) -> None:
        link, fsync = os.link, os.fsync

        def watched_fsync(descriptor: int) -> None:
            self.at(f"{self.doing} written, not synced")
            fsync(descriptor)

        def watched_link(source: Path, target: Path) -> None:
            self.at(f"{self.doing} synced, not named")
            link(source, target)
            self.at(f"{self.doing} named, folder not synced")

        os.fsync, os.link = watched_fsync, watched_link  # type: ignore[assignment]


class Watched:
    """A store that passes everything on, and passes the points on the way."""

    def __init__(self, store: Store, death: Death) -> None:
        self._store, self._death = store, death
        self._parts = self._fetched = 0

    @property
    def url(self) -> str:
        return self._store.url

    def create(self, key: str, body: bytes) -> None:
        self._around(key, lambda: self._store.create(key, body))

    def create_from_file(self, key: str, path: Path) -> None:
        self._around(key, lambda: self._store.create_from_file(key, path))

    def _around(self, key: str, create: Callable[[], None]) -> None:
        if "/inputs/" in key:
            doing = "input"
        elif "/manifests/" in key:
            doing = "commit"
        else:
            self._parts += 1
            doing = f"part {self._parts}"
        self._death.doing = doing
        self._death.at(f"before {doing}")
        create()
        self._death.at(f"after {doing}")

    def read(self, key: str) -> bytes:
        return self._store.read(key)

    def fetch(self, key: str, folder: Path) -> Path:
        self._death.at("before gates")
        path = self._store.fetch(key, folder)
        self._fetched += 1
        if self._fetched == self._parts:
            self._death.at("after gates")
        return path

    def list(self, prefix: str) -> Any:
        self._death.at("before look")
        return self._store.list(prefix)

    def probe(self, prefix: str = "") -> None:
        self._death.doing = "probe"
        self._store.probe(prefix)
        self._death.at("after probe")
