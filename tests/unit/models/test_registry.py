"""A version is a digest; roles are found by name and move only in their own channel."""

import datetime
import os
import subprocess
import sys
from pathlib import Path

import pytest

from platform_cli.errors import ModelRefused, NoChampion, NotAllowed, NotFound, SettingsError, UsageError
from platform_cli.models.registry import Registry, open_registry
from platform_cli.names import Channel
from tests.unit.models.builders import a_form, a_training, a_version


def test_a_version_says_what_it_was_made_from(registry: Registry, tmp_path: Path) -> None:
    run = a_training(registry)
    digest = a_form(tmp_path / "form", training_run=run)
    version = registry.register(tmp_path / "form", digest)
    assert (version.model, version.number, version.digest) == ("riskiness", 1, digest)
    assert (version.training_run, version.data, version.code, version.contract) == (
        run,
        "data-1",
        "code-1",
        "contract-1",
    )
    assert abs(version.created - datetime.datetime.now(datetime.UTC)) < datetime.timedelta(minutes=5)
    assert registry.training(version).metrics == {"auc": 0.75}


def test_registering_the_same_digest_again_is_the_same_version(registry: Registry, tmp_path: Path) -> None:
    first = a_version(registry, tmp_path, challenger="small")
    again = a_version(registry, tmp_path, challenger="small")
    assert (again.number, again.digest) == (1, first.digest)
    assert [version.number for version in registry.versions("riskiness")] == [1]


def test_another_digest_is_another_version(registry: Registry, tmp_path: Path) -> None:
    a_version(registry, tmp_path, trees=5)
    a_version(registry, tmp_path, trees=6)
    assert [version.number for version in registry.versions("riskiness")] == [2, 1]


def test_a_training_logged_twice_under_one_key_is_one_run(registry: Registry) -> None:
    assert a_training(registry) == a_training(registry)
    assert a_training(registry) != a_training(registry, key="RiskinessTrain/2")


def test_a_folder_that_is_not_what_its_digest_says_is_never_registered(registry: Registry, tmp_path: Path) -> None:
    digest = a_form(tmp_path / "form", training_run=a_training(registry))
    (tmp_path / "form" / "reference.json").write_text("{}")
    with pytest.raises(ModelRefused, match=r"reference\.json has sha256"):
        registry.register(tmp_path / "form", digest)
    assert registry.versions("riskiness") == []


def test_a_fetched_version_is_the_registered_folder(registry: Registry, tmp_path: Path) -> None:
    version = a_version(registry, tmp_path)
    fetched = registry.fetch(version, tmp_path / "cache" / "champion")
    names = ["encoder.json", "model.ubj", "reference.json", "signature.json"]
    assert sorted(path.name for path in fetched.iterdir()) == names
    for name in names:
        assert (fetched / name).read_bytes() == (tmp_path / "form-5-1" / name).read_bytes()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["champion"]


def test_a_version_whose_stored_file_was_changed_is_refused_and_leaves_no_folder(
    registry: Registry, tmp_path: Path
) -> None:
    version = a_version(registry, tmp_path)
    (stored,) = (tmp_path / "home" / "mlruns").rglob("model.ubj")
    body = bytearray(stored.read_bytes())
    body[100] ^= 1
    stored.write_bytes(body)
    with pytest.raises(ModelRefused, match=r"model\.ubj has sha256"):
        registry.fetch(version, tmp_path / "cache" / "champion")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cached_folder_that_was_changed_is_refused(registry: Registry, tmp_path: Path) -> None:
    version = a_version(registry, tmp_path)
    fetched = registry.fetch(version, tmp_path / "cache")
    (fetched / "encoder.json").write_text("{}")
    with pytest.raises(ModelRefused, match=r"encoder\.json has sha256"):
        registry.fetch(version, tmp_path / "cache")


def test_a_version_whose_files_are_gone_says_so(registry: Registry, tmp_path: Path) -> None:
    version = a_version(registry, tmp_path)
    for stored in (tmp_path / "home" / "mlruns").rglob("model.ubj"):
        stored.unlink()
    with pytest.raises(NotFound):
        registry.fetch(version, tmp_path / "cache")


