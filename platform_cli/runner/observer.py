"""
A decorator of Metaflow's own kind on the step that runs, by which the runner hears what happens inside.

In: Metaflow's hooks, which are its public way in. Out: when the step's own code began and ended, and what it raised.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from platform_cli.errors import PlatformError
from platform_cli.graph.decorators import is_kubernetes_secret


class Refusal(BaseException):
    """Carries an error past `except Exception` and `@catch`, which speak for the step's own code only."""

    def __init__(self, error: PlatformError) -> None:
        super().__init__(error)
        self.error = error


class Observation:
    """What was seen of the step's own code; times are seconds since 1970, 0 where it did not come to that."""

    def __init__(self) -> None:
        self.began = 0.0
        self.ended = 0.0
        self.raised: BaseException | None = None


def observe(
    flow: Any, step: str, seen: Observation, *, before: Callable[[Sequence[Any]], None], after: Callable[[], None]
) -> None:
    """
    Watch one step of a flow object.

    Args:
        before: called with the step's inputs right before its own code; may raise Refusal.
        after: called as soon as its own code is through, however it ended.
    """
    from metaflow.decorators import StepDecorator

    class Observer(StepDecorator):  # type: ignore[misc] # Metaflow has no types
        # Names with an underscore stay out of the graph that Metaflow stores with the run.
        name = "_platform_step"

        def task_pre_step(self, *arguments: Any) -> None:
            before(arguments[-1])
            seen.began = time.time()

        def task_post_step(self, *_: Any) -> None:
            seen.ended = time.time()
            after()

        def task_exception(self, exception: BaseException, *_: Any) -> None:
            seen.ended, seen.raised = time.time(), exception
            after()

    getattr(type(flow), step).decorators.append(Observer())


def drop_placement(flow: Any) -> None:
    """
    Take decorators off that say where a step runs and with which Secrets: it is there already, and has them.

    `@kubernetes` would refuse a local datastore, start an uploader of logs beside ours and sync metadata again.
    `@secrets` would look for a backend behind the name of a Kubernetes Secret, whose keys are the pod's variables.
    """
    for step in flow._steps:
        step.decorators[:] = [deco for deco in step.decorators if deco.name not in ("kubernetes", "batch")]
        for deco in step.decorators:
            if deco.name == "secrets":
                sources = deco.attributes["sources"]
                deco.attributes["sources"] = [source for source in sources if not is_kubernetes_secret(source)]
