"""
Follow one object through everything that happens to the connection.

In: a wire, the path of a collection, a name. Out: the object's states, one after the other, each once.

A dropped connection, or a server that restarts, is waited for and taken up at the last version seen; a version that
the server no longer knows (410) begins again with the object as it is now. Bookmarks move the version along, so that
a quiet object does not fall out of the server's memory.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from platform_cli.cluster.wire import Gone, Wire, segment
from platform_cli.errors import NotAllowed, NotFound, PlatformError, Unreachable

# The server ends a watch by itself from time to time, so that clients spread over servers.
_WATCH_SECONDS = 240
# How long a server may be away before a watcher gives up; an upgrade of a control plane takes minutes.
PATIENCE_SECONDS = 600
# A server that has just started knows nobody's rights for a moment.
_RIGHTS_SECONDS = 30
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 4.0

Document = dict[str, Any]


def watch_object(
    wire: Wire,
    collection: str,
    name: str,
    *,
    on_drop: Callable[[PlatformError], None] = lambda _: None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Iterator[Document]:
    """
    Yield an object as it is, then each time it changes.

    Args:
        on_drop: told once each time the connection is lost.
    Raises:
        NotFound: it is not there, or was deleted while it was watched.
        Unreachable: the server was not reachable at the start, or stayed away for `patience_seconds`.
    """
    watch = _Watch(wire, collection, name)
    while True:
        try:
            for document in watch.connected():
                watch.is_back()
                yield document
            # The server ended it in peace, as it does from time to time; one that always does must not be stormed.
            time.sleep(_FIRST_PAUSE)
        except Gone:
            watch.version = ""
        except (Unreachable, NotAllowed) as error:
            if watch.lost_for() > (patience_seconds if isinstance(error, Unreachable) else _RIGHTS_SECONDS):
                raise
            if watch.is_news():
                on_drop(error)
            watch.wait()


class _Watch:
    """How far a watcher has come, and since when its server is away."""

    def __init__(self, wire: Wire, collection: str, name: str) -> None:
        self._wire, self._collection, self._name = wire, collection, name
        self._act = f"watch {collection.rpartition('/')[2]} {name}"
        self.version = ""
        self._shown = ""
        self._away_since = 0.0
        self._pause = _FIRST_PAUSE

    def connected(self) -> Iterator[Document]:
        """Yield what is new until the connection ends."""
        if not self.version:
            document = self._wire.ask("GET", f"{self._collection}/{segment(self._name)}", self._act)
            self.version = document["metadata"]["resourceVersion"]
            if self.version != self._shown:
                self._shown = self.version
                yield document
        query = {
            "watch": True,
            "fieldSelector": f"metadata.name={self._name}",
            "resourceVersion": self.version,
            "allowWatchBookmarks": True,
            "timeoutSeconds": _WATCH_SECONDS,
        }
        for line in self._wire.lines(self._collection, self._act, query):
            kind, document = _event(line)
            self.version = document["metadata"]["resourceVersion"]
            if kind == "DELETED":
                raise NotFound(f"{self._act.removeprefix('watch ')} was deleted while it was watched")
            if kind != "BOOKMARK":
                self._shown = self.version
                yield document

    def is_back(self) -> None:
        self._away_since, self._pause = 0.0, _FIRST_PAUSE

    def is_news(self) -> bool:
        """Whether the connection was lost just now, and not already before the last try."""
        before, self._away_since = self._away_since, self._away_since or time.monotonic()
        return not before

    def lost_for(self) -> float:
        """Seconds since the connection was lost; without end where there never was one."""
        if not self._shown:
            return float("inf")
        return time.monotonic() - self._away_since if self._away_since else 0.0

    def wait(self) -> None:
        if self._pause == _LONGEST_PAUSE:
            # A cluster that was restored from an older state never comes to the version again.
            self.version = ""
        time.sleep(self._pause)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)


def _event(line: bytes) -> tuple[str, Document]:
    try:
        event = json.loads(line)
        kind, document = event["type"], event["object"]
    except (ValueError, KeyError, TypeError) as error:
        # Half a line is what a connection leaves that broke.
        raise Unreachable("a watch broke off in the middle of an event") from error
    if kind == "ERROR":
        problem = f"the watch ended: {document.get('message', 'no reason given')}"
        raise Gone(problem) if document.get("code") == 410 else Unreachable(problem)
    return kind, document