def test_files_and_tables_live_beside_the_database_and_never_in_the_current_folder(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    registry.fetch(a_version(registry, tmp_path), tmp_path / "cache")
    assert list((tmp_path / "here").iterdir()) == []
    assert sorted(path.name for path in (tmp_path / "home").iterdir()) == ["mlflow.db", "mlruns"]


# -- roles


def test_a_registered_challenger_is_found_by_its_role(registry: Registry, tmp_path: Path) -> None:
    a_version(registry, tmp_path, trees=5, challenger="small")
    a_version(registry, tmp_path, trees=6, challenger="large")
    assert {role: version.number for role, version in registry.roles("riskiness").items()} == {
        "challenger-large": 2,
        "challenger-small": 1,
    }
    assert registry.resolve("riskiness", "challenger-large").number == 2


def test_a_newer_version_takes_over_the_role_of_its_name(registry: Registry, tmp_path: Path) -> None:
    a_version(registry, tmp_path, trees=5, challenger="small")
    a_version(registry, tmp_path, trees=6, challenger="small")
    assert {role: version.number for role, version in registry.roles("riskiness").items()} == {"challenger-small": 2}


def test_a_fourth_challenger_is_refused_and_the_three_are_named(registry: Registry, tmp_path: Path) -> None:
    for trees, name in ((1, "a"), (2, "b"), (3, "c")):
        a_version(registry, tmp_path, trees=trees, challenger=name)
    with pytest.raises(NotAllowed) as refused:
        a_version(registry, tmp_path, trees=4, challenger="d")
    assert str(refused.value) == (
        "model riskiness has 3 challengers already: challenger-a, challenger-b, challenger-c; wanted at most 3.\n"
        "  Register under one of these names, which it then takes over, or promote one of them."
    )
    assert len(registry.versions("riskiness")) == 3
    assert a_version(registry, tmp_path, trees=4, challenger="c").aliases == ("challenger-c",)


def test_a_challengers_name_is_a_word(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='challenger is "no spaces"'):
        a_version(registry, tmp_path, challenger="no spaces")


def test_a_promoted_challenger_is_champion_and_no_challenger(registry: Registry, tmp_path: Path) -> None:
    registry.promote(a_version(registry, tmp_path, challenger="small"))
    assert registry.resolve("riskiness").aliases == ("champion",)


def test_registering_the_champion_again_makes_no_challenger_of_it(registry: Registry, tmp_path: Path) -> None:
    version = a_version(registry, tmp_path, challenger="small")
    registry.note(version, {"platform.gate.verdict": "passed"})
    registry.promote(version)
    assert a_version(registry, tmp_path, challenger="small").aliases == ("champion",)


def test_a_rollback_gives_the_role_back_to_the_champion_before(registry: Registry, tmp_path: Path) -> None:
    for trees in (5, 6, 7):
        registry.promote(a_version(registry, tmp_path, trees=trees))
    lost, won = registry.rollback("riskiness", reason="complaints")
    assert (lost.number, won.number, registry.resolve("riskiness").number) == (3, 2, 2)
    assert registry.find("riskiness", 3).tags["platform.rolled-back"] == "complaints"
    assert registry.rollback("riskiness")[1].number == 1
    with pytest.raises(NotFound, match="version 1 of riskiness is its first champion"):
        registry.rollback("riskiness")


def test_without_a_champion_the_command_that_makes_one_is_told(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(NoChampion, match=r"Train one with `platform run flows/riskiness/train\.py`"):
        registry.resolve("riskiness")
    a_version(registry, tmp_path)
    with pytest.raises(NoChampion) as absent:
        registry.resolve("riskiness")
    assert str(absent.value) == (
        "model riskiness has no champion.\n  Promote one with `platform models promote riskiness --version 1`."
    )
    assert absent.value.exit_code == 6


def test_an_unknown_role_is_answered_with_the_known_ones(registry: Registry, tmp_path: Path) -> None:
    a_version(registry, tmp_path, challenger="small")
    with pytest.raises(NotFound, match='no "challenger-large"; wanted one of its roles: challenger-small'):
        registry.resolve("riskiness", "challenger-large")


# -- channels


def test_an_ad_hoc_channel_registers_and_promotes_a_model_of_its_own(
    registry: Registry, models_uri: str, tmp_path: Path
) -> None:
    own = open_registry(models_uri, Channel("adhoc/ada"))
    registry.promote(a_version(registry, tmp_path, trees=5))
    own.promote(a_version(own, tmp_path, trees=6))
    assert own.resolve("riskiness").model == "riskiness--adhoc--ada"
    assert registry.resolve("riskiness").number == 1
    assert registry.models() == ["riskiness", "riskiness--adhoc--ada"]


@pytest.mark.parametrize("channel", ["adhoc/ada", "adhoc/bob", "production"])
def test_no_channel_changes_the_models_of_another(
    channel: str, registry: Registry, models_uri: str, tmp_path: Path
) -> None:
    other = open_registry(models_uri, Channel("adhoc/eve" if channel == "production" else "production"))
    version = a_version(other, tmp_path)
    other.promote(version)
    mine = open_registry(models_uri, Channel(channel))
    for change in (
        lambda: mine.promote(version),
        lambda: mine.note(version, {"platform.gate.verdict": "passed"}),
    ):
        with pytest.raises(NotAllowed, match=f'channel {channel} may not change model "{version.model}"'):
            change()
    assert other.resolve("riskiness").tags == version.tags


# -- silence and speed


_QUIET = """
import sys
from pathlib import Path
from platform_cli.models.registry import open_registry
from platform_cli.names import Channel
from tests.unit.models.builders import a_version
registry = open_registry(sys.argv[1], Channel("local"))
version = a_version(registry, Path(sys.argv[2]), challenger="small")
registry.promote(version)
registry.fetch(version, Path(sys.argv[2]) / "cache")
"""


@pytest.mark.slow
def test_mlflow_says_nothing_not_even_when_it_makes_its_tables(tmp_path: Path) -> None:
    words = [sys.executable, "-c", _QUIET, f"sqlite:///{tmp_path}/new/home/mlflow.db", str(tmp_path)]
    answer = subprocess.run(words, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "."})
    assert (answer.stdout, answer.stderr) == ("", "")


def test_an_address_of_another_kind_is_refused() -> None:
    with pytest.raises(SettingsError, match='models is "postgresql://db/mlflow"'):
        open_registry("postgresql://db/mlflow", Channel("local"))


def test_a_version_number_that_does_not_exist_is_named(registry: Registry) -> None:
    with pytest.raises(NotFound, match="model riskiness has no version 7"):
        registry.find("riskiness", 7)
