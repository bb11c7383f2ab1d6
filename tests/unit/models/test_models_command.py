"""`platform models`: what it prints, in what form, and whom it lets move a champion."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from platform_cli.cli.main import main
from platform_cli.models.registry import Registry, open_registry
from platform_cli.names import Channel
from tests.unit.models.builders import a_version

SCHEMAS = Path(__file__).resolve().parents[3] / "platform_cli/cli/schemas"
PASSED = {"platform.gate.verdict": "passed"}
REFUSED = {
    "platform.gate.verdict": "refused",
    "platform.gate.reasons": '[{"name": "AUC", "got": "0.6", "wanted": "at least 0.7", "passed": false}]',
}


@pytest.fixture(autouse=True)
def _here(models_uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PLATFORM_MODELS", models_uri)
    monkeypatch.chdir(tmp_path)


def run(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["models", *words])
    printed = capfd.readouterr()
    return code, printed.out, printed.err


def document(capfd: pytest.CaptureFixture[str], verb: str, *words: str, code: int = 0) -> Any:
    """Run with --json; what is printed fits the published schema."""
    answer = run(capfd, verb, *words, "--json")
    assert answer[0] == code, answer[2]
    printed = json.loads(answer[1])
    jsonschema.validate(
        printed,
        json.loads((SCHEMAS / f"models-{verb}.json").read_text()),
        format_checker=jsonschema.FormatChecker(),
    )
    return printed


def test_an_empty_registry_lists_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(capfd, "list") == (0, "no models are registered\n", "")
    assert document(capfd, "list") == {"models": []}


def test_the_list_names_the_holders_of_roles(
    registry: Registry, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    registry.promote(a_version(registry, tmp_path, trees=5))
    a_version(registry, tmp_path, trees=6, challenger="large")
    (model,) = document(capfd, "list")["models"]
    del model["newest"]
    assert model == {"model": "riskiness", "champion": 1, "challengers": {"challenger-large": 2}, "versions": 2}
    heading, row = run(capfd, "list")[1].splitlines()
    assert heading.split() == ["model", "champion", "challengers", "versions", "newest"]
    assert row.split()[:4] == ["riskiness", "1", "challenger-large/2", "2"]


@pytest.mark.parametrize("reference", ["riskiness@champion", "riskiness/1"])
def test_one_version_is_shown_with_evaluation_and_verdict(
    reference: str, registry: Registry, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    version = a_version(registry, tmp_path)
    registry.note(version, REFUSED)
    registry.promote(version)
    (shown,) = document(capfd, "show", reference)["versions"]
    assert (shown["version"], shown["roles"], shown["verdict"]) == (1, ["champion"], "refused")
    assert (shown["metrics"], shown["params"], shown["digest"]) == ({"auc": 0.75}, {"trees": "5"}, version.digest)
    assert shown["checks"] == [{"name": "AUC", "got": "0.6", "wanted": "at least 0.7", "passed": False}]
    assert run(capfd, "show", reference)[1].splitlines()[-1].split() == ["NO", "AUC", "0.6", "at", "least", "0.7"]


def test_all_versions_of_a_model_are_shown_newest_first(
    registry: Registry, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for trees in (5, 6):
        a_version(registry, tmp_path, trees=trees)
    assert [version["version"] for version in document(capfd, "show", "riskiness")["versions"]] == [2, 1]
    assert [line.split()[0] for line in run(capfd, "show", "riskiness")[1].splitlines()] == ["version", "2", "1"]


def test_a_difference_ends_with_3_and_names_the_fields(
    registry: Registry, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    a_version(registry, tmp_path, trees=5)
    a_version(registry, tmp_path, trees=6, data="data-2")
    found = document(capfd, "diff", "riskiness/1", "riskiness/2", code=3)
    assert [change["field"] for change in found["changes"]] == ["digest", "training_run", "data"]
    assert found["changes"][2] == {"field": "data", "first": "data-1", "second": "data-2"}
    assert "riskiness/1 and riskiness/2 differ in 3 things" in run(capfd, "diff", "riskiness/1", "riskiness/2")[2]
    assert run(capfd, "diff", "riskiness/1", "riskiness/1") == (0, "no difference\n", "")


def test_what_the_gate_passed_is_promoted_and_can_be_rolled_back(
    registry: Registry, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for trees in (5, 6):
        registry.note(a_version(registry, tmp_path, trees=trees), PASSED)
    assert document(capfd, "promote", "riskiness", "--version", "1")["before"] is None
    moved = run(capfd, "promote", "riskiness", "--version", "2", "--reason", "new data")
    assert moved == (0, "champion of riskiness: version 2, was 1\n", "")
    assert registry.resolve("riskiness").tags["platform.reason"] == "new data"
    assert document(capfd, "rollback", "riskiness") == {"model": "riskiness", "before": 2, "champion": 1}
    assert registry.resolve("riskiness").number == 1


@pytest.mark.parametrize(
    ("tags", "state"),
    [({}, "was not judged by the gate"), (REFUSED, "was refused by the gate (AUC)")],
    ids=["not judged", "refused"],
)
def test_what_the_gate_did_not_pass_needs_a_reason_that_is_recorded(
    tags: dict[str, str], state: str, registry: Registry, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    registry.note(a_version(registry, tmp_path), tags)
    code, _, said = run(capfd, "promote", "riskiness", "--version", "1")
    assert code == 4
    assert said == (
        f"version 1 of riskiness {state}; wanted a version that passed.\n"
        '  To promote it all the same: `platform models promote riskiness --version 1 --override "<why>"`.\n'
    )
    assert registry.roles("riskiness") == {}
    document(capfd, "promote", "riskiness", "--version", "1", "--override", "the audit asks for it")
    assert registry.resolve("riskiness").tags["platform.override"] == "the audit asks for it"


@pytest.mark.parametrize("words", [("promote", "riskiness", "--version", "1"), ("rollback", "riskiness")], ids="/".join)
def test_an_ad_hoc_channel_sees_productions_champion_and_cannot_move_it(
    words: tuple[str, ...],
    models_uri: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    production = open_registry(models_uri, Channel("production"))
    version = a_version(production, tmp_path)
    production.note(version, PASSED)
    production.promote(version)
    monkeypatch.setenv("PLATFORM_CHANNEL", "adhoc/ada")
    assert document(capfd, "show", "riskiness@champion")["model"] == "riskiness"
    code, _, said = run(capfd, *words)
    assert (code, said.splitlines()[0]) == (
        4,
        'channel adhoc/ada may not change model "riskiness"; wanted its own "riskiness--adhoc--ada".',
    )
    assert production.find("riskiness", 1).tags.get("platform.rolled-back") is None


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("show", "fraud"), 6, "there is no model fraud"),
        (("show", "riskiness@champion"), 6, "model riskiness has no champion"),
        (("show", "riskiness/9"), 6, "model riskiness has no version 9"),
        (("show", "risk iness"), 2, 'model is "risk iness"; wanted NAME, NAME@role or NAME/version'),
        (("rollback", "riskiness"), 6, "model riskiness has no champion"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_does_not_exist_is_said(
    words: tuple[str, ...], code: int, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = run(capfd, *words)
    assert answer[0] == code
    assert said in answer[2]
