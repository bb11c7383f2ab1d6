"""What a real run recorded is what is read back."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from platform_cli.records.local import Failure, TaskAddress, card_paths, find_root, read_artifacts, read_failure

FLOW = """
from metaflow import FlowSpec, step
class Small(FlowSpec):
    @step
    def start(self):
        self.rows = 30000
        self.next(self.end)
    @step
    def end(self):
        raise ValueError("no rows\\nat all")
if __name__ == "__main__":
    Small()
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("records")
    (folder / "small.py").write_text(FLOW)
    environ = {**os.environ, "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder), "METAFLOW_USER": "tester"}
    subprocess.run(
        [sys.executable, "small.py", "--no-pylint", "run"], cwd=folder, env=environ, capture_output=True, check=False
    )
    root = find_root(environ, folder)
    [run] = [path.name for path in (root / "Small").glob("[0-9]*")]
    return root, run


def test_a_failed_task_says_which_exception_ended_it(recorded: tuple[Path, str]):
    root, run = recorded
    failure = read_failure(root, TaskAddress(flow="Small", run_id=run, step="end", task_id="2"))
    assert failure == Failure(error="builtins.ValueError", message="no rows\nat all")


def test_artifacts_are_read_by_name_and_those_that_are_not_there_are_left_out(recorded: tuple[Path, str]):
    root, run = recorded
    address = TaskAddress(flow="Small", run_id=run, step="start", task_id="1")
    assert read_artifacts(root, address, ["rows", "columns"]) == {"rows": 30000}


def test_a_task_that_left_no_record_was_stopped_before_it_could_say_why(recorded: tuple[Path, str]):
    root, run = recorded
    failure = read_failure(root, TaskAddress(flow="Small", run_id=run, step="end", task_id="99"))
    assert failure == Failure(error="", message="it was stopped before it could say why")


def test_a_run_without_cards_has_none(recorded: tuple[Path, str]):
    root, run = recorded
    assert card_paths(root, "Small", run) == {}


def test_the_datastore_is_the_nearest_above_as_metaflow_has_it(tmp_path: Path):
    (tmp_path / ".metaflow").mkdir()
    below = tmp_path / "flows" / "risk"
    below.mkdir(parents=True)
    assert find_root({}, below) == tmp_path / ".metaflow"
    assert find_root({"METAFLOW_DATASTORE_SYSROOT_LOCAL": "/data"}, below) == Path("/data/.metaflow")
