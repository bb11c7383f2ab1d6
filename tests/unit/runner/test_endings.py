"""How a step ends: each cause has its exit code and one last line; docs/reference/runner-exit-codes.md is the table."""

import hashlib
import json
import re
import signal
import time
from pathlib import Path

import pytest

from platform_cli.code.package import pack
from platform_cli.errors import MEANINGS, NEVER_RETRIED
from platform_cli.runner.logs import READ_SECONDS, UPLOAD_SECONDS
from tests.unit.runner.harness import Bench

ROOT = Path(__file__).resolve().parents[3]

FLOW = """
    import os, sys, time
    from pathlib import Path
    from metaflow import FlowSpec, Parameter, catch, retry, step
    from platform_cli.errors import Conflict, ContractBroken

    class Endings(FlowSpec):
        @step
        def start(self):
            self.before = 1
            exec(os.environ.get("DO", ""))
            self.next(self.guarded)

        @catch(var="caught", print_exception=False)
        @retry(times=1)
        @step
        def guarded(self):
            exec(os.environ.get("DO", ""))
            self.next(self.end)

        @step
        def end(self):
            exec(os.environ.get("DO", ""))

    if __name__ == "__main__":
        Endings()
"""


def doing(folder: Path, code: str, **variables: str) -> Bench:
    return Bench.with_flow(folder, FLOW, environment={"DO": code, **variables})


@pytest.mark.parametrize(
    ("code", "exit_code", "says"),
    [
        ("raise ValueError('no\\nluck')", 1, "attempt 0: ValueError: no luck (exit 1)"),
        (
            "raise ContractBroken('column age has nulls', wanted='none')",
            65,
            "attempt 0: column age has nulls; wanted none. (exit 65)",
        ),
        ("raise Conflict('published already')", 8, "attempt 0: published already. (exit 8)"),
        ("sys.exit(65)", 65, "attempt 0: the step left by sys.exit(65): never retried (exit 65)"),
        ("sys.exit(0)", 70, "attempt 0: the step left by sys.exit(0); wanted self.next, or an exception. (exit 70)"),
        (
            "sys.exit('x')",
            70,
            "attempt 0: the step left by sys.exit('x'); wanted self.next, or an exception. (exit 70)",
        ),
        ("bytearray(2**62)", 137, "attempt 0: out of memory: Python could not get what it asked for. (exit 137)"),
        ("self.bad = (i for i in [])", 1, "attempt 0: UnpicklableArtifactException: "),
    ],
    ids=[
        "exception",
        "broken contract",
        "conflict",
        "exit 65",
        "exit 0",
        "exit with a word",
        "no memory",
        "unpicklable",
    ],
)
def test_a_cause_has_its_exit_code_and_its_last_line(tmp_path: Path, code: str, exit_code: int, says: str) -> None:
    bench = doing(tmp_path, code)
    outcome = bench.step("start")
    assert outcome.code == exit_code
    assert outcome.last_line.startswith(f"platform-step: start {says}".removesuffix("\n"))
    figures = json.loads((bench.task_folder("start") / "0.figures.json").read_text())
    assert figures["exit_code"] == exit_code
    assert figures["exit_class"] != ""
    assert bench.client("[run['start'].task.successful, run['start'].task.stderr.splitlines()[-1]]") == [
        False,
        outcome.last_line,
    ]


def test_the_trace_of_an_exception_begins_in_the_step(tmp_path: Path) -> None:
    outcome = doing(tmp_path, "raise ValueError('no luck')").step("start")
    files = re.findall(r'File "([^"]+)"', outcome.stderr)
    assert files == [str(tmp_path / "flow.py"), "<string>"]


def test_a_broken_contract_waits_for_the_catch_of_its_step(tmp_path: Path) -> None:
    """Where no retry followed a 65, `@catch` would never speak, and the same flow would end otherwise than locally."""
    bench = doing(tmp_path, "")
    bench.done("start")
    broken = Bench(folder=tmp_path, environment={"DO": "raise ContractBroken('bad rows')"})
    assert broken.step("guarded").code == 1
    broken.done("guarded", try_=1)
    assert bench.client("str(run['guarded'].task.data.caught.exception)") == "bad rows."


def test_a_parent_that_never_ran_is_missing(tmp_path: Path) -> None:
    outcome = doing(tmp_path, "").step("guarded")
    assert outcome.code == 66
    assert "No completed attempts of the task was found for task 'Endings/argo-x/start/t'" in outcome.last_line


def test_a_parent_whose_latest_attempt_failed_is_missing_whatever_the_step_catches(tmp_path: Path) -> None:
    """Metaflow marks an attempt that failed as done, and would read it."""
    bench = doing(tmp_path, "raise ValueError('no')")
    assert bench.step("start").code == 1
    outcome = Bench(folder=tmp_path).step("guarded", try_=1)
    assert outcome.code == 66
    assert "the latest attempt of argo-x/start/t did not succeed; wanted an input that succeeded" in outcome.last_line


def test_a_datastore_that_does_not_answer_is_unreachable(tmp_path: Path) -> None:
    bench = doing(
        tmp_path,
        "",
        METAFLOW_DEFAULT_DATASTORE="s3",
        METAFLOW_DATASTORE_SYSROOT_S3="s3://nobody/metaflow",
        METAFLOW_S3_ENDPOINT_URL="http://127.0.0.1:9",
        AWS_ACCESS_KEY_ID="x",
        AWS_SECRET_ACCESS_KEY="x",
        AWS_DEFAULT_REGION="us-east-1",
    )
    outcome = bench.step("start")
    assert outcome.code == 5
    assert outcome.last_line.endswith("(exit 5)")


