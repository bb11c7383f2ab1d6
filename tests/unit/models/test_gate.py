"""The gate promotes what is not worse than the champion, refuses the rest, and leaves its reasons on the version."""

import dataclasses
import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platform_cli.errors import UsageError
from platform_cli.models.evaluate import Evaluation
from platform_cli.models.gate import Holdout, Thresholds, Verdict, judge, load_thresholds, run_gate
from platform_cli.models.registry import Registry
from tests.unit.models.builders import FEATURES, a_booster, a_version, outcomes, some_customers

ROOT = Path(__file__).resolve().parents[3]
THRESHOLDS = Thresholds(
    min_rows=1000,
    max_age_days=30,
    min_auc=0.7,
    max_calibration_error=0.05,
    max_auc_loss=0.01,
    max_calibration_error_gain=0.01,
    max_score_psi=0.25,
    max_band_changed=0.3,
)
LAX = dataclasses.replace(
    THRESHOLDS, min_rows=10, min_auc=0.5, max_calibration_error=1, max_score_psi=9, max_auc_loss=1
)


def an_evaluation(**changes: Any) -> Evaluation:
    values = {"rows": 6000, "auc": 0.78, "ks": 0.4, "brier": 0.14, "calibration_error": 0.01}
    return Evaluation(**{**values, **changes}, roc=(), calibration=())


def refusals(**changes: Any) -> list[str]:
    """Judge a good candidate with some things changed, against a champion as good; name the checks that fail."""
    figures: dict[str, Any] = {"age_days": 1.0, "candidate": an_evaluation(), "champion": an_evaluation()}
    return [check.name for check in judge(THRESHOLDS, **{**figures, **changes}) if not check.passed]


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        pytest.param({}, [], id="as good as the champion"),
        pytest.param({"candidate": an_evaluation(auc=0.80)}, [], id="better"),
        pytest.param({"candidate": an_evaluation(auc=0.771)}, [], id="AUC a little lower"),
        pytest.param({"candidate": an_evaluation(auc=0.769)}, ["AUC against the champion"], id="AUC lower"),
        pytest.param({"candidate": an_evaluation(calibration_error=0.019)}, [], id="calibration a little worse"),
        pytest.param(
            {"candidate": an_evaluation(calibration_error=0.021)},
            ["calibration error against the champion"],
            id="calibration worse",
        ),
        pytest.param({"score_psi": 0.249}, [], id="scores moved a little"),
        pytest.param({"score_psi": 0.251}, ["PSI of scores"], id="scores moved"),
        pytest.param({"score_psi": float("nan")}, ["PSI of scores"], id="PSI that is no number"),
        pytest.param({"band_changed": 0.29}, [], id="some bands change"),
        pytest.param({"band_changed": 0.31}, ["share of customers in another band"], id="many bands change"),
        pytest.param({"age_days": 29.9}, [], id="almost too old"),
        pytest.param({"age_days": 30.1}, ["age in days"], id="too old"),
        pytest.param({"candidate": an_evaluation(rows=1000)}, [], id="just enough rows"),
        pytest.param({"candidate": an_evaluation(rows=999)}, ["hold-out rows"], id="too few rows"),
        pytest.param({"candidate": an_evaluation(auc=0.70), "champion": None}, [], id="first, good enough"),
        pytest.param({"candidate": an_evaluation(auc=0.69), "champion": None}, ["AUC"], id="first, not good enough"),
        pytest.param(
            {"candidate": an_evaluation(calibration_error=0.06), "champion": None},
            ["calibration error"],
            id="first, badly calibrated",
        ),
    ],
)
def test_a_candidate_passes_exactly_when_every_threshold_holds(changes: dict[str, Any], refused: list[str]) -> None:
    assert refusals(**changes) == refused


def test_the_first_model_is_not_compared_with_anybody() -> None:
    checks = judge(THRESHOLDS, age_days=1.0, candidate=an_evaluation())
    assert [check.name for check in checks] == ["hold-out rows", "age in days", "AUC", "calibration error"]


