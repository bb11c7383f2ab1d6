"""What platform.toml says about an environment beyond one machine's settings."""

from pathlib import Path

import pytest

from platform_cli.errors import SettingsError
from platform_cli.settings import environment_names, load_section, load_settings, store_variables

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


OUTSIDE = """
[environments.kind]
s3_endpoint = "http://s3.platform.svc:7070"
models = "http://mlflow.platform.svc:5000"
metrics = "http://pushgateway.platform.svc:9091"
kubeconfig = "kind/kubeconfig"
credentials = "kind/credentials"
[environments.kind.outside]
s3_endpoint = "http://127.0.0.1:30070"
models = "http://127.0.0.1:30500"
"""


def test_a_laptop_uses_the_outside_addresses_where_an_environment_has_them(tmp_path: Path):
    settings = load_settings({}, start=written(tmp_path, OUTSIDE), environment="kind")
    assert (settings.s3_endpoint, settings.models) == ("http://127.0.0.1:30070", "http://127.0.0.1:30500")
    assert settings.metrics == "http://pushgateway.platform.svc:9091"


def test_a_variable_wins_over_an_outside_address(tmp_path: Path):
    environ = {"PLATFORM_MODELS": "http://elsewhere:5000"}
    assert (
        load_settings(environ, start=written(tmp_path, OUTSIDE), environment="kind").models
        == environ["PLATFORM_MODELS"]
    )


def test_what_pods_are_told_stays_the_address_inside_the_cluster(tmp_path: Path):
    assert load_section("kind", start=written(tmp_path, OUTSIDE))["models"] == "http://mlflow.platform.svc:5000"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('argos = "http://x"', 'environments.kind.outside: unknown key "argos".\n  Did you mean "argo"?'),
        ("argo = 30746", "environments.kind.outside.argo is 30746; wanted a string."),
    ],
    ids=["unknown", "number"],
)
def test_a_mistake_in_the_outside_table_is_refused(tmp_path: Path, line: str, message: str):
    with pytest.raises(SettingsError) as caught:
        load_settings({}, start=written(tmp_path, f"[environments.kind.outside]\n{line}\n"), environment="kind")
    assert message in str(caught.value)


def test_the_files_of_an_environment_are_below_the_users_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    section = load_section("kind", start=written(tmp_path, OUTSIDE))
    assert section["kubeconfig"] == str(tmp_path / "state" / "platform" / "kind" / "kubeconfig")


def test_a_file_that_says_where_it_is_stays_there(tmp_path: Path):
    text = '[environments.kind]\nkubeconfig = "/etc/platform/kubeconfig"\n'
    assert load_section("kind", start=written(tmp_path, text))["kubeconfig"] == "/etc/platform/kubeconfig"


def test_the_stores_are_reached_by_the_account_of_the_environment_once_it_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    written(tmp_path, OUTSIDE)
    assert store_variables("kind", start=tmp_path) == {}
    file = tmp_path / "platform" / "kind" / "credentials"
    file.parent.mkdir(parents=True)
    file.touch()
    assert store_variables("kind", start=tmp_path) == {
        "AWS_SHARED_CREDENTIALS_FILE": str(file),
        "AWS_PROFILE": "platform-kind",
        "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    }
