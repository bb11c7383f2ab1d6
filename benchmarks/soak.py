"""
The long fault tests: kill publications hundreds of times on each store, and let the oracle count what is left.

In: --kills for each store. Out: figures in benchmarks/soak.json with the machine and the date, and on stdout.
Run by `make soak`; the oracle ends it at the first day that is lost, doubled, half-visible or wrongly scored.
"""

import argparse
import datetime
import json
import os
import platform
import tempfile
import time
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.faults.kills import RANDOM, Arena, folder_arena, run_kills, s3_arena
from tests.faults.nursery import run_nursery
from tests.s3_server import run_s3_server

FIGURES = Path(__file__).with_name("soak.json")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description="Kill publications on both stores.")
    parser.add_argument("--kills", type=int, default=210, help="for each store; a third of them at random times")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the random times")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, run_s3_server(Path(folder) / "server") as server:
        stores = {
            "folder": soak(folder_arena(Path(folder) / "folder"), options.kills, options.seed),
            "s3": soak(s3_arena(Path(folder) / "s3", server), options.kills, options.seed),
        }
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    figures = {"date": today, "machine": machine(), "seed": options.seed, "stores": stores}
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1))


def soak(entered: AbstractContextManager[Arena], kills: int, seed: int) -> dict[str, Any]:
    """Kill on one store and return what was counted."""
    begin = time.monotonic()
    with entered as arena, run_nursery() as nursery:
        tally = run_kills(arena, nursery, kills=kills, random_kills=kills // 3, seed=seed)
    return {
        "kills": tally.total,
        "at_random_times": tally.kills[RANDOM],
        "by_point": tally.kills,
        "judged": asdict(tally.verdict),
        "lost": tally.days - tally.verdict.days,
        "doubled": tally.verdict.manifests - tally.verdict.days,
        "half_visible": tally.verdict.objects - tally.verdict.whole_objects,
        "seconds": round(time.monotonic() - begin),
    }


def machine() -> dict[str, Any]:
    """Name what the figures were taken on."""
    return {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()}


if __name__ == "__main__":
    main()
