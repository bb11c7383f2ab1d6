"""platform.toml and the environment become one frozen Settings, or an error that names what is wrong."""

from pathlib import Path

import pytest

from platform_cli.errors import SettingsError, UsageError
from platform_cli.settings import load_settings


def a_file(folder: Path, text: str) -> Path:
    (folder / "platform.toml").write_text(text)
    return folder


def test_the_local_environment_needs_no_file(tmp_path: Path) -> None:
    settings = load_settings({}, start=tmp_path)
    assert (settings.environment, settings.channel.name) == ("local", "local")
    assert settings.scores == str(tmp_path / ".platform" / "scores")
    assert settings.models == f"sqlite:///{tmp_path / '.platform' / 'mlflow.db'}"


def test_the_file_is_found_from_a_folder_below_it_and_paths_are_relative_to_it(tmp_path: Path) -> None:
    a_file(tmp_path, '[environments.local]\nscores = "published"\n')
    below = tmp_path / "flows" / "x"
    below.mkdir(parents=True)
    assert load_settings({}, start=below).scores == str(tmp_path / "published")


def test_an_environment_variable_wins_over_the_file(tmp_path: Path) -> None:
    a_file(tmp_path, '[environments.local]\nscores = "published"\n')
    assert load_settings({"PLATFORM_SCORES": "s3://b/p"}, start=tmp_path).scores == "s3://b/p"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[environments.local]\nscore = "x"\n', 'unknown key "score".\n  Did you mean "scores"?'),
        ("[enviroments.local]\n", 'unknown table "enviroments".\n  Did you mean "environments"?'),
        ("[environments.local]\nscores = 3\n", "environments.local.scores is 3; wanted a string."),
        ("[environments\n", "is not valid TOML"),
        ("environments = 3\n", "environments is not a table"),
        ("[environments]\nlocal = 3\n", "environments.local is not a table"),
        ('[environments.local]\nchannel = "adhoc/No One"\n', 'channel is "adhoc/No One"'),
    ],
    ids=["key", "table", "type", "syntax", "environments", "section", "channel"],
)
def test_a_mistake_in_the_file_is_refused_with_its_mend(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings({}, start=a_file(tmp_path, text))
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def test_an_unknown_variable_is_refused_with_the_close_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match='unknown environment variable "PLATFORM_SCORE"') as caught:
        load_settings({"PLATFORM_SCORE": "x"}, start=tmp_path)
    assert 'Did you mean "PLATFORM_SCORES"?' in str(caught.value)


def test_an_unknown_environment_is_refused_with_the_close_one(tmp_path: Path) -> None:
    a_file(tmp_path, "[environments.staging]\n")
    with pytest.raises(SettingsError, match='Did you mean "staging"'):
        load_settings({}, start=tmp_path, environment="stagin")
