"""
End a flow's step at a breach of the data contract, in a way that nothing retries.

In: a step of a Metaflow flow. Out: the same step; a ContractBroken in it ends the task with Metaflow's no-retry code.

Metaflow retries a task that raised, whatever it raised, unless its process leaves with exit code 202. `SystemExit` is
not an `Exception`, so Metaflow's task neither handles nor records it: its `_exception` artifact, from which others
learn why a task failed, is set here as Metaflow would have. This module must not import Metaflow (the runner and the
readers alone do), and need not: a step that runs, runs inside Metaflow, so its classes are in `sys.modules`.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from platform_cli.errors import ContractBroken

Step = TypeVar("Step", bound=Callable[..., None])

# Source: METAFLOW_EXIT_DISALLOW_RETRY in metaflow/exception.py; runtime.py compares a worker's exit code with it.
NO_RETRY = 202


def ends_on_breach(step: Step) -> Step:
    """
    Let a ContractBroken end the task for good. Write it below `@step`, above nothing:

        @retry
        @step
        @ends_on_breach
        def score(self): ...

    A challenger's step, whose failure `@catch` is to handle, does not want this.
    """

    @functools.wraps(step)
    def wrapper(self: Any, *inputs: Any) -> None:
        try:
            step(self, *inputs)
        except ContractBroken as error:
            metaflow = sys.modules.get("metaflow.exception")
            if metaflow is None:
                raise
            # Made inside the except block, as Metaflow does: the wrapper keeps class, text and stack trace as strings.
            self._exception = metaflow.MetaflowExceptionWrapper(error)
            self._task_ok = False
            print(f"data contract broken: {error}", file=sys.stderr, flush=True)  # noqa: T201 # the task's log
            raise SystemExit(NO_RETRY) from error

    return wrapper  # type: ignore[return-value]
