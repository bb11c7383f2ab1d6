"""The registered form of a pipeline gives its scores, bit by bit, or is refused; what has no form is named."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)
from xgboost import XGBClassifier

from platform_cli.errors import ModelRefused, UsageError
from platform_cli.models.encoder import Step
from platform_cli.models.export import assert_bit_equal, columns_of, export_form
from platform_cli.models.form import Signature, load_form
from tests.unit.models.builders import a_signature

COLUMNS = ("income", "debt", "late", "job", "region", "grade")


def a_frame(rows: int = 300, seed: int = 5) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "income": random.lognormal(10, 1, rows),
            "debt": random.normal(0, 1e6, rows),
            "late": random.integers(-2, 9, rows),
            "job": random.choice(["clerk", "nurse", "pilot <3 y", None], rows),
            "region": random.choice(["north", "south", "[sea]"], rows),
            "grade": random.integers(1, 5, rows),
        }
    )
    frame.loc[random.random(rows) < 0.2, "income"] = np.nan
    return frame


def fitted(transformers: list[tuple[str, Any, Any]], frame: pd.DataFrame, **model: Any) -> Pipeline:
    outcome = (frame["late"] + np.random.default_rng(1).normal(0, 2, len(frame)) > 3).astype(int)
    columns = ColumnTransformer(transformers, sparse_threshold=0, remainder=model.pop("remainder", "drop"))
    classifier = XGBClassifier(n_estimators=8, max_depth=3, n_jobs=1, **model)
    return Pipeline([("columns", columns), ("model", classifier)]).fit(frame, outcome)


def signature() -> Signature:
    return a_signature(features=COLUMNS)


def export(folder: Path, pipeline: Pipeline, holdout: pd.DataFrame | None = None) -> str:
    holdout = a_frame(seed=6) if holdout is None else holdout
    return export_form(folder, pipeline, signature=signature(), reference={}, holdout=holdout)


def _numeric(random: np.random.Generator) -> Any:
    imputer = SimpleImputer(
        strategy=random.choice(["mean", "median", "most_frequent", "constant"]), add_indicator=bool(random.integers(2))
    )
    scaler = random.choice(
        np.array([StandardScaler(), StandardScaler(with_mean=False), StandardScaler(with_std=False)])
    )
    choices = ["passthrough", imputer, scaler, Pipeline([("fill", imputer), ("scale", scaler)])]
    return choices[random.integers(len(choices))]


def _categorical(random: np.random.Generator) -> Any:
    ordinal = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=[-1, np.nan][random.integers(2)],
        encoded_missing_value=[-2, np.nan][random.integers(2)],
    )
    one_hot = OneHotEncoder(handle_unknown="ignore", drop=random.choice(np.array([None, "first"])))
    encoder = ordinal if random.integers(2) else one_hot
    fill = SimpleImputer(strategy=random.choice(["most_frequent", "constant"]))
    choices = [encoder, Pipeline([("fill", fill), ("encode", encoder)])]
    return choices[random.integers(len(choices))]


@pytest.mark.filterwarnings("ignore:Found unknown categories:UserWarning")
@pytest.mark.parametrize("seed", range(40))
def test_random_pipelines_score_the_same_in_every_bit(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    frame = a_frame(seed=seed)
    texts = ["job", "region", "grade"][: random.integers(1, 4)]
    # `grade` is a number: texts and numbers cannot share an imputer, which makes one array of its columns.
    parts = [("numbers", _numeric(random), ["income", "debt", "late"])]
    parts += [(name, _categorical(random), [name]) for name in texts]
    pipeline = fitted(parts, frame, remainder="passthrough" if len(texts) == 3 else "drop")
    form = load_form(tmp_path, export(tmp_path, pipeline))

    strangers = a_frame(rows=500, seed=seed + 1000)
    strangers["region"] = np.random.default_rng(seed).choice(["south", "moon", ""], 500)
    strangers["job"] = np.random.default_rng(seed).choice(["nurse", "astronaut", None], 500)
    strangers.loc[::3, "grade"] = 77
    wanted = pipeline.predict_proba(strangers)[:, 1]
    assert form.predict(columns_of(strangers)).tobytes() == wanted.astype(np.float32).tobytes()


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values:UserWarning")
def test_a_column_that_was_never_observed_leaves_with_the_imputer(tmp_path: Path) -> None:
    frame = a_frame()
    frame["debt"] = np.nan
    pipeline = fitted([("numbers", SimpleImputer(), ["income", "debt", "late"])], frame)
    form = load_form(tmp_path, export(tmp_path, pipeline))
    assert [lane.source for lane in form.encoder.lanes] == ["income", "late"]


def test_early_stopping_keeps_only_the_trees_that_predict(tmp_path: Path) -> None:
    frame = a_frame()
    pipeline = fitted([("numbers", "passthrough", ["income", "late"])], frame)
    outcome = np.random.default_rng(0).integers(0, 2, len(frame))
    classifier = XGBClassifier(n_estimators=60, early_stopping_rounds=2, n_jobs=1)
    matrix = pipeline[0].transform(frame)
    classifier.fit(matrix, outcome, eval_set=[(matrix[:50], outcome[:50][::-1])], verbose=False)
    pipeline.steps[-1] = ("model", classifier)
    form = load_form(tmp_path, export(tmp_path, pipeline))
    assert form.booster.num_boosted_rounds() == classifier.best_iteration + 1 < 60


def test_columns_may_be_chosen_by_position_slice_and_name(tmp_path: Path) -> None:
    parts = [("a", "passthrough", [2]), ("b", StandardScaler(), slice(0, 2))]
    form = load_form(tmp_path, export(tmp_path, fitted(parts, a_frame())))
    assert [(lane.name, lane.source) for lane in form.encoder.lanes] == [
        ("a__late", "late"),
        ("b__income", "income"),
        ("b__debt", "debt"),
    ]


@pytest.mark.parametrize(
    ("part", "named"),
    [
        (RobustScaler(), "is a RobustScaler"),
        (MinMaxScaler(), "is a MinMaxScaler"),
        (PowerTransformer(), "is a PowerTransformer"),
        (FunctionTransformer(np.abs), "is a FunctionTransformer"),
        (Pipeline([("fill", SimpleImputer()), ("robust", RobustScaler())]), "a RobustScaler"),
        (OneHotEncoder(handle_unknown="error"), 'OneHotEncoder(handle_unknown="error")'),
        (OrdinalEncoder(), 'OrdinalEncoder(handle_unknown="error")'),
        (OneHotEncoder(handle_unknown="ignore", max_categories=3), "OneHotEncoder groups infrequent categories"),
        (SimpleImputer(missing_values=-1), "SimpleImputer(missing_values=-1)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_part_without_a_registered_form_is_named(part: Any, named: str, tmp_path: Path) -> None:
    pipeline = fitted([("late payments", part, ["late"])], a_frame())
    with pytest.raises(UsageError) as refused:
        export(tmp_path, pipeline)
    assert named in str(refused.value)
    assert '"late payments"' in str(refused.value)


class _OwnScaler(StandardScaler):
    def transform(self, columns: Any) -> Any:  # type: ignore[override]
        return super().transform(columns) * 2


def test_a_subclass_of_a_supported_transformer_is_refused_because_it_may_do_anything(tmp_path: Path) -> None:
    pipeline = fitted([("own", _OwnScaler(), ["late"])], a_frame())
    with pytest.raises(UsageError, match='part "own" is a _OwnScaler'):
        export(tmp_path, pipeline)


def test_a_sparse_matrix_is_refused_because_xgboost_takes_its_zeros_for_missing(tmp_path: Path) -> None:
    frame = a_frame()
    columns = ColumnTransformer([("job", OneHotEncoder(handle_unknown="ignore"), ["job"])], sparse_threshold=1.0)
    pipeline = Pipeline([("columns", columns), ("model", XGBClassifier(n_estimators=2))])
    pipeline.fit(frame, frame["grade"] > 2)
    with pytest.raises(UsageError, match="makes a sparse matrix"):
        export(tmp_path, pipeline)


def test_a_model_of_another_objective_is_refused(tmp_path: Path) -> None:
    frame = a_frame()
    pipeline = fitted([("numbers", "passthrough", ["late"])], frame)
    pipeline.steps[-1] = ("model", XGBClassifier(n_estimators=2).fit(frame[["late"]].to_numpy(), frame["grade"] - 1))
    with pytest.raises(UsageError, match="objective multi:softprob"):
        export(tmp_path, pipeline)


def test_a_column_outside_the_contract_is_refused_by_name(tmp_path: Path) -> None:
    frame = a_frame().assign(sex=1)
    pipeline = fitted([("numbers", "passthrough", ["late", "sex"])], frame)
    with pytest.raises(UsageError, match='the pipeline uses column "sex"'):
        export(tmp_path, pipeline, frame)


def test_a_form_that_encodes_otherwise_is_refused_with_the_number_of_rows_and_the_first(tmp_path: Path) -> None:
    pipeline = fitted([("numbers", SimpleImputer(strategy="constant", fill_value=0), ["income", "late"])], a_frame())
    form = load_form(tmp_path, export(tmp_path, pipeline))
    income, late = form.encoder.lanes
    other = dataclasses.replace(income, steps=(Step(op="fill", value=1e9),))
    form = dataclasses.replace(form, encoder=dataclasses.replace(form.encoder, lanes=(other, late)))
    customers = a_frame(rows=20, seed=9)
    customers["income"] = [5e4] * 20
    assert_bit_equal(form, pipeline, customers)
    customers.loc[[3, 4, 11], "income"] = np.nan
    with pytest.raises(ModelRefused, match=r"3 of 20 scores of the exported form differ .* the first in row 3: "):
        assert_bit_equal(form, pipeline, customers)


@pytest.mark.real
@pytest.mark.slow
def test_on_real_customers_the_registered_form_reaches_an_auc_of_77_percent(
    real_customers: Path, tmp_path: Path
) -> None:
    customers = pd.read_csv(real_customers)
    customers["utilisation"] = customers["bill_amount_1m"] / customers["credit_limit"]
    monthly = [
        f"{name}_{month}m" for name in ("repayment_status", "bill_amount", "payment_amount") for month in range(1, 7)
    ]
    features = ("credit_limit", *monthly, "utilisation")
    assert len(features) == 20
    outcome = customers["default_next_month"].to_numpy()
    scores = []
    for fold, (train, test) in enumerate(StratifiedKFold(5, shuffle=True, random_state=7).split(customers, outcome)):
        pipeline = Pipeline(
            [
                ("columns", ColumnTransformer([("all", "passthrough", list(features))])),
                ("model", XGBClassifier(n_estimators=80, max_depth=4, learning_rate=0.1, subsample=0.8, n_jobs=1)),
            ]
        ).fit(customers.iloc[train], outcome[train])
        holdout = customers.iloc[test]
        origin = a_signature(features=features)
        digest = export_form(tmp_path / str(fold), pipeline, signature=origin, reference={}, holdout=holdout)
        form = load_form(tmp_path / str(fold), digest)
        scores.append(roc_auc_score(outcome[test], form.predict(columns_of(holdout))))
    assert np.mean(scores) >= 0.77
