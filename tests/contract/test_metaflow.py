"""
What the runner relies on in Metaflow holds in the version that is installed and in the newest one of the minor before.

A failure is a sentence that names what has changed and the module that rests on it.
"""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PREVIOUS = Path(__file__).with_name("metaflow-previous.txt")
NAMES = [
    "a_flow_file_in_main_calls_the_command_line",
    "init_writes_the_parameters",
    "a_foreach_leaves_its_width",
    "a_join_keeps_the_order_of_its_inputs",
    "a_switch_leaves_its_choice",
    "a_failed_attempt_is_done_and_not_ok",
    "catch_speaks_above_the_users_retries",
    "the_users_retries_may_be_below_zero",
    "readers_stop_at_a_gap",
    "there_are_six_attempts",
    "a_task_is_cloned",
    "log_lines_are_read",
    "a_decorator_hears_the_step",
    "the_trace_names_the_caller_of_the_step",
    "saved_metadata_are_read_by_metaflow",
    "git_is_asked_through_two_caches",
    "s3_storage_has_the_methods_that_are_replaced",
]
# Readers of 2.18 look at every attempt; filling the gaps is then not needed, and does no harm.
ONLY_NEW = {"readers_stop_at_a_gap"}


def answers(folder: Path, *first: str) -> dict[str, str]:
    """Check every contract in a process that finds Metaflow in `first`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("METAFLOW_", "PYTEST"))}
    environment = {**kept, "METAFLOW_USER": "tester", "PYTHONPATH": os.pathsep.join([*first, str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-B", "-c", "from tests.contract.checks import main; main()"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return answers(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The newest Metaflow of the minor before, fetched once per machine beside the other tools of the tests."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "platform"
    folder = cache / PREVIOUS.read_text().split()[0].replace("==", "-")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "metaflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            pip = [str(Path(sys.base_prefix, "bin", "python3")), "-m", "pip", "install", "--quiet", "--no-deps"]
            incoming = folder.with_name(f"{folder.name}.new")
            command = [*pip, "--require-hashes", "--target", str(incoming), "-r", str(PREVIOUS)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                reason = f"the package index has not given us {folder.name}: {done.stderr.strip()[-300:]}"
                pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
            incoming.rename(folder)
    return answers(tmp_path_factory.mktemp("previous"), str(folder))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_installed_metaflow_keeps_the_contract(installed: dict[str, str], name: str) -> None:
    assert installed[name] == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name not in ONLY_NEW])
def test_the_minor_before_keeps_the_contract(previous: dict[str, str], name: str) -> None:
    assert previous[name] == ""


@pytest.mark.slow
def test_every_contract_is_looked_at(installed: dict[str, str]) -> None:
    assert sorted(installed) == sorted(NAMES)
