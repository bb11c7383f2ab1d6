"""
SIGTERM -> an exception in the step, time for it to clean up, and an end whatever the step does.

In: the moment when Kubernetes or Argo wants the pod gone. Out: exit code 143 with logs and metadata written.

Python runs signal handlers in the main thread between two bytecodes: a step inside a C library would not hear of it.
So a second thread reads the signal from the wake-up descriptor and counts the grace period itself.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType


class Stopped(SystemExit):
    """SIGTERM arrived while the step's own code ran; no `except Exception` catches it, every `finally` runs."""


class Stopping:
    """Listens for SIGTERM from `begin` on."""

    def __init__(self, grace_seconds: float, last_act: Callable[[], None]) -> None:
        """`last_act` runs in another thread when the grace period is over, before the process ends."""
        self._grace_seconds = grace_seconds
        self._last_act = last_act
        self._finished = threading.Event()
        self.asked = False
        self.interrupts = True

    def begin(self) -> None:
        """Take over SIGTERM. Only the main thread may do this."""
        self._reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._handle)
        threading.Thread(target=self._listen, name="platform-step-stop", daemon=True).start()

    def end(self) -> None:
        """The process ends by itself now."""
        self._finished.set()

    def _handle(self, _signal: int, _frame: FrameType | None) -> None:
        self.asked = True
        # Once the step's own code is through, its result is written down rather than thrown away.
        if self.interrupts:
            self.interrupts = False
            raise Stopped(int(signal.SIGTERM) + 128)

    def _listen(self) -> None:
        while signal.SIGTERM not in os.read(self._reader, 64):
            continue
        self.asked = True
        if not self._finished.wait(self._grace_seconds):
            self._last_act()
            os._exit(int(signal.SIGTERM) + 128)
