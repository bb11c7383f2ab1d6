"""
The promotion gate: may this version become the champion?

In: a version, the customers of its hold-out, and the thresholds of gate.toml.
Out: a Verdict with one Check per reason, written on the version; where it passed, the version is the champion.

The champion is scored anew on the same hold-out, with its own registered form: figures of two trainings on different
customers cannot be compared. The first model ever has only the absolute thresholds to pass.
"""

from __future__ import annotations

import datetime
import json
import math
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_cli.errors import UsageError, did_you_mean
from platform_cli.models.encoder import Columns
from platform_cli.models.evaluate import Evaluation, changed_band, evaluate, score_stability
from platform_cli.models.form import load_form
from platform_cli.models.version import (
    CHALLENGER,
    CHAMPION,
    PASSED,
    REASONS,
    REFUSED,
    ROLLED_BACK,
    TAG,
    VERDICT,
    Version,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from platform_cli.models.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """
    What gate.toml says.

    Attributes:
        min_rows: customers in the hold-out, at least.
        max_age_days: days since the version was registered, at most; an older challenger loses its role.
        max_auc_loss: how far below the champion's the AUC may be.
        max_calibration_error_gain: how far above the champion's the calibration error may be.
        max_score_psi: population stability index of the scores against the champion's.
        max_band_changed: share of customers whose risk band changes.
    """

    min_rows: float
    max_age_days: float
    min_auc: float
    max_calibration_error: float
    max_auc_loss: float
    max_calibration_error_gain: float
    max_score_psi: float
    max_band_changed: float


@dataclass(frozen=True, kw_only=True)
class Check:
    """One reason of the gate."""

    name: str
    got: str
    wanted: str
    passed: bool


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the gate decided; `champion` is the version that it was compared with, if any."""

    passed: bool
    checks: tuple[Check, ...]
    champion: int | None = None

    def table(self) -> str:
        """Lay the reasons out for people, one per line."""
        rows = [("", "check", "got", "wanted")]
        rows += [("ok" if check.passed else "NO", check.name, check.got, check.wanted) for check in self.checks]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


@dataclass(frozen=True, kw_only=True)
class Holdout:
    """Customers that the candidate was not trained on, what became of them, and the inner edges of the risk bands."""

    columns: Columns
    outcomes: NDArray[Any]
    band_edges: Sequence[float]


def load_thresholds(path: Path) -> Thresholds:
    """
    Read gate.toml.

    Raises:
        UsageError: a key is unknown, missing, or no number at or above zero; names the file and the key.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read ({error})", wanted="the thresholds of the promotion gate") from error
    known = list(Thresholds.__dataclass_fields__)
    for key, value in document.items():
        if key not in known:
            raise UsageError(f'{path}: unknown key "{key}"', fix=did_you_mean(key, known))
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value < 0:
            raise UsageError(f"{path}: {key} is {value!r}", wanted="a number, zero or more")
    for key in known:
        if key not in document:
            raise UsageError(f'{path}: "{key}" is missing', wanted=", ".join(known))
    return Thresholds(**document)


def judge(
    thresholds: Thresholds,
    *,
    age_days: float,
    candidate: Evaluation,
    champion: Evaluation | None = None,
    score_psi: float = 0.0,
    band_changed: float = 0.0,
) -> tuple[Check, ...]:
    """Compare one candidate's figures with the thresholds and, where there is one, with the champion's."""
    checks = [
        _at_least("hold-out rows", candidate.rows, thresholds.min_rows),
        _at_most("age in days", age_days, thresholds.max_age_days),
        _at_least("AUC", candidate.auc, thresholds.min_auc),
        _at_most("calibration error", candidate.calibration_error, thresholds.max_calibration_error),
    ]
    if champion is not None:
        worst_error = champion.calibration_error + thresholds.max_calibration_error_gain
        checks += [
            _at_least("AUC against the champion", candidate.auc, champion.auc - thresholds.max_auc_loss),
            _at_most("calibration error against the champion", candidate.calibration_error, worst_error),
            _at_most("PSI of scores", score_psi, thresholds.max_score_psi),
            _at_most("share of customers in another band", band_changed, thresholds.max_band_changed),
        ]
    return tuple(checks)


def run_gate(
    registry: Registry,
    version: Version,
    holdout: Holdout,
    thresholds: Thresholds,
    *,
    folder: Path,
    now: datetime.datetime,
) -> Verdict:
    """
    Judge a version, write the verdict on it, and promote it where it passed.

    A version that is the champion already keeps its verdict: a step that is tried again changes nothing. Challengers
    older than `max_age_days` lose their role, since they could not pass any more.

    Args:
        folder: where the forms of candidate and champion are fetched to.
    """
    # As it is now: between registration and gate, people may have rolled it back, or an earlier try have judged it.
    version = registry.find(version.model, version.number)
    champion = registry.roles(version.model).get(CHAMPION)
    if champion and champion.number == version.number and version.verdict == PASSED:
        registry.promote(version)
        return read_verdict(version)

    def scores(of: Version) -> NDArray[Any]:
        form = load_form(registry.fetch(of, folder / of.digest), of.digest)
        return form.predict(holdout.columns)

    checks = _compare(version, champion, scores, holdout, thresholds, now=now)
    verdict = Verdict(
        passed=all(check.passed for check in checks), checks=checks, champion=champion.number if champion else None
    )
    registry.note(version, _tags(verdict, now))
    if verdict.passed:
        registry.promote(version)
    for role, holder in registry.roles(version.model).items():
        if role.startswith(CHALLENGER) and _age_days(holder, now) > thresholds.max_age_days:
            registry.retire(version.model, role)
    return verdict


def read_verdict(version: Version) -> Verdict:
    """Read back the verdict that the gate wrote on a version."""
    champion = version.tags.get(f"{TAG}gate.champion", "")
    return Verdict(
        passed=version.verdict == PASSED,
        checks=tuple(Check(**check) for check in json.loads(version.tags.get(REASONS, "[]"))),
        champion=int(champion) if champion else None,
    )


def _compare(
    version: Version,
    champion: Version | None,
    scores: Callable[[Version], NDArray[Any]],
    holdout: Holdout,
    thresholds: Thresholds,
    *,
    now: datetime.datetime,
) -> tuple[Check, ...]:
    after = scores(version)
    age_days = _age_days(version, now)
    candidate = evaluate(holdout.outcomes, after)
    checks: tuple[Check, ...] = ()
    if ROLLED_BACK in version.tags:
        checks = (Check(name="history", got="rolled back", wanted="never rolled back", passed=False),)
    if champion is None:
        return checks + judge(thresholds, age_days=age_days, candidate=candidate)
    if champion.contract != version.contract:
        # The champion cannot score this hold-out: a new contract is a decision of people, not of the gate.
        checks += (Check(name="contract", got=version.contract, wanted=champion.contract, passed=False),)
        return checks + judge(thresholds, age_days=age_days, candidate=candidate)
    before = scores(champion)
    return checks + judge(
        thresholds,
        age_days=age_days,
        candidate=candidate,
        champion=evaluate(holdout.outcomes, before),
        score_psi=score_stability(before, after),
        band_changed=changed_band(before, after, holdout.band_edges),
    )


def _age_days(version: Version, now: datetime.datetime) -> float:
    return (now - version.created).total_seconds() / 86_400


def _tags(verdict: Verdict, now: datetime.datetime) -> dict[str, str]:
    return {
        REASONS: json.dumps([asdict(check) for check in verdict.checks]),
        f"{TAG}gate.champion": "" if verdict.champion is None else str(verdict.champion),
        f"{TAG}gate.judged": now.isoformat(timespec="seconds"),
        # Last: a verdict stands only with its reasons.
        VERDICT: PASSED if verdict.passed else REFUSED,
    }


def _at_least(name: str, got: float, limit: float) -> Check:
    return Check(name=name, got=f"{got:.4g}", wanted=f"at least {limit:.4g}", passed=got >= limit)


def _at_most(name: str, got: float, limit: float) -> Check:
    return Check(name=name, got=f"{got:.4g}", wanted=f"at most {limit:.4g}", passed=got <= limit)
