"""
What scoring costs: time over prediction alone, memory over ten times the rows, and the usual way beside it.

In: nothing. Out: figures, each a ratio measured inside one run.

The model is that of flows/riskiness, with 300 trees of depth 6, on generated customers. "The job" is all of it: a
Parquet file is checked and frozen, scored, judged, passed through the gates and published on a local folder. The usual
way reads the same file with pandas, derives the same feature, asks mlflow's pyfunc for scores and writes Parquet.
Memory is the highest resident set of a fresh process per size and way.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CONTRACT = ROOT / "flows" / "riskiness" / "contract.toml"
DAY = datetime.date(2026, 11, 1)
MILLION = 1_000_000
ROUNDS = 5
# Exactly what a process must import that reads Parquet and predicts; pandas and scikit-learn are hidden from it.
IMPORTS = "import sys; sys.modules['pandas'] = sys.modules['sklearn'] = None; import numpy, pyarrow.parquet, xgboost"


def measure(*, large: int = 10 * MILLION, rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure everything; each key holds what was measured, its bound, the ratio and what it was made of."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(scratch)
        _in_process("prepare", folder, large)
        ours, usual = {}, {}
        for rows in (MILLION, large):
            ours[rows] = _in_process("ours", folder, rows)
            usual[rows] = _in_process("usual", folder, rows)
        return {
            "predict": _in_process("predict", folder, rounds),
            "memory": _memory(ours, large),
            "usual": _usual(ours, usual, large),
            "start": _start(folder, rounds),
        }


def _memory(ours: dict[int, Any], large: int) -> dict[str, Any]:
    return {
        "what": f"peak memory at {large:,} rows over {MILLION:,} rows",
        "bound": 1.15,
        "ratio": round(ours[large]["peak_mb"] / ours[MILLION]["peak_mb"], 3),
        "peak_mb": {f"{rows:,}": figures["peak_mb"] for rows, figures in ours.items()},
    }


def _usual(ours: dict[int, Any], usual: dict[int, Any], large: int) -> dict[str, Any]:
    return {
        "what": f"pandas and mlflow pyfunc over ours, {large:,} rows",
        "bound": {"seconds_at_least": 1.6, "memory_at_least": 10},
        "seconds_ratio": round(usual[large]["seconds"] / ours[large]["seconds"], 2),
        "memory_ratio": round(usual[large]["peak_mb"] / ours[large]["peak_mb"], 2),
        "ours": {f"{rows:,}": figures for rows, figures in ours.items()},
        "usual": {f"{rows:,}": figures for rows, figures in usual.items()},
    }


def _start(folder: Path, rounds: int) -> dict[str, Any]:
    """Time whole processes, start to exit, one after the other; with bytecode at hand, as in an image."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environ["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    taken: dict[str, list[float]] = {"ours": [], "imports": []}
    for number in range(2 * rounds + 1):
        commands = {
            "ours": [sys.executable, "-m", "platform_cli.scoring", *_arguments(folder, 10_000, f"start-{number}")],
            "imports": [sys.executable, "-c", IMPORTS],
        }
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(command, cwd=ROOT, env=environ, check=True, stdout=subprocess.DEVNULL)
            if number:
                taken[name].append(time.perf_counter() - began)
    ours, imports = (statistics.median(taken[name]) for name in ("ours", "imports"))
    return {
        "what": "scoring 10,000 customers, process start to exit, over importing numpy, pyarrow.parquet and xgboost",
        "bound": 1.5,
        "ratio": round(ours / imports, 3),
        "ours_ms": round(ours * 1_000, 1),
        "imports_ms": round(imports * 1_000, 1),
    }


def _in_process(part: str, folder: Path, number: int) -> Any:
    command = [sys.executable, "-m", "benchmarks.score", part, str(folder), str(number)]
    result = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(result.stdout.splitlines()[-1])


def _input(folder: Path, rows: int) -> Path:
    return folder / f"customers-{rows}.parquet"


def _arguments(folder: Path, rows: int, store: str) -> list[str]:
    digest = (folder / "digest").read_text()
    words = [str(_input(folder, rows)), "--contract", str(CONTRACT), "--day", DAY.isoformat()]
    return [*words, "--model", str(folder / "form"), "--digest", digest, "--store", str(folder / store)]


def prepare(folder: Path, large: int) -> dict[str, Any]:
    """Draw the customers and train the model, once as a registered form and once as mlflow would keep it."""
    import mlflow.sklearn
    import numpy as np
    import pandas as pd

    from flows.riskiness.training import fitted_pipeline
    from platform_cli.models.export import export_form
    from platform_cli.models.form import Signature
    from platform_cli.scoring.contract import load_contract
    from platform_cli.scoring.drift import make_reference
    from platform_cli.scoring.features import derive_features
    from platform_cli.scoring.generate import generate_customers

    contract = load_contract(CONTRACT)
    for rows in (10_000, MILLION, large):
        generate_customers(contract, _input(folder, rows), rows=rows, seed=1, day=DAY, labelled=False)
    generate_customers(contract, folder / "train.parquet", rows=100_000, seed=2, day=DAY)
    frame = pd.read_parquet(folder / "train.parquet")
    features = pd.DataFrame(derive_features(contract, {name: frame[name].to_numpy() for name in frame.columns}))
    settings = {"n_estimators": 300, "max_depth": 6, "learning_rate": 0.05}
    pipeline = fitted_pipeline(features, frame["default_next_month"].to_numpy(), settings)
    scores = pipeline.predict_proba(features)[:, 1].astype(np.float32)
    signature = Signature(
        model="riskiness",
        features=contract.features,
        contract=contract.fingerprint,
        training_run="bench",
        data="bench",
        code="bench",
    )
    reference = make_reference(contract, {name: features[name].to_numpy() for name in contract.features}, scores)
    digest = export_form(
        folder / "form", pipeline, signature=signature, reference=reference, holdout=features.head(5_000)
    )
    (folder / "digest").write_text(digest)
    mlflow.sklearn.save_model(
        pipeline,
        folder / "pyfunc",
        pyfunc_predict_fn="predict_proba",
        serialization_format="cloudpickle",
        pip_requirements=[],
    )
    return {}


