"""A scheduled run gets a time from Argo, and the flow gets a day."""

import json

import pytest

from platform_cli.errors import ContractBroken
from platform_cli.graph.values import Parameter, ParameterKind, Schedule, Where
from platform_cli.runner.parameters import init_arguments

HERE = Where(file="flow.py", line=1)
DAY = (Parameter(name="as_of", kind=ParameterKind.STRING, where=HERE, required=True),)
IN_BERLIN = Schedule(cron="30 0 * * *", timezone="Europe/Berlin", where=HERE)


def arguments(value: str, schedule: Schedule | None = IN_BERLIN) -> list[str]:
    return init_arguments(DAY, json.dumps([{"name": "as_of", "value": value}]), schedule)


@pytest.mark.parametrize(
    ("given", "day"),
    [("2026-01-01T23:30:00Z", "2026-01-02"), ("2026-06-30T22:30:00Z", "2026-07-01"), ("2026-01-01", "2026-01-01")],
    ids=["winter", "summer", "by-hand"],
)
def test_the_time_of_a_schedule_becomes_the_day_in_its_zone(given: str, day: str):
    assert arguments(given) == [f"--as_of={day}"]


def test_a_flow_without_a_schedule_keeps_what_it_was_given():
    assert arguments("2026-01-01T23:30:00Z", None) == ["--as_of=2026-01-01T23:30:00Z"]


def test_what_is_no_day_is_refused_and_never_retried():
    with pytest.raises(ContractBroken, match='as_of is "soon"'):
        arguments("soon")