def a_package(bench: Bench, store: Path) -> str:
    package = pack(bench.folder, (Path("flow.py"),))  # type: ignore[arg-type]
    store.mkdir()
    (store / package.name).write_bytes(package.body)
    (bench.folder / "flow.py").unlink()
    return f"{store}/{package.name}"


def test_a_package_brings_the_flow_into_the_working_folder(tmp_path: Path) -> None:
    bench = doing(tmp_path, "")
    bench.done("start", "", f"--code={a_package(bench, tmp_path / 'store')}")
    assert (tmp_path / "flow.py").is_file()


def test_a_package_with_another_content_than_its_name_is_refused(tmp_path: Path) -> None:
    bench = doing(tmp_path, "")
    address = a_package(bench, tmp_path / "store")
    with Path(address).open("ab") as file:
        file.write(b"more")
    outcome = bench.step("start", "", f"--code={address}")
    assert outcome.code == 67
    assert f"wanted {Path(address).stem}" in outcome.last_line


def test_a_package_that_is_not_there_is_refused(tmp_path: Path) -> None:
    name = hashlib.sha256(b"").hexdigest()
    outcome = doing(tmp_path, "").step("start", "", f"--code={tmp_path}/{name}.tar")
    assert (outcome.code, "there is no code package" in outcome.last_line) == (67, True)


def wait_for_line(bench: Bench, stream: str, text: str) -> None:
    """Wait until a line is in the uploaded log."""
    while True:
        logs = list((bench.folder / ".metaflow").glob(f"*/argo-x/*/*/*.task_{stream}.log"))
        if any(text in log.read_text() for log in logs):
            return
        time.sleep(0.02)


@pytest.mark.kills
def test_a_sigterm_lets_the_step_clean_up_and_ends_with_143(tmp_path: Path) -> None:
    code = (
        "try:\n    print('begun', flush=True); time.sleep(60)\nfinally:\n    print('cleaned up'); self.cleaned = True"
    )
    bench = doing(tmp_path, code)
    process = bench.start("start")
    wait_for_line(bench, "stdout", "begun")
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (143, "begun\ncleaned up\n")
    assert stderr.endswith("platform-step: start attempt 0: terminated (SIGTERM) (exit 143)\n")
    assert bench.client("[run['start'].task.stdout, run['start'].task.successful]") == ["begun\ncleaned up\n", False]


@pytest.mark.kills
def test_a_step_that_does_not_hear_a_sigterm_is_ended_after_the_grace_period(tmp_path: Path) -> None:
    """In a C library that never comes back, Python runs no signal handler."""
    code = "import hashlib; print('begun', flush=True); hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)"
    bench = doing(tmp_path, code)
    process = bench.start("start", "", "--grace=0.5")
    wait_for_line(bench, "stdout", "begun")
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "not done within the grace period (exit 143)" in stderr
    assert "not done within the grace period" in bench.client("run['start'].task.stderr")


@pytest.mark.kills
def test_a_sigterm_after_the_steps_own_code_does_not_throw_its_result_away(tmp_path: Path) -> None:
    """The artifact's pickling takes a moment; by then the work is done."""
    code = (
        "class Slow:\n    def __reduce__(self):\n        print('pickling', flush=True); time.sleep(3)\n"
        "        return (int, ())\n"
        "self.slow = Slow()"
    )
    bench = doing(tmp_path, code)
    process = bench.start("start")
    wait_for_line(bench, "stdout", "pickling")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert bench.client("[run['start'].task.successful, run['start'].task.data.slow]") == [True, 0]


@pytest.mark.kills
def test_lines_are_uploaded_while_the_step_runs_and_survive_a_kill(tmp_path: Path) -> None:
    code = (
        "print('first'); import subprocess; subprocess.run(['echo', 'from a child']); print('oops', file=sys.stderr)\n"
        "time.sleep(60)"
    )
    bench = doing(tmp_path, code)
    process = bench.start("start")
    wait_for_line(bench, "stderr", "oops")
    wait_for_line(bench, "stdout", "from a child")
    process.kill()
    stdout, _ = process.communicate(timeout=60)
    assert stdout == "first\nfrom a child\n"
    assert bench.client("[run['start'].task.stdout, run['start'].task.stderr, run['start'].task.finished]") == [
        "first\nfrom a child\n",
        "oops\n",
        False,
    ]


def test_the_pauses_between_two_uploads_leave_a_second_for_the_upload() -> None:
    """Lines older than two seconds survive a kill: reading, then resting, then one upload."""
    assert READ_SECONDS + UPLOAD_SECONDS <= 1


def test_every_exit_code_of_a_step_is_in_the_table_and_says_whether_it_is_retried() -> None:
    table = (ROOT / "docs" / "reference" / "runner-exit-codes.md").read_text()
    rows = {int(code): retried for code, retried in re.findall(r"^\| (\d+) \|.*\| (\w+)[^|]*\|$", table, re.MULTILINE)}
    assert set(rows) == {0, 1, 2, 4, 5, 6, 8, 65, 66, 67, 68, 70, 130, 137, 143}
    assert {code for code, retried in rows.items() if retried == "never"} == {0} | {int(code) for code in NEVER_RETRIED}
    assert set(rows) <= {int(code) for code in MEANINGS}
