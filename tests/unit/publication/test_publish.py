"""A day is published once: by whom, what a second one is told, and how a correction lies on top."""

import datetime
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from platform_cli.errors import Conflict, Damaged, NotFound, UsageError
from platform_cli.names import Channel
from platform_cli.publication import (
    Day,
    ModelRecord,
    Status,
    correct,
    find_published,
    list_days,
    publish,
    read_chain,
    read_day,
)
from platform_cli.store import Store, open_store

from .builder import CHAMPION, DAY, NOW, Work, ids_of, scores_of, work

BLOCK = 65_536


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "scores"))


@pytest.fixture
def ready(store: Store, tmp_path: Path) -> Work:
    return work(store, tmp_path)


def corrected(ready: Work, *, of: str, reason: str = "a bill was booked twice", nonce: str = "nonce-2"):
    draft = replace(ready.draft, reason=reason)
    return correct(ready.store, DAY, draft, of=of, now=NOW, nonce=nonce)


def test_a_published_day_is_read_back_as_it_was_written(ready: Work) -> None:
    outcome = ready.publish()
    assert (outcome.status, outcome.number) == ("published", 1)
    assert read_day(ready.store, DAY) == outcome.manifest


def test_the_manifest_says_what_where_from_and_by_which_model(ready: Work) -> None:
    ready.publish()
    document = json.loads(ready.store.read("local/riskiness-score/2026-11-22/manifests/000001.json"))
    assert (document["channel"], document["flow"], document["day"]) == ("local", "riskiness-score", "2026-11-22")
    assert document["models"] == [{"role": "champion", "name": "riskiness", "version": "3", "digest": "ab" * 32}]
    assert document["input"]["key"] == f"local/riskiness-score/inputs/{document['input']['sha256']}.parquet"
    assert [part["name"] for part in document["parts"]] == ["parts/attempt-1/part-00000.parquet"]
    assert document["published_at"] == "2026-11-23T06:30:00+00:00"
    assert document["totals"]["rows"] == 1000
    assert document["totals"]["bands"] == {"low": 337, "medium": 326, "high": 337}
    assert document["totals"]["mean"] == pytest.approx(0.4995, abs=0.01)


def test_the_same_work_again_changes_nothing_and_says_so(ready: Work) -> None:
    first = ready.publish()
    again = ready.publish("nonce-2")
    assert (again.status, again.manifest) == (Status.ALREADY_PUBLISHED, first.manifest)


def test_a_day_published_from_another_input_is_a_conflict_that_names_both(store: Store, tmp_path: Path) -> None:
    first, second = work(store, tmp_path), work(store, tmp_path, ids=ids_of(1001), attempt="attempt-2")
    first.publish()
    both = f"input {first.draft.input.sha256[:12]}.*input {second.draft.input.sha256[:12]}"
    with pytest.raises(Conflict, match=both):
        second.publish("nonce-2")
    assert len(read_chain(store, DAY)) == 1


def test_a_day_published_by_another_model_is_a_conflict_that_names_both(store: Store, tmp_path: Path) -> None:
    work(store, tmp_path).publish()
    second = work(store, tmp_path, scores=scores_of(ids_of(1000), version="4"), attempt="attempt-2")
    second = second.changed(models=(replace(CHAMPION, version="4"),))
    with pytest.raises(Conflict, match=r"model riskiness version 3.*model riskiness version 4"):
        second.publish("nonce-2")


def test_whether_a_day_is_published_is_known_before_anything_is_scored(ready: Work) -> None:
    nothing_scored = replace(ready.draft, parts=())
    assert find_published(ready.store, DAY, nothing_scored) is None
    first = ready.publish().manifest
    found = find_published(ready.store, DAY, nothing_scored)
    assert found is not None
    assert (found.status, found.manifest) == ("already-published", first)


def test_a_challenger_more_does_not_make_it_other_work(ready: Work) -> None:
    ready.publish()
    challenger = ModelRecord(role="challenger-deep", name="riskiness", version="9", digest="cd" * 32)
    assert ready.changed(models=(CHAMPION, challenger)).publish("nonce-2").status == "already-published"


@pytest.mark.parametrize("models", [(), (CHAMPION, CHAMPION)], ids=["none", "two"])
def test_a_draft_has_exactly_one_champion(ready: Work, models: tuple[ModelRecord, ...]) -> None:
    with pytest.raises(UsageError, match=f"names {len(models)} champions; wanted exactly one"):
        ready.changed(models=models).publish()


def test_a_correction_lies_on_top_and_names_what_it_corrects(ready: Work) -> None:
    first = ready.publish().manifest
    outcome = corrected(ready, of=first.sha256)
    chain = read_chain(ready.store, DAY)
    assert [manifest.number for manifest in chain] == [1, 2]
    assert (chain[1].previous, chain[1].draft.reason) == (first.sha256, "a bill was booked twice")
    assert read_day(ready.store, DAY) == outcome.manifest


def test_a_correction_that_is_tried_again_is_made_once(ready: Work) -> None:
    first = ready.publish().manifest
    corrected(ready, of=first.sha256)
    again = corrected(ready, of=first.sha256, nonce="nonce-3")
    assert (again.status, again.number) == ("already-published", 2)


def test_a_correction_of_what_somebody_else_corrected_is_a_conflict(ready: Work) -> None:
    first = ready.publish().manifest
    corrected(ready, of=first.sha256)
    with pytest.raises(Conflict, match="manifest 2"):
        corrected(ready, of=first.sha256, reason="another reason", nonce="nonce-3")


