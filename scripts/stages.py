"""
Run the stages of `make test` one after the other, and hold each to its share of the 90 minutes that CI has.

In: names of stages, or none for all. Out: a table of minutes on stderr; exit code 1 where a stage failed or, under CI,
where all together took longer than they may: a stage can borrow what others leave of theirs, and the table says so. A
stage that fails does not keep the others from saying what they find.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A command and the minutes it may take on two cores, from a bare machine on."""

    name: str
    minutes: float
    command: tuple[str, ...]


STAGES = (
    Stage("lint", 2, ("make", "--no-print-directory", "lint")),
    Stage("tools", 35, ("make", "--no-print-directory", "tools")),
    Stage("unit", 12, ("pytest", "-n", "2", "-m", "not kills and not cluster")),
    Stage("kills", 6, ("pytest", "-n", "2", "-m", "kills")),
    Stage("cluster", 18, ("pytest", "-m", "cluster")),
)


MOST_MINUTES = 85
"""Of the 90 that CI has: the rest is for the clone and for what is slower there."""


@dataclass(frozen=True)
class Outcome:
    """How a stage ended, and after how many minutes."""

    stage: Stage
    code: int
    minutes: float

    @property
    def is_late(self) -> bool:
        return self.minutes > self.stage.minutes

    def __str__(self) -> str:
        said = "ok" if not self.code else f"failed ({self.code})"
        late = "  over its share" if self.is_late else ""
        return f"{self.stage.name:<9} {self.minutes:5.1f} of {self.stage.minutes:3.0f} min  {said}{late}"


def run(stage: Stage) -> Outcome:
    """Run one stage to its end."""
    print(f"\n== {stage.name}: {' '.join(stage.command)}", file=sys.stderr, flush=True)
    began = time.monotonic()
    code = subprocess.run(stage.command, check=False).returncode
    return Outcome(stage, code, (time.monotonic() - began) / 60)


def verdict(outcomes: list[Outcome], *, is_ci: bool) -> int:
    """Say 0 where all stages passed; being late fails only under CI, since a laptop has other things to do too."""
    late = is_ci and sum(outcome.minutes for outcome in outcomes) > MOST_MINUTES
    return int(late or any(outcome.code for outcome in outcomes))


def main(names: list[str]) -> int:
    """Run the stages and print what became of them."""
    unknown = set(names) - {stage.name for stage in STAGES}
    if unknown:
        print(f"no stage {', '.join(sorted(unknown))}; there are {', '.join(s.name for s in STAGES)}", file=sys.stderr)
        return 2
    outcomes = [run(stage) for stage in STAGES if not names or stage.name in names]
    total = sum(outcome.minutes for outcome in outcomes)
    print(
        "\n".join(["", *map(str, outcomes), f"{'all':<9} {total:5.1f} of  90 min"]),
        file=sys.stderr,
    )
    return verdict(outcomes, is_ci=bool(os.environ.get("CI")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
