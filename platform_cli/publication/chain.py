"""
Read what is published: only through manifests, only through an unbroken chain of them.

In: a store, a day. Out: its manifests in order, or the one that holds.

A manifest names the hash of the one before it. A chain with a gap or a wrong hash is never repaired and never half
believed: serving the manifest below the break would silently bring back scores that somebody corrected.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import replace

from platform_cli.errors import Damaged, NotFound
from platform_cli.names import Channel
from platform_cli.publication.records import Day, Manifest, parse_manifest
from platform_cli.store import Store

_FIRST_MANIFEST = re.compile(r"(\d{4}-\d{2}-\d{2})/manifests/\d{6}\.json")


def read_chain(store: Store, day: Day) -> tuple[Manifest, ...]:
    """
    Return all manifests of a day, the first publication first; none for a day that is not published.

    Raises:
        Damaged: a manifest is missing, unreadable, of another day, or does not name the one before it.
    """
    chain: list[Manifest] = []
    for number, key in enumerate(store.list(day.key("manifests")), start=1):
        if key != day.manifest_key(number):
            raise Damaged(f"{store.url}/{key} is out of order", wanted=day.manifest_key(number))
        manifest = parse_manifest(store.read(key), f"{store.url}/{key}")
        if (manifest.day, manifest.number) != (day, number):
            raise Damaged(f"{store.url}/{key} is of {manifest.day}, number {manifest.number}", wanted="its own key")
        before = chain[-1].sha256 if chain else ""
        if manifest.previous != before:
            raise Damaged(f"{store.url}/{key} follows {manifest.previous[:12] or 'nothing'}", wanted=before[:12])
        chain.append(manifest)
    return tuple(chain)


def read_day(store: Store, day: Day) -> Manifest:
    """Return the manifest that holds for a day: the last correction; NotFound where the day is not published."""
    chain = read_chain(store, day)
    if not chain:
        raise NotFound(
            f"{day.day} of {day.flow} is not published in {store.url} (channel {day.channel})",
            fix="`platform scores list` shows the days that are.",
        )
    return chain[-1]


def list_days(store: Store, channel: Channel, flow: str) -> tuple[datetime.date, ...]:
    """Return the published days of a flow, oldest first."""
    prefix = f"{channel}/{flow}"
    names = (key.removeprefix(f"{prefix}/") for key in store.list(prefix))
    found = {match[1] for name in names if (match := _FIRST_MANIFEST.fullmatch(name))}
    return tuple(datetime.date.fromisoformat(day) for day in sorted(found))


def read_day_before(store: Store, day: Day) -> Manifest | None:
    """Read what was published for the latest day before this one; None where there is none."""
    earlier = [past for past in list_days(store, day.channel, day.flow) if past < day.day]
    return read_day(store, replace(day, day=earlier[-1])) if earlier else None
