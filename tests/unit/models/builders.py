"""Small models for tests: a booster trained in milliseconds, and the folder of its registered form."""

from pathlib import Path
from typing import Any

import numpy as np

from platform_cli.models.encoder import Encoder, Lane
from platform_cli.models.form import Signature, import_xgboost, write_form
from platform_cli.models.registry import Registry
from platform_cli.models.version import Version

FEATURES = ("limit", "late", "bill")


def some_customers(rows: int = 400, seed: int = 7) -> dict[str, np.ndarray]:
    """Columns of made-up customers; every seventh bill is missing."""
    random = np.random.default_rng(seed)
    columns = {
        "limit": random.integers(1, 100, rows) * 1000,
        "late": random.integers(-2, 9, rows),
        "bill": random.normal(50_000, 20_000, rows),
    }
    columns["bill"][::7] = np.nan
    return columns


def outcomes(columns: dict[str, np.ndarray], seed: int = 7) -> np.ndarray:
    """Who defaults: the later they pay, the likelier."""
    random = np.random.default_rng(seed)
    return (columns["late"] + random.normal(0, 2, len(columns["late"])) > 3).astype(int)


def a_booster(trees: int = 5, names: tuple[str, ...] = FEATURES, seed: int = 7) -> Any:
    columns = some_customers(seed=seed)
    matrix = np.column_stack([columns[name] for name in FEATURES]).astype(np.float32)
    xgboost = import_xgboost()
    table = xgboost.DMatrix(matrix, label=outcomes(columns, seed), feature_names=list(names))
    return xgboost.train({"objective": "binary:logistic", "nthread": 1, "max_depth": 3}, table, trees)


def a_signature(**changes: Any) -> Signature:
    values = {
        "model": "riskiness",
        "features": FEATURES,
        "contract": "contract-1",
        "training_run": "training-1",
        "data": "data-1",
        "code": "code-1",
    }
    return Signature(**{**values, **changes})


def an_encoder(names: tuple[str, ...] = FEATURES) -> Encoder:
    return Encoder(inputs=names, lanes=tuple(Lane(name=name, source=name) for name in names))


def a_form(folder: Path, **changes: Any) -> str:
    """Write a model's folder and return its digest."""
    return write_form(
        folder,
        booster=changes.pop("booster", None) or bytes(a_booster(trees=changes.pop("trees", 5)).save_raw("ubj")),
        encoder=changes.pop("encoder", None) or an_encoder(),
        reference=changes.pop("reference", {"score": {"mean": 0.25}}),
        signature=a_signature(**changes),
    )


def a_training(registry: Registry, *, key: str = "RiskinessTrain/1") -> str:
    return registry.log_training_run(
        "riskiness", key=key, params={"trees": 5}, metrics={"auc": 0.75}, tags={"platform.data": "data-1"}
    )


def a_version(registry: Registry, folder: Path, *, challenger: str = "", **changes: Any) -> Version:
    """Train, export and register a small model; another number of trees is another model."""
    trees = changes.get("trees", 5)
    changes.setdefault("training_run", a_training(registry, key=f"RiskinessTrain/{trees}"))
    place = folder / f"form-{trees}-{len(changes)}"
    return registry.register(place, a_form(place, **changes), challenger=challenger)
