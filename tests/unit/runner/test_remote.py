"""With the datastore on S3, another machine sees the run: metadata, logs and artifacts, those of a killed task too."""

import time
from pathlib import Path

import pytest

from platform_cli.errors import NotFound
from tests.s3_server import S3Server
from tests.unit.runner.harness import Bench

FLOW = """
    import os, time
    from metaflow import FlowSpec, step

    class Remote(FlowSpec):
        @step
        def start(self):
            print("hello")
            self.rows = list(range(4))
            self.next(self.end)

        @step
        def end(self):
            print("at the end", flush=True)
            time.sleep(float(os.environ.get("SLEEP", "0")))
            self.total = sum(self.rows)

    if __name__ == "__main__":
        Remote()
"""

PULL = """
import sys
from pathlib import Path
from platform_cli.runner.pull import pull_run
from platform_cli.runner.records import open_datastore
print(pull_run(open_datastore("Remote"), sys.argv[1], Path.cwd()))
"""


@pytest.fixture
def pod(tmp_path: Path, s3: S3Server) -> Bench:
    folder = tmp_path / "pod"
    folder.mkdir()
    environment = {
        **s3.environment,
        "METAFLOW_DEFAULT_DATASTORE": "s3",
        "METAFLOW_DATASTORE_SYSROOT_S3": f"s3://{s3.new_bucket()}/metaflow",
        "METAFLOW_S3_ENDPOINT_URL": s3.endpoint,
        "METAFLOW_S3_RETRY_COUNT": "1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    return Bench.with_flow(folder, FLOW, environment=environment)


def pulled(pod: Bench, folder: Path, run: str = "argo-x") -> tuple[str, Bench]:
    """Bring the run to another machine; what pull said, and that machine."""
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    folder.mkdir(exist_ok=True)
    laptop = Bench(folder=folder, environment=pod.environment)
    answer = subprocess.run(
        [sys.executable, "-c", PULL, run], cwd=folder, env=laptop.variables, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip(), laptop


@pytest.mark.s3
@pytest.mark.slow
def test_another_machine_reads_a_run_as_its_own(pod: Bench, tmp_path: Path) -> None:
    pod.done("start", "", "--parameters=[]")
    pod.done("end")
    assert not (pod.folder / ".metaflow").exists()
    said, laptop = pulled(pod, tmp_path / "laptop")
    assert said == "Pulled(tasks=3, rebuilt=0)"
    assert laptop.client("[run.successful, run.data.total, run['start'].task.stdout, 'user:tester' in run.tags]") == [
        True,
        6,
        "hello\n",
        True,
    ]
    assert pulled(pod, tmp_path / "laptop")[0] == said


@pytest.mark.s3
@pytest.mark.slow
@pytest.mark.kills
def test_a_killed_task_is_visible_with_its_log(pod: Bench, tmp_path: Path) -> None:
    pod.done("start", "", "--parameters=[]")
    process = Bench(folder=pod.folder, environment={**pod.environment, "SLEEP": "60"}).start("end")
    assert process.stdout is not None
    assert process.stdout.readline() == "at the end\n"
    time.sleep(2)
    process.kill()
    process.communicate(timeout=60)
    _, laptop = pulled(pod, tmp_path / "laptop")
    assert laptop.client("[run.successful, run['end'].task.stdout, run['end'].task.finished]") == [
        False,
        "at the end\n",
        False,
    ]


@pytest.mark.s3
@pytest.mark.slow
def test_a_task_that_lost_its_metadata_is_rebuilt_from_what_it_left(pod: Bench, s3: S3Server, tmp_path: Path) -> None:
    pod.done("start", "", "--parameters=[]")
    pod.done("end")
    bucket = pod.environment["METAFLOW_DATASTORE_SYSROOT_S3"].split("/")[2]
    s3.client().delete_object(Bucket=bucket, Key="metaflow/Remote/argo-x/end/t/0.local_metadata")
    said, laptop = pulled(pod, tmp_path / "laptop")
    assert said == "Pulled(tasks=3, rebuilt=1)"
    assert laptop.client("[run.successful, run.data.total, run['end'].task.stdout]") == [True, 6, "at the end\n"]


@pytest.mark.s3
def test_a_run_that_nobody_started_cannot_be_pulled(pod: Bench, tmp_path: Path) -> None:
    assert NotFound.exit_code == 6
    with pytest.raises(AssertionError, match="has no run Remote/argo-y"):
        pulled(pod, tmp_path / "laptop", run="argo-y")
