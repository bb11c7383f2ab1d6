"""What platform.toml says about an environment beyond one machine's settings."""

from pathlib import Path

import pytest

from platform_cli.errors import SettingsError
from platform_cli.settings import environment_names, load_section, load_settings

TOML = """
[environments.kind]
namespace = "ml"
scores = "s3://scores"
[environments.kind.queues.production]
cpu = "2"
[environments.other]
"""


def written(folder: Path, text: str = TOML) -> Path:
    (folder / "platform.toml").write_text(text)
    return folder


def test_a_section_comes_with_its_tables(tmp_path: Path):
    assert load_section("kind", start=written(tmp_path)) == {
        "namespace": "ml",
        "scores": "s3://scores",
        "queues": {"production": {"cpu": "2"}},
    }


def test_an_environment_without_a_section_says_nothing(tmp_path: Path):
    assert load_section("absent", start=written(tmp_path)) == {}


def test_environments_are_listed_as_they_are_written(tmp_path: Path):
    assert environment_names(written(tmp_path)) == ["kind", "other"]


def test_settings_of_one_machine_ignore_what_only_a_cluster_needs(tmp_path: Path):
    assert load_settings({}, start=written(tmp_path), environment="kind").scores == "s3://scores"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[environments.kind]\nnamspace = "ml"\n', r'unknown key "namspace".\n  Did you mean "namespace"\?'),
        ('[environments.kind]\npools = "two"\n', r"environments.kind.pools is 'two'; wanted a table of its own"),
        ("[environments.kind]\nteam = 3\n", r"environments.kind.team is 3; wanted a string"),
    ],
    ids=["typo", "no-table", "no-text"],
)
def test_a_wrong_key_is_named(text: str, message: str, tmp_path: Path):
    with pytest.raises(SettingsError, match=message):
        load_section("kind", start=written(tmp_path, text))
