"""
Fit the riskiness pipeline.

In: labelled customers and settings of xgboost. Out: a fitted scikit-learn Pipeline, and how well it does on customers
it did not see. Knows nothing of files, stores or the registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from platform_cli.scoring.inputs import Labelled

# One seed for everything: the same customers and settings give the same model, in every bit, on any number of cores.
SEED = 7


def fitted_pipeline(features: Any, labels: Any, settings: Mapping[str, Any]) -> Any:
    """
    Fit encoder and booster.

    The repayment statuses are codes with an order; one that training never saw becomes a missing value. Amounts pass
    as they are: trees need no scaling, and xgboost sends a missing value to the better side.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder
    from xgboost import XGBClassifier

    codes = [name for name in features.columns if name.startswith("repayment_status_")]
    amounts = [name for name in features.columns if name not in codes]
    unknown = float("nan")
    encoder = ColumnTransformer(
        [
            ("codes", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=unknown), codes),
            ("amounts", "passthrough", amounts),
        ]
    )
    booster = XGBClassifier(**{"tree_method": "hist", "random_state": SEED, "eval_metric": "logloss", **settings})
    return Pipeline([("encoder", encoder), ("booster", booster)]).fit(features, labels)


def cross_validate(labelled: Labelled, settings: Mapping[str, Any], *, folds: int) -> tuple[list[float], Any]:
    """
    Judge the settings on all customers, each by a model that did not see it.

    Returns:
        The AUC of each fold; and one score per customer, in their order.
    """
    import numpy as np
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    scores = np.empty(len(labelled.labels), dtype=np.float32)
    areas = []
    splits = StratifiedKFold(folds, shuffle=True, random_state=SEED).split(labelled.features, labelled.labels)
    for seen, unseen in splits:
        pipeline = fitted_pipeline(labelled.features.iloc[seen], labelled.labels[seen], settings)
        scores[unseen] = pipeline.predict_proba(labelled.features.iloc[unseen])[:, 1]
        areas.append(float(roc_auc_score(labelled.labels[unseen], scores[unseen])))
    return areas, scores
