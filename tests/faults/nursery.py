"""
Real processes without the time it takes to start them: one that has imported everything, and forks on request.

As a program it reads a task a line (JSON), forks a victim per job, kills them where a time is given, waits for all, and
answers with how they ended. As a module it is the other end.
"""

import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Nursery:
    """The other end of the program's pipes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, jobs: list[dict[str, Any]], kill_after: float | None = None) -> list[int]:
        """Start one process per job, all at once; returns their ids."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"jobs": jobs, "kill_after": kill_after}) + "\n")
        self._process.stdin.flush()
        return list(self._answer()["pids"])

    def wait(self) -> list[int]:
        """Return how each ended: an exit status, or minus the number of the signal."""
        return list(self._answer()["statuses"])

    def run(self, *jobs: dict[str, Any], kill_after: float | None = None) -> list[int]:
        self.start(list(jobs), kill_after)
        return self.wait()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the nursery died; its messages are above")
        return dict(json.loads(line))


@contextlib.contextmanager
def run_nursery() -> Iterator[Nursery]:
    """Start the program; it ends when its input does."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.nursery"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Nursery(process)
        finally:
            assert process.stdin
            process.stdin.close()
            process.wait(timeout=60)


def main() -> None:
    from tests.faults import victim  # noqa: PLC0415 # only the program needs it, before it forks

    for line in sys.stdin:
        task = json.loads(line)
        # Those that race for one day begin each day together.
        barrier = multiprocessing.get_context("fork").Barrier(len(task["jobs"]))
        pids = [_fork(victim.run, job, barrier) for job in task["jobs"]]
        _say(pids=pids)
        _say(statuses=_wait(pids, task["kill_after"]))


def _fork(run: Any, job: dict[str, Any], barrier: Any) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        run(job, lambda: barrier.wait(timeout=120))
    except BaseException:  # whatever it was, this copy of the nursery must end here
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def _wait(pids: list[int], kill_after: float | None) -> list[int]:
    deadline = time.monotonic() + (600 if kill_after is None else kill_after)
    ended: dict[int, int] = {}
    while len(ended) < len(pids):
        for pid in set(pids) - set(ended):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                ended[pid] = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.001)
    return [ended[pid] for pid in pids]


def _say(**answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
