"""
The logs of a run's attempts, from wherever they are now.

In: a Remote and a run. Out: for each attempt its lines; while it runs, those to come.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from platform_cli.cli.output import say
from platform_cli.cli.remote import Found, Remote
from platform_cli.errors import NotFound, PlatformError, Unreachable
from platform_cli.records.run import LogLine, RunRecords
from platform_cli.runs.logs import Choice, Piece, Seam, StepLine, merged, pieces_of, read_pod_lines
from platform_cli.runs.values import State

_THREADS = 8
_LOOK_SECONDS = 1.0
# The runner stores the last lines before its process ends, and the store shows them at once; this is for slow ones.
_STORED_WITHIN_SECONDS = 3.0


class LogSources:
    """The logs of one run."""

    def __init__(self, remote: Remote, found: Found) -> None:
        self._remote = remote
        self._found = found
        self._pods = self._pods_now()

    @property
    def records(self) -> RunRecords | None:
        """What is stored now; None where the datastore does not answer, or nobody knows the flow's class."""
        run = self._found.run
        try:
            records = self._remote.records(run.flow, run.metaflow_run_id)
            return records if records.files else None
        except PlatformError as error:
            say(f"{error.problem}; only the pods' logs are shown.")
            return None

    def read(self, choice: Choice) -> list[tuple[Piece, list[LogLine]]]:
        """Everything that was said until now."""
        records = self.records
        pieces = pieces_of(self._found.run, records, choice)
        with ThreadPoolExecutor(_THREADS) as pool:
            return list(zip(pieces, pool.map(lambda piece: self.lines(piece, records), pieces), strict=True))

    def lines(self, piece: Piece, records: RunRecords | None) -> list[LogLine]:
        """One attempt's lines until now, each once."""
        seam = Seam()
        lines = list(seam.first(self._of_pod(piece)))
        if piece.is_over or not lines:
            lines += seam.rest(self._stored(piece, records))
        return sorted(lines, key=lambda line: line.moment)

    def follow(self, choice: Choice, tail: Callable[[list[LogLine]], list[LogLine]]) -> Iterator[StepLine]:
        """
        Yield what was said, then what is being said, until the run is over.

        Args:
            tail: chooses from what an attempt had said before.
        """
        self._seen: set[tuple[str, str, str]] = set()
        lines: queue.Queue[StepLine] = queue.Queue()
        threads: list[threading.Thread] = []
        before = [(piece, said) for piece, said in self.read(choice) if piece.is_over]
        self._seen |= {piece.key for piece, _ in before}
        yield from tail_of(merged(before), tail)
        while True:
            for piece in pieces_of(self._found.run, self.records, choice):
                if piece.key not in self._seen:
                    self._seen.add(piece.key)
                    work = threading.Thread(target=self._follow, args=(piece, tail, lines.put), daemon=True)
                    work.start()
                    threads.append(work)
            over = self._found.run.is_over
            until = time.monotonic() + (0.0 if over else _LOOK_SECONDS)
            while time.monotonic() < until or (over and any(work.is_alive() for work in threads)) or not lines.empty():
                with suppress(queue.Empty):
                    yield lines.get(timeout=0.1)
            if over:
                return
            self._look_again()

    def _follow(
        self, piece: Piece, tail: Callable[[list[LogLine]], list[LogLine]], put: Callable[[StepLine], None]
    ) -> None:
        seam = Seam()

        def show(found: list[LogLine]) -> None:
            for line in found:
                put(StepLine(piece=piece, line=line))

        before = list(seam.first(self._of_pod(piece)))
        show(tail(before))
        last = before[-1].time if before else ""
        while not self._is_over(piece):
            for line in seam.first(self._of_pod(piece, follow=True, since=last)):
                last = line.time
                show([line])
            time.sleep(_LOOK_SECONDS / 4)
        until = time.monotonic() + _STORED_WITHIN_SECONDS
        while not (stored := self._stored(self._named(piece), self.records)) and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS / 4)
        show(seam.rest(stored))

    def _is_over(self, piece: Piece) -> bool:
        """Whether the attempt ended, as the Workflow had it when somebody last looked."""
        step = self._found.run.step(piece.step)
        now = [each for each in step.attempts if piece.attempt and each.node == piece.attempt.node] if step else []
        return self._found.run.is_over or not now or now[0].ended is not None

    def _named(self, piece: Piece) -> Piece:
        """The attempt with Metaflow's number, which it got after its pod began."""
        known = pieces_of(self._found.run, self.records, Choice(place=f"{piece.step}{piece.task_id[1:]}"))
        return next((each for each in known if each.key == piece.key), piece)

    def _look_again(self) -> None:
        with suppress(Unreachable):
            self._found = self._remote.find(self._found.run.name)
            self._pods = self._pods_now()

    def _pods_now(self) -> frozenset[str]:
        if self._remote.is_local or not self._found.workflow:
            return frozenset()
        with suppress(PlatformError):
            return frozenset(pod["metadata"]["name"] for pod in self._remote.cluster.pods(self._found.run.name))
        return frozenset()

    def _of_pod(self, piece: Piece, *, follow: bool = False, since: str = "") -> Iterator[LogLine]:
        """Lines of the pod after `since`; none where it is gone, or has not started."""
        attempt = piece.attempt
        if attempt is None or not attempt.pod or attempt.pod not in self._pods:
            return
        with suppress(PlatformError):
            raw = self._remote.cluster.pod_logs(attempt.pod, follow=follow, since=since, timestamps=True)
            yield from (line for line in read_pod_lines(raw) if line.moment > since.rstrip("Z"))

    def _stored(self, piece: Piece, records: RunRecords | None) -> list[LogLine]:
        """What Metaflow stored of an attempt; where it did not come to that, what Argo archived of its pod."""
        lines: list[LogLine] = []
        if piece.number is not None and records:
            with suppress(NotFound):
                lines = records.lines(piece.step, piece.task_id, piece.number)
        attempt = piece.attempt
        if lines or attempt is None or attempt.state is State.RUNNING or not attempt.node or attempt.pod in self._pods:
            return lines
        with suppress(PlatformError):
            uid = str(self._found.workflow["metadata"].get("uid", ""))
            for name in (self._found.run.name, uid):
                with suppress(NotFound):
                    archived = list(self._remote.argo.stored_log(name, attempt.node))
                    return [LogLine(time="", text=text) for text in archived]
        return lines


def tail_of(
    lines: Iterator[StepLine], tail: Callable[[list[LogLine]], list[LogLine]]
) -> list[StepLine]:  # fmt: skip
    """The last ones of several attempts together."""
    found = list(lines)
    kept = {id(line) for line in tail([each.line for each in found])}
    return [each for each in found if id(each.line) in kept]