def ours(folder: Path, rows: int) -> dict[str, Any]:
    """Do the job in this process, which does nothing else."""
    from platform_cli.scoring.__main__ import main

    return _timed(lambda: main(_arguments(folder, rows, f"ours-{rows}")))


def usual(folder: Path, rows: int) -> dict[str, Any]:
    """Do the same with pandas and mlflow's pyfunc; no contract, no snapshot, no gates."""
    import mlflow.pyfunc
    import numpy as np
    import pandas as pd

    from platform_cli.scoring.contract import load_contract

    contract = load_contract(CONTRACT)
    edges = [-1.0, *(band.below for band in contract.bands[:-1]), 1.1]

    def job() -> None:
        model = mlflow.pyfunc.load_model(str(folder / "pyfunc"))
        frame = pd.read_parquet(_input(folder, rows))
        frame["utilisation"] = frame["bill_amount_1m"] / frame["credit_limit"]
        scores = np.asarray(model.predict(frame[list(contract.features)]))[:, 1]
        bands = pd.cut(scores, edges, labels=[band.name for band in contract.bands], right=False)
        scored = pd.DataFrame({"customer_id": frame["customer_id"], "probability": scores, "risk_band": bands})
        scored.to_parquet(folder / f"usual-{rows}.parquet")

    return _timed(job)


def _timed(job: Callable[[], object]) -> dict[str, Any]:
    began, before = time.perf_counter(), os.times()
    job()
    seconds, after = time.perf_counter() - began, os.times()
    return {
        "seconds": round(seconds, 3),
        "cpu_seconds": round(after.user + after.system - before.user - before.system, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def predict(folder: Path, rounds: int) -> dict[str, Any]:
    """Alternate the job with one prediction of the same rows, ready in memory, on all cores."""
    import numpy as np

    from platform_cli.models.form import load_form
    from platform_cli.scoring.__main__ import parse_arguments, score_and_publish
    from platform_cli.scoring.arrow import import_arrow, numpy_columns
    from platform_cli.scoring.contract import load_contract
    from platform_cli.scoring.features import derive_features
    from platform_cli.scoring.parallel import cores

    import_arrow()
    import pyarrow.parquet as pq

    form = load_form(folder / "form", (folder / "digest").read_text())
    contract = load_contract(CONTRACT)
    with pq.ParquetFile(_input(folder, MILLION)) as file:
        batches = file.iter_batches(batch_size=65_536)
        ready = np.concatenate([form.encode(derive_features(contract, numpy_columns(batch))) for batch in batches])
    booster = form.booster.copy()
    booster.set_param({"nthread": cores()})
    words = {number: _arguments(folder, MILLION, f"predict-{number}") for number in range(rounds + 1)}
    jobs = {
        "ours": lambda number: score_and_publish(parse_arguments(words[number]), lambda: form),
        "predict": lambda _: booster.inplace_predict(ready),
    }
    taken: dict[str, list[dict[str, Any]]] = {name: [] for name in jobs}
    for number in range(rounds + 1):
        for name, job in jobs.items():
            figures = _timed(lambda job=job, number=number: job(number))
            if number:
                taken[name].append(figures)
    seconds = {name: statistics.median(f["seconds"] for f in figures) for name, figures in taken.items()}
    cpu = {name: statistics.median(f["cpu_seconds"] for f in figures) for name, figures in taken.items()}
    return {
        "what": f"{MILLION:,} rows x 20 features, Parquet to published Parquet, over one inplace_predict",
        "bound": 1.25,
        "ratio": round(seconds["ours"] / seconds["predict"], 3),
        "cpu_ratio": round(cpu["ours"] / cpu["predict"], 3),
        "seconds": seconds,
        "cpu_seconds": cpu,
        "rows_per_second": round(MILLION / seconds["ours"]),
        "cores": cores(),
    }


def _main() -> None:
    parser = argparse.ArgumentParser(description="Measure scoring, or one part of it in this process.")
    parser.add_argument("part", nargs="?", choices=("prepare", "ours", "usual", "predict"))
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("number", nargs="?", type=int)
    parser.add_argument("--large", type=int, default=10 * MILLION)
    options = parser.parse_args()
    parts = {"prepare": prepare, "ours": ours, "usual": usual, "predict": predict}
    if options.part:
        print(json.dumps(parts[options.part](options.folder, options.number)))
    else:
        print(json.dumps(measure(large=options.large), indent=2))


if __name__ == "__main__":
    _main()
