"""
A container's arguments -> Launch.

In: `FLOW STEP --run=argo-x --path=-3-0 --try=0 ...`, as the template wrote them and Argo filled them in.
Out: one frozen value, or a UsageError that says which argument is wrong.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from platform_cli.errors import UsageError
from platform_cli.graph.address import Address, check_path

# Kubernetes gives a pod 30 seconds between SIGTERM and SIGKILL; the last five are for what must be written.
# Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination
GRACE_SECONDS = 25.0
OUTPUTS = Path("/tmp/outputs")  # noqa: S108 # the one writable place of a pod


@dataclass(frozen=True, kw_only=True)
class Launch:
    """
    One start of one task.

    Attributes:
        try_: Argo's own retry counter; starts at 0 again after a restart by hand, unlike the attempt.
        parameters: Argo's JSON list of the run's parameters; only the start step gets it.
        code: `<address of a store>/<sha256>.tar`; empty where the code is in the image.
        origin: `argo-<run>` or `argo-<run>/<step>`; the run whose finished tasks are taken over.
        epoch: how often the run was restarted by hand.
        outputs: folder for `splits` and `next`.
    """

    flow: Path
    address: Address
    run: str
    try_: int
    parameters: str | None
    code: str
    origin: str
    epoch: int
    outputs: Path
    grace_seconds: float


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"platform-step: {message}", fix=self.format_usage().strip())


def read_launch(arguments: Sequence[str]) -> Launch:
    """
    Read the command line.

    Raises:
        UsageError: an argument is missing, unknown or not what it must be.
    """
    parser = _Parser(prog="platform-step", allow_abbrev=False, description="Execute one step of one flow, once.")
    parser.add_argument("flow", metavar="FLOW", type=Path, help="the flow file")
    parser.add_argument("step", metavar="STEP", help="the step's name")
    parser.add_argument("--run", required=True, help="Metaflow's run id, argo-<workflow>")
    parser.add_argument("--path", default="", help="fan-out indices such as -3-0")
    parser.add_argument("--try", dest="try_", default="0", help="Argo's retry counter")
    parser.add_argument("--parameters", help="Argo's JSON list of parameters (start step)")
    parser.add_argument("--code", default="", help="address of a code package")
    parser.add_argument("--origin", default="", help="argo-<run>[/<step>]: take over what succeeded there")
    parser.add_argument("--epoch", default="0", help="how often the run was restarted by hand")
    parser.add_argument("--outputs", type=Path, default=OUTPUTS, help="folder for splits and next")
    parser.add_argument("--grace", type=float, default=GRACE_SECONDS, help="seconds a step gets after SIGTERM")
    words = parser.parse_args(arguments)
    return Launch(
        # Absolute, because a step may change its folder, and traces name the file.
        flow=words.flow.resolve(),
        address=Address(words.step, check_path(words.path)),
        run=_matching(words.run, "run", r"argo-[a-z0-9][a-z0-9.-]*", "argo-<name of the workflow>"),
        try_=_count(words.try_, "try"),
        parameters=words.parameters,
        code=words.code,
        origin=words.origin and _matching(words.origin, "origin", r"argo-[a-z0-9.-]+(/\w+)?", "argo-<run>[/<step>]"),
        epoch=_count(words.epoch or "0", "epoch"),
        outputs=words.outputs,
        grace_seconds=words.grace,
    )


def _matching(text: str, name: str, pattern: str, wanted: str) -> str:
    if not re.fullmatch(pattern, text):
        raise UsageError(f'platform-step: --{name} is "{text}"', wanted=wanted)
    return text


def _count(text: str, name: str) -> int:
    # Where a template has no retryStrategy, Argo leaves "{{retries}}" as it is: a template that we did not write.
    return int(_matching(text, name, r"\d{1,6}", "a whole number that Argo filled in"))


# Metaflow's own are 20 retries that double their pauses, over an hour for each of a step's operations, with 10 tries
# by the client inside each. Half a minute bridges a server's restart; then the step's next attempt has its turn.
_PATIENCE = {
    "METAFLOW_S3_RETRY_COUNT": "4",
    "METAFLOW_S3_TRANSIENT_RETRY_COUNT": "4",
    "METAFLOW_S3_CLIENT_RETRY_CONFIG": '{"max_attempts": 3, "mode": "standard"}',
}


def configure_metaflow() -> None:
    """Set what Metaflow reads when it is imported, unless somebody else has: its user, runtime and patience."""
    for name, value in {"METAFLOW_RUNTIME_NAME": "argo-workflows", **_PATIENCE}.items():
        os.environ.setdefault(name, value)
    # Metaflow refuses to work for nobody; a container's numeric user has no name.
    if not any(os.environ.get(name) for name in ("METAFLOW_USER", "SUDO_USER", "USERNAME", "USER")):
        os.environ["METAFLOW_USER"] = "argo"
