"""Races around a claim that no kill can time: a store of the port's kind lets a rival act at the very moment."""

from collections.abc import Callable
from pathlib import Path

import pytest

from platform_cli.errors import TooManyAttempts, Unclear
from platform_cli.graph.address import Address
from platform_cli.runner.claims import Attempt, claim
from platform_cli.runner.records import Datastore, Records
from platform_cli.store.folder import FolderStore

TASK = Address("train", "-1")


class Meddling(FolderStore):
    """A folder store in which something happens before or after one key is created, once."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.before: dict[str, Callable[[], None]] = {}
        self.after: dict[str, Callable[[], None]] = {}

    def create(self, key: str, body: bytes) -> None:
        name = key.rpartition("/")[2]
        self.before.pop(name, lambda: None)()
        super().create(key, body)
        self.after.pop(name, lambda: None)()


@pytest.fixture
def store(tmp_path: Path) -> Meddling:
    return Meddling(tmp_path)


@pytest.fixture
def records(store: Meddling, tmp_path: Path) -> Records:
    from metaflow.datastore import FlowDataStore  # noqa: PLC0415 # heavy
    from metaflow.plugins.datastores.local_storage import LocalStorage  # noqa: PLC0415

    tasks = FlowDataStore("Flow", None, storage_impl=LocalStorage, ds_root=str(tmp_path))
    return Records(Datastore(kind="local", root=str(tmp_path), flow="Flow", tasks=tasks, store=store), "argo-x")


def take(records: Records, nonce: str = "ours", epoch: int = 0) -> Attempt:
    return claim(records, TASK, epoch=epoch, body={"nonce": nonce, "time": 1.0})


def run(records: Records, attempt: int, *, ok: bool = True) -> None:
    """What Metaflow leaves of an attempt that came to its end."""
    writer = records.datastore.tasks.get_task_datastore("argo-x", "train", "t-1", attempt=attempt, mode="w")
    writer.init_task()
    writer.save_artifacts([("_task_ok", ok)])
    writer.done()


def names(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "Flow/argo-x/train/t-1").iterdir()}


def test_the_first_launch_is_attempt_0(records: Records) -> None:
    assert take(records) == Attempt(number=0, finished=False)


def test_a_refused_claim_takes_the_next_number(records: Records, store: Meddling) -> None:
    store.before["0.claim.json"] = lambda: take(records, "rival") and None
    assert take(records) == Attempt(number=1, finished=False)


def test_a_rival_that_finishes_between_the_look_and_the_claim_is_seen(
    records: Records, store: Meddling, tmp_path: Path
) -> None:
    def rival() -> None:
        run(records, take(records, "rival").number)

    store.before["0.claim.json"] = rival
    assert take(records) == Attempt(number=0, finished=True)
    assert "1.claim.json" not in names(tmp_path)


def test_an_attempt_that_succeeds_while_the_next_is_claimed_stays_the_one_that_readers_see(
    records: Records, store: Meddling, tmp_path: Path
) -> None:
    take(records, "slow")
    store.after["1.claim.json"] = lambda: run(records, 0)
    assert take(records) == Attempt(number=0, finished=True)
    assert "1.attempt.json" not in names(tmp_path)


def test_a_failed_attempt_is_no_success(records: Records) -> None:
    run(records, take(records).number, ok=False)
    assert take(records) == Attempt(number=1, finished=False)


def test_only_a_later_epoch_runs_a_success_again(records: Records) -> None:
    run(records, take(records, epoch=1).number)
    assert take(records, epoch=0) == take(records, epoch=1) == Attempt(number=0, finished=True)
    assert take(records, epoch=2) == Attempt(number=1, finished=False)


def test_every_attempt_that_never_began_is_filled_in_before_the_next_begins(records: Records, tmp_path: Path) -> None:
    assert [take(records, f"dead {number}").number for number in range(3)] == [0, 1, 2]
    run(records, take(records).number)
    assert {"0.attempt.json", "1.attempt.json", "2.attempt.json"} <= names(tmp_path)
    assert records.success(TASK) == 3


def test_an_unclear_answer_to_a_claim_that_happened_is_ours(records: Records, store: Meddling) -> None:
    def lose_the_answer() -> None:
        raise Unclear("no answer")

    store.after["0.claim.json"] = lose_the_answer
    assert take(records) == Attempt(number=0, finished=False)
    assert records.claim(TASK, 0)["nonce"] == "ours"


def test_an_unclear_answer_to_a_claim_that_a_rival_got_is_not_ours(records: Records, store: Meddling) -> None:
    def rival_then_silence() -> None:
        take(records, "rival")
        raise Unclear("no answer")

    store.before["0.claim.json"] = rival_then_silence
    assert take(records) == Attempt(number=1, finished=False)


def test_an_unclear_answer_to_a_claim_that_did_not_happen_is_asked_again(records: Records, store: Meddling) -> None:
    def silence() -> None:
        raise Unclear("no answer")

    store.before["0.claim.json"] = silence
    assert take(records) == Attempt(number=0, finished=False)


def test_six_claims_are_all_there_are(records: Records) -> None:
    assert [take(records, f"dead {number}").number for number in range(6)] == list(range(6))
    with pytest.raises(TooManyAttempts, match="platform resume x"):
        take(records)
