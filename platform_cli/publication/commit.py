"""
Publish a day's scores exactly once, although every step runs at least once.

In: a draft whose parts are in the store. Out: one manifest more, or the news that it was there already.

Retries, overlapping schedules and processes that wake up late all end here. The one act that publishes is the
creation of the manifest's key. Refused means that somebody won, and reading says whether with the same work. An
unclear answer is resolved by reading the manifest back and comparing the nonce, never by writing again.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from platform_cli.errors import AlreadyExists, Conflict, NotFound, Unclear, Unreachable, UsageError
from platform_cli.publication.chain import read_chain, read_day
from platform_cli.publication.gates import examine
from platform_cli.publication.records import Day, Draft, Manifest, content_digest, parse_manifest
from platform_cli.store import Store

_READ_BACK_PAUSES = (0.0, 0.3, 1.0, 2.0)


class Status(StrEnum):
    """How a publication ended, where it ended well."""

    PUBLISHED = "published"
    ALREADY_PUBLISHED = "already-published"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The manifest that holds this work, and whether this call made it."""

    status: Status
    manifest: Manifest

    @property
    def number(self) -> int:
        """The manifest's place in the day's chain."""
        return self.manifest.number


def publish(store: Store, day: Day, draft: Draft, *, now: datetime.datetime, nonce: str) -> Outcome:
    """
    Make these scores the day's, unless the day has them.

    Args:
        now: the time to note down, with a time zone.
        nonce: a value that no other call ever uses.
    Raises:
        Conflict: the day is published from another input or by another model.
        ContractBroken, Damaged: a gate was not passed; nothing was published.
        StoreUnsafe: the store would let two runs publish one day.
        Unclear: nobody can say whether the day is published; running again is safe.
    """
    return find_published(store, day, draft) or _commit(
        store, _manifest(store, day, draft, previous=None, now=now, nonce=nonce)
    )


def find_published(store: Store, day: Day, draft: Draft) -> Outcome | None:
    """
    Say whether a day is published already, before anything is computed for it.

    Args:
        draft: its parts do not matter here.
    Returns:
        The outcome that publishing would have, or None where the day is free.
    Raises:
        Conflict: the day is published from another input or by another model.
    """
    chain = read_chain(store, day)
    return _already_published(chain, day, draft) if chain else None


def correct(store: Store, day: Day, draft: Draft, *, of: str, now: datetime.datetime, nonce: str) -> Outcome:
    """
    Put corrected scores above a day's published ones, which stay readable below.

    Args:
        draft: with a reason.
        of: sha256 of the manifest that is corrected, which must be the one that holds.
    Raises:
        Conflict: somebody else corrected that manifest.
        NotFound: the day is not published, so there is nothing to correct.
    """
    if not draft.reason:
        raise UsageError(f"the correction of {day} has no reason", wanted="a sentence that says why")
    current = read_day(store, day)
    if current.previous == of and current.draft.is_same_work(draft) and current.draft.reason == draft.reason:
        return Outcome(status=Status.ALREADY_PUBLISHED, manifest=current)
    if current.sha256 != of:
        raise _conflict(current, day, draft)
    return _commit(store, _manifest(store, day, draft, previous=current, now=now, nonce=nonce))


def _manifest(
    store: Store, day: Day, draft: Draft, *, previous: Manifest | None, now: datetime.datetime, nonce: str
) -> Manifest:
    """Pass the store and the parts through the gates, and write down what was found."""
    store.probe(f"{day.channel}/{day.flow}")
    totals = examine(store, day, draft)
    return Manifest(
        day=day,
        number=previous.number + 1 if previous else 1,
        previous=previous.sha256 if previous else "",
        nonce=nonce,
        published_at=now.astimezone(datetime.UTC).isoformat(timespec="seconds"),
        draft=draft,
        totals=totals,
        digest=content_digest(day, draft, _blocks(draft)),
    )


def _blocks(draft: Draft) -> Iterable[str]:
    # The gates have compared these with the rows in the store.
    return (block for part in draft.parts for block in part.blocks)


def _commit(store: Store, manifest: Manifest) -> Outcome:
    key = manifest.day.manifest_key(manifest.number)
    try:
        store.create(key, manifest.to_bytes())
    except AlreadyExists:
        landed = parse_manifest(store.read(key), key)
    except Unclear as error:
        landed = _read_back(store, key, error)
    else:
        return Outcome(status=Status.PUBLISHED, manifest=manifest)
    if landed.nonce == manifest.nonce:
        return Outcome(status=Status.PUBLISHED, manifest=manifest)
    return _already_published(read_chain(store, manifest.day), manifest.day, manifest.draft)


def _read_back(store: Store, key: str, unclear: Unclear) -> Manifest:
    """Return the manifest that lies under the key now; Unclear where there is none, since it may still arrive."""
    for pause in _READ_BACK_PAUSES:
        time.sleep(pause)
        try:
            return parse_manifest(store.read(key), key)
        except (NotFound, Unreachable):
            continue
    raise Unclear(
        f"no answer says whether {store.url}/{key} was written, and it cannot be read back",
        fix="Run again: a day that was published after all is found and left as it is.",
    ) from unclear


def _already_published(chain: tuple[Manifest, ...], day: Day, draft: Draft) -> Outcome:
    for manifest in reversed(chain):
        if manifest.draft.is_same_work(draft) and manifest.draft.reason == draft.reason:
            return Outcome(status=Status.ALREADY_PUBLISHED, manifest=manifest)
    raise _conflict(chain[-1], day, draft)


def _conflict(current: Manifest, day: Day, draft: Draft) -> Conflict:
    return Conflict(
        f"{day} is published already (manifest {current.number}: {current.draft}); this run has {draft}",
        wanted="the same input and model version",
        fix="Nothing was changed. Publish a correction with a reason, where the new scores are right.",
    )
