"""A working copy's flow as an ad hoc template, compiled once per content."""

import os
import shutil
from pathlib import Path

import pytest

from platform_cli.cli.adhoc import AdhocFlow, adhoc_flow, cache_folder
from platform_cli.errors import FlowRefused, NotFound, SettingsError

GOLDEN = Path(__file__).resolve().parents[2] / "golden"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The golden project with one of its flows, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "project"
    root.mkdir()
    for name in ("platform.toml", "images.staging.lock"):
        shutil.copy(GOLDEN / name, root / name)
    file = root / "platform.toml"
    file.write_text(file.read_text().replace("scores =", 'code = "s3://code-staging"\nsecret = "stores"\nscores =', 1))
    shutil.copytree(GOLDEN / "flows" / "linear", root / "flows" / "linear")
    return root


def prepared(root: Path, **more: str) -> AdhocFlow:
    return adhoc_flow(root / "flows/linear/flow.py", "staging", **{"queue": "adhoc", "owner": "ann", **more})


def entries() -> int:
    return len(list(cache_folder().glob("*.json")))


def variables(flow: AdhocFlow) -> dict[str, str]:
    steps = [each for each in flow.template["spec"]["templates"] if "container" in each]
    (found,) = {tuple((one["name"], one["value"]) for one in step["container"]["env"]) for step in steps}
    return dict(found)


def test_the_template_is_the_owners_own_and_carries_the_code(project: Path):
    flow = prepared(project)
    sha = flow.package.sha256
    assert flow.template["metadata"]["name"] == f"linear-flow-ann-{sha[:8]}"
    assert flow.template["metadata"]["labels"]["platform.dev/channel"] == "adhoc.ann"
    assert {each["name"]: each["value"] for each in flow.template["spec"]["arguments"]["parameters"]}[
        "platform-code"
    ] == f"s3://code-staging/{sha}.tar"
    (secrets,) = {
        tuple(one["secretRef"]["name"] for one in each["container"]["envFrom"])
        for each in flow.template["spec"]["templates"]
        if "container" in each
    }
    assert secrets == ("stores-adhoc",)
    seen = variables(flow)
    assert (seen["PLATFORM_CHANNEL"], seen["METAFLOW_USER"]) == ("adhoc/ann", "ann")


def test_an_owner_sees_the_same_template_whoever_else_submits(project: Path):
    ann, ben = prepared(project), prepared(project, owner="ben")
    assert ann.package.sha256 == ben.package.sha256
    assert ann.template["metadata"]["name"] != ben.template["metadata"]["name"]


def test_the_second_time_comes_from_the_cache_and_is_the_same(project: Path, monkeypatch: pytest.MonkeyPatch):
    first = prepared(project)
    monkeypatch.setattr("platform_cli.cli.adhoc._compile", None)
    assert prepared(project) == first


@pytest.mark.parametrize("change", ["code", "settings", "lock", "queue", "platform"])
def test_whatever_decides_a_compile_makes_another_entry(project: Path, change: str, monkeypatch: pytest.MonkeyPatch):
    prepared(project)
    queue = "adhoc"
    match change:
        case "code":
            file = project / "flows/linear/flow.py"
            file.write_text(file.read_text() + "\n# more\n")
        case "settings":
            file = project / "platform.toml"
            file.write_text(file.read_text().replace('team = "risk"', 'team = "growth"'))
        case "lock":
            file = project / "images.staging.lock"
            file.write_text(file.read_text().replace("1111", "4444"))
        case "queue":
            queue = "production"
        case "platform":
            monkeypatch.setattr("platform_cli.cli.adhoc._platform_itself", lambda: ["newer"])
    prepared(project, queue=queue)
    assert entries() == 2


def test_where_the_cluster_is_changes_nothing_of_a_compile(project: Path):
    prepared(project)
    file = project / "platform.toml"
    file.write_text(file.read_text().replace('team = "risk"', 'team = "risk"\ncontext = "elsewhere"', 1))
    prepared(project)
    assert entries() == 1


def test_a_damaged_entry_is_compiled_again(project: Path):
    first = prepared(project)
    (kept,) = cache_folder().glob("*.json")
    kept.write_text("{")
    assert prepared(project) == first


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_is_none(project: Path):
    cache_folder().parent.mkdir(parents=True)
    cache_folder().parent.chmod(0o500)
    prepared(project)
    assert entries() == 0


def test_a_flow_that_cannot_run_is_refused_and_not_kept(project: Path):
    file = project / "flows/linear/flow.py"
    file.write_text(file.read_text().replace("    @step\n", "    @conda(libraries={})\n    @step\n", 1))
    file.write_text(file.read_text().replace("import ", "import conda, ", 1))
    with pytest.raises(FlowRefused):
        prepared(project)
    assert not cache_folder().exists()


def test_a_file_that_is_not_there_and_an_environment_without_a_datastore_are_named(project: Path):
    with pytest.raises(NotFound, match="there is no flow file"):
        adhoc_flow(project / "flows/none.py", "staging", queue="adhoc", owner="ann")
    with pytest.raises(SettingsError, match='environment "nowhere" has no datastore'):
        adhoc_flow(project / "flows/linear/flow.py", "nowhere", queue="adhoc", owner="ann")