def test_the_reasons_print_as_a_table() -> None:
    checks = judge(THRESHOLDS, age_days=40.0, candidate=an_evaluation())
    assert Verdict(passed=False, checks=checks).table() == (
        "    check              got   wanted\n"
        "ok  hold-out rows      6000  at least 1000\n"
        "NO  age in days        40    at most 30\n"
        "ok  AUC                0.78  at least 0.7\n"
        "ok  calibration error  0.01  at most 0.05"
    )


# -- the file of thresholds


def test_the_riskiness_model_has_thresholds() -> None:
    assert load_thresholds(ROOT / "flows/riskiness/gate.toml").min_auc >= 0.7


GOOD = {name: getattr(THRESHOLDS, name) for name in Thresholds.__dataclass_fields__}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"min_auk": 0.7}, 'unknown key "min_auk".\n  Did you mean "min_auc"?', id="a slip of the pen"),
        pytest.param({"min_auc": None}, '"min_auc" is missing', id="a key is missing"),
        pytest.param({"min_auc": '"high"'}, "min_auc is 'high'; wanted a number", id="a word"),
        pytest.param({"min_auc": "true"}, "min_auc is True; wanted a number", id="a truth"),
        pytest.param({"min_auc": "nan"}, "min_auc is nan; wanted a number", id="not a number"),
        pytest.param({"max_score_psi": -1}, "max_score_psi is -1; wanted a number, zero or more", id="below zero"),
        pytest.param({"min_auc": "="}, "cannot be read", id="no TOML"),
    ],
)
def test_a_wrong_threshold_is_refused_with_file_and_key(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    lines = {**GOOD, **change}
    text = "\n".join(f"{key} = {value}" for key, value in lines.items() if value is not None)
    (tmp_path / "gate.toml").write_text(text)
    with pytest.raises(UsageError) as refused:
        load_thresholds(tmp_path / "gate.toml")
    assert str(tmp_path / "gate.toml") in str(refused.value)
    assert message in str(refused.value)


# -- with a real registry


def a_holdout(rows: int = 300) -> Holdout:
    customers = some_customers(rows=rows, seed=11)
    return Holdout(columns=customers, outcomes=outcomes(customers, seed=11), band_edges=[0.2, 0.5])


def now(days: float = 0) -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)


def test_the_first_model_that_is_good_enough_becomes_champion(registry: Registry, tmp_path: Path) -> None:
    version = a_version(registry, tmp_path, challenger="small")
    verdict = run_gate(registry, version, a_holdout(), LAX, folder=tmp_path / "work", now=now())
    assert verdict.passed
    assert {role: held.number for role, held in registry.roles("riskiness").items()} == {"champion": 1}


def test_a_refused_model_stays_challenger_and_the_champion_stays_champion(registry: Registry, tmp_path: Path) -> None:
    registry.promote(a_version(registry, tmp_path, trees=40))
    worse = a_version(registry, tmp_path, trees=1, challenger="small")
    strict = dataclasses.replace(LAX, max_auc_loss=0, max_calibration_error_gain=0)
    verdict = run_gate(registry, worse, a_holdout(), strict, folder=tmp_path / "work", now=now())
    assert (verdict.passed, verdict.champion) == (False, 1)
    assert {role: held.number for role, held in registry.roles("riskiness").items()} == {
        "champion": 1,
        "challenger-small": 2,
    }


def test_a_better_model_replaces_the_champion_who_stays_reachable(registry: Registry, tmp_path: Path) -> None:
    registry.promote(a_version(registry, tmp_path, trees=5))
    better = a_version(registry, tmp_path, trees=40, challenger="large")
    lax = dataclasses.replace(LAX, max_band_changed=1, max_calibration_error_gain=1)
    assert run_gate(registry, better, a_holdout(), lax, folder=tmp_path / "work", now=now()).passed
    assert registry.resolve("riskiness").number == 2
    assert registry.rollback("riskiness")[1].number == 1


