"""`platform check`, `render` and `diff` as somebody types them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.cli.frame import platform
from tests.unit.cli.test_schemas import check as check_schema

GOLDEN = Path(__file__).resolve().parents[2] / "golden"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The golden project with two of its flows, committed."""
    for name in ("platform.toml", "images.staging.lock"):
        shutil.copy(GOLDEN / name, tmp_path / name)
    for name in ("decorated", "scheduled"):
        shutil.copytree(GOLDEN / "flows" / name, tmp_path / "flows" / name)
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "one"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return tmp_path


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_render_prints_what_the_golden_holds(project: Path):
    done = platform("render", "flows/scheduled/flow.py", "--env", "staging", folder=project)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (GOLDEN / "scheduled.yaml").read_text()


def test_render_writes_one_file_per_object_and_check_compares(project: Path):
    words = ("render", "--all", "--env", "staging", "-o", "out")
    assert platform(*words, "--check", folder=project).returncode == 3
    assert platform(*words, folder=project).returncode == 0
    files = sorted(path.relative_to(project / "out").as_posix() for path in (project / "out").rglob("*.yaml"))
    assert files == [
        "cronworkflow/scheduled-flow.yaml",
        "workflowtemplate/decorated-flow.yaml",
        "workflowtemplate/scheduled-flow.yaml",
    ]
    assert platform(*words, "--check", folder=project).returncode == 0
    shutil.rmtree(project / "flows" / "decorated")
    done = platform(*words, "--check", folder=project)
    assert (done.returncode, done.stderr.splitlines()[1].strip()) == (
        3,
        "left over: workflowtemplate/decorated-flow.yaml",
    )
    assert platform(*words, folder=project).returncode == 0
    assert not (project / "out" / "workflowtemplate" / "decorated-flow.yaml").exists()


def test_render_without_an_environment_says_how(project: Path):
    done = platform("render", "flows/scheduled/flow.py", folder=project)
    assert done.returncode == 2
    assert done.stderr == "no environment named.\n  platform render flows/hello/flow.py --env staging\n"


def test_diff_against_git_says_the_changes_own_words(project: Path):
    replace(project / "flows/decorated/flow.py", "memory=8000", "memory=16000")
    done = platform("diff", "flows/decorated/flow.py", "--env", "staging", folder=project)
    assert done.returncode == 3
    lines = done.stdout.splitlines()
    assert [lines[0], *lines[2:]] == [
        "code",
        "resources",
        "  step start: memory 8000 -> 16000 Mi",
        "policy",
        "  step start: memory after an OOM kill 8000Mi, 16000Mi, 32000Mi, 60Gi -> 16000Mi, 32000Mi, 60Gi",
    ]


def test_a_new_lock_is_no_change_of_the_flow(project: Path):
    """Both sides are rendered with the current lock (design 4)."""
    replace(project / "images.staging.lock", "1111", "4444")
    done = platform("diff", "--all", "--env", "staging", folder=project)
    assert (done.returncode, done.stdout) == (0, "no change\n")


def test_a_change_that_does_not_touch_the_flows_files_changes_no_byte(project: Path):
    words = ("render", "--all", "--env", "staging", "-o", "out")
    assert platform(*words, folder=project).returncode == 0
    (project / "README.md").write_text("new")
    (project / "flows" / "scheduled" / "notes.md").write_text("documentation")
    subprocess.run(["git", "add", "."], cwd=project, check=True)
    assert platform(*words, "--check", folder=project).returncode == 0


def test_diff_against_a_folder_sees_what_lies_there(project: Path):
    assert platform("render", "--all", "--env", "staging", "-o", "out", folder=project).returncode == 0
    replace(project / "images.staging.lock", "1111", "4444")
    done = platform("diff", "flows/scheduled/flow.py", "--env", "staging", "--against", "out", "--json", folder=project)
    assert done.returncode == 3
    document = check_schema("diff", done.stdout)
    assert {(change["group"], change["subject"]) for change in document["changes"]} == {
        ("image", "step start"),
        ("image", "step end"),
    }


def test_diff_against_nothing_that_exists_says_so(project: Path):
    done = platform("diff", "--all", "--env", "staging", "--against", "absent", folder=project)
    assert done.returncode == 6
    assert done.stderr.startswith('"absent" is no folder and no Git reference here')


def test_check_lists_every_finding_with_its_line_and_environment(project: Path):
    done = platform("check", "--all", folder=project)
    assert done.returncode == 3
    assert "flows/scheduled/flow.py: fine" in done.stdout.splitlines()
    assert (
        'flows/decorated/flow.py:37: step "fit" asks for 4 cores; queue "production" gives 2 (kind).'
        in done.stdout.splitlines()
    )


def test_check_in_one_environment(project: Path):
    done = platform("check", "flows/decorated/flow.py", "--env", "staging", "--json", folder=project)
    assert done.returncode == 0
    assert check_schema("check", done.stdout) == {
        "environments": ["staging"],
        "flows": [{"file": "flows/decorated/flow.py", "findings": []}],
    }


def test_check_of_a_broken_file_still_names_file_and_line(project: Path):
    (project / "flows/scheduled/flow.py").write_text("import metaflow\nclass (:\n# FlowSpec __main__\n")
    done = platform("check", "flows/scheduled/flow.py", "--json", folder=project)
    assert done.returncode == 3
    document = check_schema("check", done.stdout)
    assert [(f["file"], f["line"]) for f in document["flows"][0]["findings"]] == [("flows/scheduled/flow.py", 2)]


def test_render_as_json_fits_its_schema(project: Path):
    done = platform("render", "flows/decorated/flow.py", "--env", "staging", "--json", folder=project)
    document = check_schema("render", done.stdout)
    assert [entry["file"] for entry in document["objects"]] == ["workflowtemplate/decorated-flow.yaml"]


def test_an_unknown_key_of_an_environment_says_which_is_close(project: Path):
    replace(project / "platform.toml", 'namespace = "ml-staging"', 'namspace = "ml-staging"')
    done = platform("check", "--all", folder=project)
    assert done.returncode == 2
    assert 'environments.staging: unknown key "namspace".\n  Did you mean "namespace"?' in done.stderr
