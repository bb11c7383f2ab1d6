"""
Random flows, locally and on the small Argo of the tests: how many left the same.

In: how many flows. Out: figures; the failures themselves are pytest's to print. `make soak` runs 200 of them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOWS = 200


def measure(flows: int = FLOWS) -> dict[str, object]:
    """Run the differential test over the first `flows` seeds."""
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--durations=0", "tests/differential"]
    environment = {**os.environ, "PLATFORM_SOAK_FLOWS": str(flows)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    sys.stderr.write(done.stdout[-4000:] if done.returncode else "")
    counts = {word: int(count) for count, word in re.findall(r"(\d+) (passed|failed)", done.stdout.splitlines()[-1])}
    return {
        "what": "random flows that leave the same on Argo as in a local run",
        "flows": flows,
        "same": counts.get("passed", 0),
        "different": counts.get("failed", 0),
        "seconds": round(time.monotonic() - began),
    }


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:])), indent=2))