def test_the_verdict_and_its_reasons_are_written_on_the_version(registry: Registry, tmp_path: Path) -> None:
    registry.promote(a_version(registry, tmp_path, trees=40))
    worse = a_version(registry, tmp_path, trees=1)
    strict = dataclasses.replace(LAX, max_score_psi=0)
    run_gate(registry, worse, a_holdout(), strict, folder=tmp_path / "work", now=now())
    tags = registry.find("riskiness", 2).tags
    assert (tags["platform.gate.verdict"], tags["platform.gate.champion"]) == ("refused", "1")
    reasons = json.loads(tags["platform.gate.reasons"])
    assert [reason["name"] for reason in reasons][-2:] == ["PSI of scores", "share of customers in another band"]
    assert (reasons[-2]["wanted"], reasons[-2]["passed"]) == ("at most 0", False)


def test_the_champion_is_scored_anew_on_the_same_holdout(registry: Registry, tmp_path: Path) -> None:
    registry.promote(a_version(registry, tmp_path, trees=5))
    same_booster = a_version(registry, tmp_path, trees=5, code="code-2")
    none = dataclasses.replace(LAX, max_auc_loss=0, max_calibration_error_gain=0, max_score_psi=0, max_band_changed=0)
    verdict = run_gate(registry, same_booster, a_holdout(), none, folder=tmp_path / "work", now=now())
    assert {check.name: check.got for check in verdict.checks}["PSI of scores"] == "0"
    assert verdict.passed


def test_a_gate_that_is_run_again_changes_nothing(registry: Registry, tmp_path: Path) -> None:
    version = a_version(registry, tmp_path)
    first = run_gate(registry, version, a_holdout(), LAX, folder=tmp_path / "work", now=now())
    before = registry.find("riskiness", 1)
    # A step that is tried again hands over the version as it was before it was judged.
    again = run_gate(registry, version, a_holdout(), LAX, folder=tmp_path / "work", now=now(days=400))
    assert (again, registry.find("riskiness", 1)) == (first, before)


def test_what_people_rolled_back_no_late_gate_promotes_again(registry: Registry, tmp_path: Path) -> None:
    registry.promote(a_version(registry, tmp_path, trees=5))
    version = a_version(registry, tmp_path, trees=6)
    registry.promote(version)
    registry.rollback("riskiness")
    late = run_gate(registry, version, a_holdout(), LAX, folder=tmp_path / "work", now=now())
    assert [check.name for check in late.checks if not check.passed] == ["history"]
    assert registry.resolve("riskiness").number == 1


def test_a_challenger_too_old_to_pass_loses_its_role(registry: Registry, tmp_path: Path) -> None:
    registry.promote(a_version(registry, tmp_path, trees=5))
    a_version(registry, tmp_path, trees=6, challenger="old")
    candidate = a_version(registry, tmp_path, trees=7, challenger="late")
    run_gate(registry, candidate, a_holdout(), LAX, folder=tmp_path / "work", now=now(days=31))
    assert list(registry.roles("riskiness")) == ["champion"]


def test_a_model_of_another_contract_is_left_to_people(registry: Registry, tmp_path: Path) -> None:
    registry.promote(a_version(registry, tmp_path, trees=5))
    other = a_version(registry, tmp_path, trees=6, contract="contract-2")
    verdict = run_gate(registry, other, a_holdout(), LAX, folder=tmp_path / "work", now=now())
    assert [(check.name, check.got, check.wanted) for check in verdict.checks if not check.passed] == [
        ("contract", "contract-2", "contract-1")
    ]


def test_the_gates_auc_is_that_of_the_registered_booster(registry: Registry, tmp_path: Path) -> None:
    holdout = a_holdout()
    verdict = run_gate(registry, a_version(registry, tmp_path), holdout, LAX, folder=tmp_path / "work", now=now())
    matrix = np.column_stack([holdout.columns[name] for name in FEATURES]).astype(np.float32)
    scores = a_booster().inplace_predict(matrix)
    gaps = scores[holdout.outcomes == 1][:, None] - scores[holdout.outcomes == 0][None, :]
    share = np.mean((gaps > 0) + (gaps == 0) / 2)
    assert {check.name: check.got for check in verdict.checks}["AUC"] == f"{share:.4g}"
