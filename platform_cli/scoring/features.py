"""
Compute the derived features of a contract.

In: columns by name, as float64 arrays in which a null is NaN.
Out: the model's columns in its order, the derived ones added.

Training and scoring both come through here: numpy on float64 columns, whatever they were read with, so the same row
gives the same bits. Nothing here knows pandas, Arrow or a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from platform_cli.scoring.contract import ColumnType, Contract


def derive_features(contract: Contract, columns: Mapping[str, Any]) -> dict[str, Any]:
    """
    Give the columns that a model of this contract sees.

    Args:
        columns: at least the contract's feature columns; anything that numpy turns into an array, all of one length.
    Returns:
        Arrays in the order of `contract.features`: float64 with NaN for null, strings as objects with None for null.
    """
    import numpy as np

    strings = {column.name for column in contract.columns if column.type is ColumnType.STRING}
    features: dict[str, Any] = {}
    for name in contract.features[: len(contract.features) - len(contract.derived)]:
        features[name] = np.asarray(columns[name], dtype=object if name in strings else np.float64)
    for derived in contract.derived:
        features[derived.name] = features[derived.numerator] / features[derived.denominator]
    return features
