"""
Turn a fitted scikit-learn pipeline into a model's registered form.

In: a Pipeline of a ColumnTransformer and an XGBClassifier, and a hold-out.
Out: the four files of `form`, whose scores are bit-equal to the pipeline's `predict_proba` on that hold-out.

Bit-equal and not close: a difference in the last bit is the first sign of an encoding that differs for some customer.
Transformers that work column by column are enough for a booster of trees; anything else is refused by name.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_cli.errors import ModelRefused, UsageError
from platform_cli.models.encoder import Columns, Encoder, Lane, Scalar, Step
from platform_cli.models.form import Form, Signature, load_form, write_form

if TYPE_CHECKING:
    import pandas as pd

SUPPORTED = "passthrough, drop, SimpleImputer, StandardScaler, OrdinalEncoder, OneHotEncoder, Pipeline"
_PROBE_ROWS = 50


def export_form(
    folder: Path, pipeline: Any, *, signature: Signature, reference: Mapping[str, Any], holdout: pd.DataFrame
) -> str:
    """
    Write a fitted pipeline as a registered form and return its digest.

    Args:
        signature: its `features` are the columns of the contract in order; the pipeline must use no other.
        holdout: customers the pipeline was not fitted on; copies of them with nulls and with categories that training
            never saw are added before scores are compared.
    Raises:
        UsageError: the pipeline has a part that has no registered form.
        ModelRefused: the scores differ.
    """
    transformer, classifier = _parts(pipeline)
    encoder = _encoder(transformer, signature.features)
    booster = _booster(classifier, encoder)
    digest = write_form(folder, booster=booster, encoder=encoder, signature=signature, reference=reference)
    assert_bit_equal(load_form(folder, digest), pipeline, with_gaps_and_strangers(holdout, encoder))
    return digest


def assert_bit_equal(form: Form, pipeline: Any, customers: pd.DataFrame) -> None:
    """
    Compare the form's scores with the pipeline's, bit by bit.

    Raises:
        ModelRefused: says how many rows differ, and the first one.
    """
    import numpy as np

    with warnings.catch_warnings():
        # scikit-learn warns of categories it never saw; they are here on purpose.
        warnings.simplefilter("ignore", UserWarning)
        wanted = pipeline.predict_proba(customers[list(pipeline.feature_names_in_)])[:, 1].astype(np.float32)
    got = form.predict(columns_of(customers))
    differing = np.flatnonzero(wanted.view(np.uint32) != got.view(np.uint32))
    if len(differing):
        first = differing[0]
        raise ModelRefused(
            f"{len(differing)} of {len(got)} scores of the exported form differ from the pipeline's, the first in row "
            f"{first}: {got[first]!s} instead of {wanted[first]!s}",
            wanted="scores equal in every bit",
            fix="Give the pipeline float64 or integer columns; float32 is scaled in another precision.",
        )


def columns_of(customers: pd.DataFrame) -> Columns:
    """Read a frame as the columns that `Form.predict` takes."""
    return {str(name): customers[name].to_numpy() for name in customers.columns}


def with_gaps_and_strangers(holdout: pd.DataFrame, encoder: Encoder) -> pd.DataFrame:
    """Add copies of customers, a few per column, with a null there, and with a category that training never saw."""
    import pandas as pd

    copies = [holdout]
    some = holdout.head(_PROBE_ROWS)
    for name in encoder.inputs:
        steps = {step.op: step for lane in encoder.lanes if lane.source == name for step in lane.steps}
        copies.append(some.assign(**{name: some[name].mask([True] * len(some))}))
        if "codes" in steps:
            copies.append(some.assign(**{name: _stranger(steps["codes"].categories)}))
    return pd.concat(copies, ignore_index=True)


def _stranger(categories: tuple[Scalar, ...]) -> Scalar:
    texts = [category for category in categories if isinstance(category, str)]
    if texts:
        return max(texts) + "-never-seen"
    return max((float(category) for category in categories), default=0.0) + 1.5


def _parts(pipeline: Any) -> tuple[Any, Any]:
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from xgboost import XGBClassifier

    steps = [step for _, step in pipeline.steps] if isinstance(pipeline, Pipeline) else [pipeline]
    kinds = [type(step).__name__ for step in steps]
    if len(steps) != 2 or not isinstance(steps[0], ColumnTransformer) or not isinstance(steps[1], XGBClassifier):
        raise UsageError(f"the model is made of {', '.join(kinds)}", wanted="a ColumnTransformer and an XGBClassifier")
    if not hasattr(steps[0], "feature_names_in_"):
        raise UsageError("the pipeline was fitted on an array", wanted="a frame, whose columns have names")
    if steps[0].sparse_output_:
        raise UsageError(
            "the ColumnTransformer makes a sparse matrix, in which xgboost takes zeros for missing values",
            fix="Give it sparse_threshold=0, or its OneHotEncoder sparse_output=False.",
        )
    return steps[0], steps[1]


def _encoder(transformer: Any, features: tuple[str, ...]) -> Encoder:
    known = [str(name) for name in transformer.feature_names_in_]
    lanes: list[Lane] = []
    for name, part, columns in transformer.transformers_:
        sources = _column_names(columns, known)
        if isinstance(part, str) and part == "drop":
            continue
        lanes += _through(part, [Lane(name="", source=source) for source in sources], f'"{name}"')
    used = {lane.source for lane in lanes}
    if not used <= set(features):
        foreign = next(source for source in known if source in used and source not in features)
        raise UsageError(f'the pipeline uses column "{foreign}"', wanted="only features of the contract")
    names = [_plain(str(name)) for name in transformer.get_feature_names_out()]
    if len(set(names)) != len(lanes):
        # Names that differ only in what xgboost does not take.
        names = [f"{name}_{position}" for position, name in enumerate(names)]
    named = zip(names, lanes, strict=True)
    return Encoder(inputs=features, lanes=tuple(replace(lane, name=name) for name, lane in named))


def _column_names(columns: Any, known: list[str]) -> list[str]:
    import numpy as np

    if isinstance(columns, str):
        return [columns]
    chosen = list(columns) if not isinstance(columns, slice) else columns
    if isinstance(chosen, list) and all(isinstance(name, str) for name in chosen):
        return chosen
    return [str(name) for name in np.atleast_1d(np.array(known, dtype=object)[chosen])]


def _plain(name: str) -> str:
    # xgboost refuses these in a feature's name.
    return name.replace("[", "(").replace("]", ")").replace("<", "less than ")


def _through(part: Any, lanes: list[Lane], where: str) -> list[Lane]:
    """Send lanes through one fitted transformer, as its `transform` sends columns."""
    name = type(part).__name__
    if part == "passthrough" or (name == "FunctionTransformer" and part.func is None):
        return lanes
    if name == "Pipeline":
        for _, each in part.steps:
            lanes = _through(each, lanes, where)
        return lanes
    # By the exact class: a subclass may transform in another way.
    kind = f"{type(part).__module__.partition('.')[0]}.{name}"
    if kind not in _TRANSFORMERS:
        raise UsageError(f"the ColumnTransformer's part {where} is a {name}", wanted=SUPPORTED)
    return _TRANSFORMERS[kind](part, lanes, where)


def _then(lane: Lane, *steps: Step) -> Lane:
    return replace(lane, steps=(*lane.steps, *steps))


def _imputer(part: Any, lanes: list[Lane], where: str) -> list[Lane]:
    if not (isinstance(part.missing_values, float) and math.isnan(part.missing_values)):
        raise UsageError(f"part {where}: SimpleImputer(missing_values={part.missing_values!r})", wanted="NaN")
    filled = [
        _then(lane, Step(op="fill", value=_scalar(value, where)))
        for lane, value in zip(lanes, part.statistics_.tolist(), strict=True)
        if part.keep_empty_features or not _is_nan(value)
    ]
    if part.indicator_ is None:
        return filled
    return filled + [_then(lanes[position], Step(op="missing")) for position in part.indicator_.features_.tolist()]


def _standard_scaler(part: Any, lanes: list[Lane], _where: str) -> list[Lane]:
    for operation, values in (("subtract", part.mean_), ("divide", part.scale_)):
        enabled = part.with_mean if operation == "subtract" else part.with_std
        if enabled:
            lanes = [
                _then(lane, Step(op=operation, value=value)) for lane, value in zip(lanes, values.tolist(), strict=True)
            ]
    return lanes


def _ordinal(part: Any, lanes: list[Lane], where: str) -> list[Lane]:
    if part.handle_unknown != "use_encoded_value":
        raise UsageError(
            f'part {where}: OrdinalEncoder(handle_unknown="{part.handle_unknown}") fails on a new category',
            wanted='handle_unknown="use_encoded_value" and an unknown_value',
        )
    unknown = _number(part.unknown_value)
    encoded = []
    for lane, categories in zip(lanes, _categories(part, where), strict=True):
        known, has_missing = categories
        missing = _number(part.encoded_missing_value) if has_missing else unknown
        encoded.append(_then(lane, Step(op="codes", categories=known, missing=missing, unknown=unknown)))
    return encoded


def _one_hot(part: Any, lanes: list[Lane], where: str) -> list[Lane]:
    if part.handle_unknown != "ignore":
        raise UsageError(
            f'part {where}: OneHotEncoder(handle_unknown="{part.handle_unknown}") fails on a new category',
            wanted='handle_unknown="ignore"',
        )
    hot = []
    for position, (lane, (known, has_missing)) in enumerate(zip(lanes, _categories(part, where), strict=True)):
        codes = Step(op="codes", categories=known, missing=len(known) if has_missing else -1, unknown=-1)
        dropped = None if part.drop_idx_ is None else part.drop_idx_[position]
        hot += [
            _then(lane, codes, Step(op="equals", value=code))
            for code in range(len(known) + has_missing)
            if code != dropped
        ]
    return hot


_TRANSFORMERS: dict[str, Callable[[Any, list[Lane], str], list[Lane]]] = {
    "sklearn.SimpleImputer": _imputer,
    "sklearn.StandardScaler": _standard_scaler,
    "sklearn.OrdinalEncoder": _ordinal,
    "sklearn.OneHotEncoder": _one_hot,
}


def _categories(part: Any, where: str) -> list[tuple[tuple[Scalar, ...], bool]]:
    """Give each column's categories without the missing one, and whether there is one; scikit-learn keeps it last."""
    if part.min_frequency is not None or part.max_categories is not None:
        raise UsageError(
            f"part {where}: {type(part).__name__} groups infrequent categories",
            wanted="no min_frequency and no max_categories",
        )
    found = []
    for categories in part.categories_:
        values = categories.tolist()
        gaps = [value for value in values if value is None or _is_nan(value)]
        if len(gaps) > 1:
            raise UsageError(f"part {where}: a column has both None and NaN", wanted="one way to say missing")
        found.append((tuple(_scalar(value, where) for value in values[: len(values) - len(gaps)]), bool(gaps)))
    return found


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _number(value: float) -> float | None:
    return None if _is_nan(value) else float(value)


