"""
Which attempt this launch is, or that there is nothing left to do.

In: what the datastore has of a task. Out: an attempt number that no other process will ever use.

Argo starts a step at least once: pods are retried, duplicated, and wake up long after their successor. So attempt n is
the number of claims before it, and a claim is a conditional create. Metaflow's readers stop at the first attempt that
never began, so those are given Metaflow's first file before a later one is used.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from platform_cli.errors import AlreadyExists, TooManyAttempts, Unclear
from platform_cli.graph.address import Address
from platform_cli.runner.records import Records, TaskFiles

# Metaflow's readers look at attempts 0 to 5 only. Source: metaflow_config.MAX_ATTEMPTS.
MOST_ATTEMPTS = 6


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """
    What a launch may do.

    Attributes:
        number: of the attempt, 0 to 5.
        finished: the attempt succeeded already; only its outputs are to be written again.
    """

    number: int
    finished: bool


def claim(records: Records, address: Address, *, epoch: int, body: dict[str, Any]) -> Attempt:
    """
    Take the next free attempt of a task.

    Args:
        epoch: restarts of the run so far; a success of an earlier epoch does not stop this launch.
        body: who asks; with a nonce, by which an unclear answer of the store is resolved.
    Raises:
        TooManyAttempts: six attempts are taken. Never retried.
    """
    while True:
        files = records.files(address)
        if done := _finished(records, address, files, epoch):
            return done
        number = len(files.claimed)
        if number >= MOST_ATTEMPTS:
            raise TooManyAttempts(
                f"{records.run}/{address.step}/{address.task_id} was begun {number} times",
                wanted=f"at most {MOST_ATTEMPTS} attempts, which is where Metaflow's readers stop",
                fix=f"Begin a new run from here with `platform resume {records.run.removeprefix('argo-')}`.",
            )
        if _create(records, records.key(address, f"{number}.claim.json"), {**body, "epoch": epoch}):
            break
    # Somebody may have finished between the look and the claim; a newer attempt would hide that success.
    files = records.files(address)
    if done := _finished(records, address, files, epoch):
        return done
    for earlier in sorted(set(range(number)) - files.begun):
        _create(records, records.key(address, f"{earlier}.attempt.json"), {"time": body["time"]})
    return Attempt(number=number, finished=False)


def _finished(records: Records, address: Address, files: TaskFiles, epoch: int) -> Attempt | None:
    number = records.success(address, files)
    if number is None or records.claim(address, number).get("epoch", 0) < epoch:
        return None
    return Attempt(number=number, finished=True)


def _create(records: Records, key: str, body: dict[str, Any]) -> bool:
    """Create a file of the task; False where another process has it."""
    content = json.dumps(body, sort_keys=True).encode()
    try:
        records.datastore.store.create(key, content)
    except AlreadyExists:
        return False
    except Unclear:
        # The nonce in the body makes it ours alone.
        return key in records.datastore.store.list(key.rpartition("/")[0]) and (
            records.datastore.store.read(key) == content
        )
    return True
