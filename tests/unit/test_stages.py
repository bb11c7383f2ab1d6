"""`make test` holds its stages to their shares of CI's time."""

import pytest

from scripts.stages import STAGES, Outcome, Stage, main, verdict

QUICK = Stage("quick", 2, ("true",))


def test_the_shares_leave_a_margin_within_the_90_minutes_of_ci() -> None:
    assert sum(stage.minutes for stage in STAGES) <= 75


@pytest.mark.parametrize(
    ("code", "minutes", "is_ci", "wanted"),
    [(0, 1.9, True, 0), (1, 0.1, False, 1), (0, 2.1, True, 0), (0, 85.0, True, 1), (0, 85.0, False, 0)],
    ids=["in time", "failed", "borrows", "late under CI", "late on a laptop"],
)
def test_a_stage_fails_by_its_command_and_all_together_under_ci_by_their_time(
    code: int, minutes: float, is_ci: bool, wanted: int
) -> None:
    assert verdict([Outcome(QUICK, 0, 0.1), Outcome(QUICK, code, minutes)], is_ci=is_ci) == wanted


def test_a_stage_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clutser"]) == 2
    assert "no stage clutser" in capsys.readouterr().err