def test_the_first_run_that_wakes_up_after_a_correction_finds_its_work_done(ready: Work) -> None:
    ready.publish()
    corrected(ready, of=read_day(ready.store, DAY).sha256)
    late = ready.publish("nonce-9")
    assert (late.status, late.number) == ("already-published", 1)
    assert read_day(ready.store, DAY).number == 2


def test_a_correction_needs_a_reason(ready: Work) -> None:
    with pytest.raises(UsageError, match="has no reason"):
        corrected(ready, of=ready.publish().manifest.sha256, reason="")


def test_a_day_that_is_not_published_cannot_be_corrected_or_read(ready: Work) -> None:
    for act in (lambda: corrected(ready, of="ab" * 32), lambda: read_day(ready.store, DAY)):
        with pytest.raises(NotFound, match="2026-11-22 of riskiness-score is not published in"):
            act()


def test_the_content_digest_does_not_depend_on_the_cut_the_names_or_the_nonce(tmp_path: Path) -> None:
    ids = ids_of(2 * BLOCK + 100)
    digests = {
        work(open_store(str(tmp_path / str(n))), tmp_path, ids=ids, cut=cut, attempt=f"attempt-{n}")
        .publish(f"nonce-{n}")
        .manifest.digest
        for n, cut in enumerate([(), (BLOCK,), (BLOCK, 2 * BLOCK)])
    }
    assert len(digests) == 1


def test_the_content_digest_changes_with_the_model_and_with_a_row(tmp_path: Path) -> None:
    ids = ids_of(10)
    table = scores_of(ids)
    other = table.set_column(1, "probability", [[0.5, *table["probability"].to_pylist()[1:]]]).cast(table.schema)
    plain, row, model = (
        work(open_store(str(tmp_path / name)), tmp_path, ids=ids, scores=scores)
        for name, scores in (("plain", table), ("row", other), ("model", table))
    )
    model = model.changed(models=(replace(CHAMPION, digest="ef" * 32),))
    assert len({each.publish().manifest.digest for each in (plain, row, model)}) == 3


def test_the_list_of_days_is_in_order_and_names_published_days_only(store: Store, tmp_path: Path) -> None:
    ready = work(store, tmp_path)
    for text in ("2026-11-03", "2026-10-31"):
        day = replace(DAY, day=datetime.date.fromisoformat(text))
        # The parts lie under another day; publishing only needs them to be where the draft says.
        for part in ready.draft.parts:
            store.create(day.key(part.name), store.read(DAY.key(part.name)))
        publish(store, day, ready.draft, now=NOW, nonce=text)
    assert list_days(store, DAY.channel, DAY.flow) == (datetime.date(2026, 10, 31), datetime.date(2026, 11, 3))
    assert list_days(store, Channel("adhoc/ann"), DAY.flow) == ()


def test_an_adhoc_channel_never_touches_the_local_day(store: Store, tmp_path: Path) -> None:
    ready = work(store, tmp_path)
    ready.publish()
    mine = Day(channel=Channel("adhoc/ann"), flow=DAY.flow, day=DAY.day)
    with pytest.raises(NotFound):
        read_day(store, mine)
    assert mine.manifest_key(1) == "adhoc/ann/riskiness-score/2026-11-22/manifests/000001.json"


def rewrite(ready: Work, number: int, old: str, new: str) -> None:
    path = Path(ready.store.url) / DAY.manifest_key(number)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_chain_whose_first_manifest_was_changed_is_not_believed(ready: Work) -> None:
    corrected(ready, of=ready.publish().manifest.sha256)
    rewrite(ready, 1, '"run": "run-1"', '"run": "run-2"')
    with pytest.raises(Damaged, match=r"000002\.json follows"):
        read_day(ready.store, DAY)


def test_a_chain_with_a_gap_is_not_believed(ready: Work) -> None:
    corrected(ready, of=ready.publish().manifest.sha256)
    (Path(ready.store.url) / DAY.manifest_key(1)).unlink()
    with pytest.raises(Damaged, match=re.escape("000002.json is out of order; wanted local/riskiness-score")):
        read_day(ready.store, DAY)


def test_a_manifest_of_another_day_is_not_believed(ready: Work) -> None:
    ready.publish()
    rewrite(ready, 1, '"day": "2026-11-22"', '"day": "2026-11-21"')
    with pytest.raises(Damaged, match="is of local/riskiness-score/2026-11-21, number 1"):
        read_day(ready.store, DAY)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"form": 1', '"form": 2', "has another form; wanted form 1.\n  Update the platform"),
        ('"number": 1', '"number": 1, "extra": 0', "is not a manifest"),
        ('"nonce": "nonce-1"', '"nonce":  "nonce-1"', "is not written as a manifest is"),
        ('"channel": "local"', '"channel": "elsewhere"', "is not a manifest"),
        ("{", "", "is not a manifest"),
    ],
    ids=["newer form", "unknown key", "other bytes", "no channel", "no JSON"],
)
def test_what_is_not_a_manifest_is_named_and_not_believed(ready: Work, old: str, new: str, message: str) -> None:
    ready.publish()
    rewrite(ready, 1, old, new)
    with pytest.raises(Damaged, match=message):
        read_day(ready.store, DAY)