def _scalar(value: object, where: str) -> Scalar:
    if isinstance(value, Scalar):
        return value
    raise UsageError(f"part {where} has a value of type {type(value).__name__}", wanted="texts or numbers")


def _booster(classifier: Any, encoder: Encoder) -> bytes:
    booster = classifier.get_booster()
    objective = classifier.objective
    if objective != "binary:logistic" or classifier.booster not in (None, "gbtree"):
        raise UsageError(
            f"the XGBClassifier has objective {objective} and booster {classifier.booster}",
            wanted="binary:logistic and gbtree",
        )
    if not _is_nan(classifier.missing):
        raise UsageError(f"the XGBClassifier takes {classifier.missing} for missing", wanted="NaN")
    if "c" in (booster.feature_types or []):
        raise UsageError(
            "the XGBClassifier was fitted on categorical columns",
            fix="Encode them in the ColumnTransformer, with an OrdinalEncoder or a OneHotEncoder.",
        )
    if classifier.early_stopping_rounds is not None:
        # predict_proba stops at the best iteration; the form holds no more than that.
        booster = booster[: booster.best_iteration + 1]
    booster = booster.copy()
    booster.feature_names = [lane.name for lane in encoder.lanes]
    booster.feature_types = None
    return bytes(booster.save_raw("ubj"))
