"""A breach of the data contract ends a flow's task for good, and says why where others look for it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from platform_cli.errors import ContractBroken, error_class
from platform_cli.scoring.steps import ends_on_breach

FLOW = '''
import sys
from pathlib import Path
from metaflow import FlowSpec, retry, step
from platform_cli.errors import ContractBroken, ModelRefused
from platform_cli.scoring.steps import ends_on_breach

TRACE = Path(__file__).with_name("tries")


class Breach(FlowSpec):
    @step
    def start(self):
        self.next(self.check)

    @retry(times=3, minutes_between_retries=0)
    @step
    @ends_on_breach
    def check(self):
        """Look at the customers."""
        self.rows = 7
        TRACE.write_text(TRACE.read_text() + "x" if TRACE.exists() else "x")
        raise {error}
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Breach()
'''
CLIENT = """
import json
from metaflow import Flow, namespace
namespace(None)
run = list(Flow("Breach"))[0]
task = list(run["check"])[0]
failure = task["_exception"].data
rows = task["rows"].data
print(json.dumps({"type": failure.type, "text": failure.exception, "trace": failure.stacktrace, "rows": rows,
    "ok": task.successful, "run_ok": run.successful}))
"""


def run_flow(folder: Path, error: str) -> subprocess.CompletedProcess[str]:
    (folder / "breach.py").write_text(FLOW.replace("{error}", error))
    return python(folder, "breach.py", "run")


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).resolve().parents[3]),
        "METAFLOW_DEFAULT_METADATA": "local",
    }
    environ.update(METAFLOW_DATASTORE_SYSROOT_LOCAL=str(folder), METAFLOW_HOME=str(folder / "home"))
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ContractBroken", "ModelRefused"])
def test_a_breach_is_not_retried_and_its_class_can_be_read_afterwards(tmp_path, name):
    """On a real flow with @retry(times=3): one try, a failed run, and the error's class in `_exception`."""
    result = run_flow(tmp_path, f'{name}("customers.csv: 3 ages are 200", wanted="18 to 120")')
    assert result.returncode != 0
    assert (tmp_path / "tries").read_text() == "x"
    assert "data contract broken: customers.csv: 3 ages are 200; wanted 18 to 120." in result.stdout + result.stderr
    found = json.loads(python(tmp_path, "-c", CLIENT).stdout)
    assert found["type"] == f"platform_cli.errors.{name}"
    assert error_class(found["type"]).exit_code == 65
    assert found["text"] == "customers.csv: 3 ages are 200; wanted 18 to 120."
    assert f'raise {name}("customers.csv: 3 ages' in found["trace"]
    assert found["rows"] == 7
    assert (found["ok"], found["run_ok"]) == (False, False)


@pytest.mark.slow
def test_any_other_error_is_retried_as_before(tmp_path):
    assert run_flow(tmp_path, 'ValueError("a bad day")').returncode != 0
    assert (tmp_path / "tries").read_text() == "xxxx"


class Task:
    """What the decorator sees of a flow, outside Metaflow."""


def test_outside_metaflow_the_error_comes_through(monkeypatch):
    @ends_on_breach
    def check(self):
        raise ContractBroken("3 ages are 200")

    monkeypatch.delitem(sys.modules, "metaflow.exception", raising=False)
    with pytest.raises(ContractBroken, match="3 ages are 200"):
        check(Task())


def test_a_step_that_keeps_the_contract_is_left_alone():
    @ends_on_breach
    def join(self, inputs):
        self.total = sum(inputs)

    task = Task()
    join(task, [1, 2])
    assert task.total == 3
    assert join.__name__ == "join"
