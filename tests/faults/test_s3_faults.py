"""The network or the S3 server misbehaves: nothing is lost, nothing is doubled, and a person reads what happened."""

import itertools
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from platform_cli.errors import AlreadyExists, StoreUnsafe, Unclear, Unreachable
from platform_cli.publication import list_days, read_chain
from platform_cli.store import Store, open_store
from tests.faults.proxy import Fault, FaultProxy
from tests.s3_server import S3Server
from tests.unit.publication.builder import DAY, Work, work

pytestmark = pytest.mark.s3

COMMIT = "/manifests/000001.json"
PART = "/part-00000.parquet"


@pytest.fixture
def proxy(s3: S3Server) -> Iterator[FaultProxy]:
    with FaultProxy(s3).running() as proxy:
        yield proxy


@pytest.fixture
def bucket(s3: S3Server) -> str:
    return s3.new_bucket()


@pytest.fixture
def store(bucket: str, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Patched, so that a silent server is given up in two seconds, and reading back does not take four."""
    monkeypatch.setattr("platform_cli.store.s3.ANSWER_SECONDS", 2)
    monkeypatch.setattr("platform_cli.publication.commit._READ_BACK_PAUSES", (0.0, 0.1))
    return open_store(f"s3://{bucket}/scores", s3_endpoint=proxy.endpoint)


@pytest.fixture
def ready(store: Store, tmp_path: Path) -> Work:
    """A day whose parts are in the store: only the commit is missing."""
    return work(store, tmp_path)


@pytest.fixture
def calm(bucket: str, s3: S3Server) -> Store:
    """The same store, past the proxy."""
    return open_store(f"s3://{bucket}/scores", s3_endpoint=s3.endpoint)


def commits_sent(proxy: FaultProxy) -> int:
    return sum(line.startswith("PUT ") and COMMIT in line for line in proxy.seen)


@pytest.mark.parametrize("act", ["drop", "503-after", "slow"])
def test_a_commit_that_was_stored_but_not_answered_is_found_and_not_written_again(
    ready: Work, proxy: FaultProxy, calm: Store, act: str
) -> None:
    proxy.faults = [Fault(act, path=COMMIT, seconds=2.2)]
    outcome = ready.publish()
    assert outcome.status == "published"
    assert [manifest.nonce for manifest in read_chain(calm, DAY)] == ["nonce-1"]
    assert commits_sent(proxy) == 1


@pytest.mark.parametrize("act", ["refuse", "503", "cut"])
def test_a_commit_that_was_not_stored_is_unclear_and_the_next_run_publishes(
    ready: Work, proxy: FaultProxy, calm: Store, act: str
) -> None:
    proxy.faults = [Fault(act, path=COMMIT)]
    with pytest.raises(Unclear, match=r"no answer says whether .*000001.json was written.*\n  Run again"):
        ready.publish()
    assert commits_sent(proxy) == 1
    assert list_days(calm, DAY.channel, DAY.flow) == ()
    assert ready.publish("nonce-2").status == "published"
    assert [manifest.nonce for manifest in read_chain(calm, DAY)] == ["nonce-2"]


def test_a_commit_that_arrives_after_its_run_gave_up_is_found_by_the_next_run(
    ready: Work, proxy: FaultProxy, calm: Store
) -> None:
    proxy.faults = [Fault("delay", path=COMMIT, seconds=5)]
    with pytest.raises(Unclear):
        ready.publish()
    proxy.settle()
    late = ready.publish("nonce-2")
    assert (late.status, late.manifest.nonce) == ("already-published", "nonce-1")
    assert len(read_chain(calm, DAY)) == 1


def test_an_unanswered_commit_that_lost_to_another_run_is_not_taken_for_ours(
    ready: Work, proxy: FaultProxy, calm: Store
) -> None:
    """The manifest that is read back is there, but its nonce is not ours."""
    rival = Work(calm, ready.folder, ready.draft)
    proxy.faults = [Fault("drop", path=COMMIT, before=lambda: rival.publish("nonce-of-the-rival"))]
    outcome = ready.publish()
    assert (outcome.status, outcome.manifest.nonce) == ("already-published", "nonce-of-the-rival")


@pytest.mark.parametrize("act", ["refuse", "503", "cut", "drop", "503-after", "delay"])
def test_a_part_arrives_once_and_whole_whatever_happens_on_the_way(
    store: Store, proxy: FaultProxy, calm: Store, tmp_path: Path, act: str
) -> None:
    proxy.faults = [Fault(act, path=PART, seconds=2.2)]
    assert work(store, tmp_path).publish().status == "published"
    assert len(read_chain(calm, DAY)) == 1


@pytest.mark.parametrize("act", ["refuse", "503", "cut", "delay"])
def test_a_part_is_read_back_whole_whatever_happens_on_the_way(ready: Work, proxy: FaultProxy, act: str) -> None:
    proxy.faults = [Fault(act, method="GET", path=PART, seconds=2.2, times=2)]
    assert ready.publish().status == "published"


def test_a_server_that_stays_away_is_unreachable_and_nothing_is_published(
    ready: Work, proxy: FaultProxy, calm: Store
) -> None:
    proxy.faults = [Fault("503", method="GET", times=1000), Fault("503", times=1000)]
    with pytest.raises(Unreachable, match=r"answered 503 SlowDown.\n  Run again; nothing is doubled"):
        ready.publish()
    proxy.faults = []
    assert list_days(calm, DAY.channel, DAY.flow) == ()


def test_a_store_that_ignores_the_condition_is_refused_at_once(
    ready: Work, proxy: FaultProxy, calm: Store, store: Store
) -> None:
    proxy.faults = [Fault("strip", times=1000)]
    with pytest.raises(StoreUnsafe, match="overwrote an object that it was asked to create only where absent"):
        store.probe()
    with pytest.raises(StoreUnsafe, match=r"If-None-Match on PUT.*\n  Choose another store"):
        ready.publish()
    assert list_days(calm, DAY.channel, DAY.flow) == ()


def test_of_two_creates_at_once_the_second_is_refused_by_the_server(calm: Store) -> None:
    """The condition travels with the request; looking before writing would let both through."""
    start = threading.Barrier(2)

    def attempt(body: bytes) -> bool:
        start.wait()
        try:
            calm.create(f"contended/{number}", body)
        except AlreadyExists:
            return False
        return True

    for number in range(20):  # noqa: B007 # `attempt` reads it
        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(attempt, (b"one", b"two"))) == [False, True]


def test_random_faults_lose_nothing_and_double_nothing(
    store: Store, proxy: FaultProxy, calm: Store, tmp_path: Path
) -> None:
    """Every act, on every kind of request, twice in a row: the run is tried again until it says that it is done."""
    acts, places = ("refuse", "503", "503-after", "drop", "cut"), (("PUT", PART), ("PUT", COMMIT), ("GET", "000001"))
    for act, (method, path) in itertools.product(acts, places):
        proxy.faults.append(Fault(act, method=method, path=path))
    statuses = []
    for attempt in range(20):
        try:
            statuses.append(work(store, tmp_path, attempt=f"attempt-{attempt}").publish(f"nonce-{attempt}").status)
        except Unreachable:
            continue
    assert statuses[-1] == "already-published"
    assert len(read_chain(calm, DAY)) == 1
    assert json.loads(calm.read(DAY.manifest_key(1)))["totals"]["rows"] == 1000
