"""The one rule that names runs and templates."""

import re

import pytest

from platform_cli.errors import ContractBroken
from platform_cli.names import Channel, day_of_schedule, run_name, template_name

PRODUCTION, ADA = Channel("production"), Channel("adhoc/ada")


def test_the_same_work_has_the_same_name_whoever_asks():
    one = run_name("RiskScore", PRODUCTION, "2026-01-02", {"a": "1", "b": "2"}, "c0de")
    assert one == run_name("RiskScore", PRODUCTION, "2026-01-02", {"b": "2", "a": "1"}, "c0de")
    assert re.fullmatch(r"risk-score-2026-01-02-[0-9a-f]{10}", one)


@pytest.mark.parametrize(
    "other",
    [
        ("RiskTrain", PRODUCTION, "2026-01-02", {"a": "1"}, "c0de"),
        ("RiskScore", ADA, "2026-01-02", {"a": "1"}, "c0de"),
        ("RiskScore", PRODUCTION, "2026-01-03", {"a": "1"}, "c0de"),
        ("RiskScore", PRODUCTION, "2026-01-02", {"a": "2"}, "c0de"),
        ("RiskScore", PRODUCTION, "2026-01-02", {"a": "1"}, "f00d"),
    ],
    ids=["flow", "channel", "day", "parameters", "code"],
)
def test_other_work_has_another_name(other: tuple[str, Channel, str, dict[str, str], str]):
    assert run_name(*other) != run_name("RiskScore", PRODUCTION, "2026-01-02", {"a": "1"}, "c0de")


def test_a_name_fits_a_label_however_long_the_flows_is():
    name = run_name("AVeryLongNameOfAFlow" * 6, PRODUCTION, "2026-01-02", {}, "c0de")
    assert len(name) <= 63
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name)


def test_long_names_that_begin_alike_stay_different():
    one, other = ("Flow" * 30 + end for end in ("One", "Two"))
    assert template_name(one, PRODUCTION, "") != template_name(other, PRODUCTION, "")


@pytest.mark.parametrize("flow", ["Risk", "AVeryLongNameOfAFlow" * 6], ids=["short", "long"])
def test_an_ad_hoc_template_ends_in_owner_and_code_and_fits_cron(flow: str):
    name = template_name(flow, ADA, "0123456789abcdef")
    assert name.endswith("-ada-01234567")
    assert len(name) <= 52
    assert name != template_name(flow, PRODUCTION, "0123456789abcdef")


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-01-02", "2026-01-02"),
        ("2026-01-02T04:00:00Z", "2026-01-02"),
        ("2026-01-01T23:30:00Z", "2026-01-02"),
        ("2026-07-01T22:30:00Z", "2026-07-02"),
        ("2026-01-02T00:30:00+05:00", "2026-01-01"),
    ],
    ids=["day", "morning", "winter-evening", "summer-evening", "other-offset"],
)
def test_a_scheduled_time_is_for_the_day_it_is_in_the_schedules_zone(text: str, day: str):
    assert day_of_schedule(text, "Europe/Berlin") == day


@pytest.mark.parametrize("text", ["yesterday", "2026-01-02T04:00:00", "2026-13-01T00:00:00Z", ""])
def test_a_time_that_is_none_breaks_the_contract(text: str):
    with pytest.raises(ContractBroken, match="as_of is"):
        day_of_schedule(text, "Europe/Berlin")
