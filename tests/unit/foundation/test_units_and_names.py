"""Amounts carry their units, and one rule names each thing."""

import datetime

import pytest

from platform_cli.errors import ContractBroken, UsageError
from platform_cli.names import Channel, flow_slug, parse_day, registered_model_name
from platform_cli.units import Cpu, Duration, Memory

TODAY = datetime.date(2026, 11, 23)


@pytest.mark.parametrize(("text", "size"), [("8Gi", 8 * 2**30), ("512M", 512_000_000), ("1.5Ki", 1536), ("7", 7)])
def test_memory_reads_kubernetes_quantities(text: str, size: int) -> None:
    assert Memory.parse(text).bytes == size


@pytest.mark.parametrize(("text", "millicores"), [("2", 2000), ("0.5", 500), ("250m", 250)])
def test_cpu_reads_kubernetes_quantities(text: str, millicores: int) -> None:
    assert Cpu.parse(text).millicores == millicores


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1h30m", 5400), ("2d", 172800)])
def test_durations_add_their_parts(text: str, seconds: int) -> None:
    assert Duration.parse(text).seconds == seconds


@pytest.mark.parametrize("parse", [Memory.parse, Cpu.parse, Duration.parse], ids=["memory", "cpu", "duration"])
@pytest.mark.parametrize("text", ["", "8 GB", "-1", "1e3", "ten", "8Gi "[::-1]])
def test_an_amount_without_a_clear_unit_is_refused(parse: object, text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)  # type: ignore[operator]


def test_amounts_print_as_kubernetes_writes_them() -> None:
    assert [str(Memory(8 * 2**30)), str(Memory(1000)), str(Cpu(250)), str(Cpu(2000))] == ["8Gi", "1000", "250m", "2"]


@pytest.mark.parametrize(("name", "slug"), [("RiskinessScore", "riskiness-score"), ("HTTPFlow", "http-flow")])
def test_a_flow_has_one_name_outside_python(name: str, slug: str) -> None:
    assert flow_slug(name) == slug


def test_an_ad_hoc_models_name_is_never_productions() -> None:
    assert registered_model_name("riskiness", Channel("adhoc/ann")) == "riskiness--adhoc--ann"
    assert registered_model_name("riskiness", Channel("production")) == "riskiness"


@pytest.mark.parametrize("name", ["", "adhoc", "adhoc/", "adhoc/Ann", "staging", "adhoc/a/b", "adhoc/../production"])
def test_a_channel_is_production_local_or_somebodys(name: str) -> None:
    with pytest.raises(UsageError):
        Channel(name)


@pytest.mark.parametrize("text", ["", "today", "2026-02-30", "2026-1-1", "20261122", "2026-11-22T00:00:00Z"])
def test_a_malformed_day_is_refused(text: str) -> None:
    with pytest.raises(ContractBroken, match="as_of"):
        parse_day(text, today=TODAY)


def test_a_day_in_the_future_is_refused_and_today_is_not() -> None:
    assert parse_day("2026-11-23", today=TODAY) == TODAY
    with pytest.raises(ContractBroken, match="in the future"):
        parse_day("2026-11-24", today=TODAY)
