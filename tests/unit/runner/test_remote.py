"""With the datastore on S3, another machine sees the run: metadata, logs and artifacts, those of a killed task too."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.s3_server import S3Server
from tests.unit.cli.test_schemas import check
from tests.unit.runner.harness import STEP, Bench

FLOW = """
    import os, sys, time
    from pathlib import Path
    from metaflow import FlowSpec, step

    def note(event, _):
        if event == "subprocess.Popen":
            with open("processes.txt", "a") as file:
                file.write(event)

    sys.addaudithook(note)

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
            for number in range(30):
                setattr(self, f"artifact_{number}", number)

    if __name__ == "__main__":
        Remote()
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


def pull(pod: Bench, folder: Path, run: str = "Remote/x") -> "subprocess.CompletedProcess[str]":
    """Say `platform pull` on another machine, whose platform.toml names the datastore."""
    folder.mkdir(exist_ok=True)
    address = pod.environment["METAFLOW_DATASTORE_SYSROOT_S3"]
    endpoint = pod.environment["METAFLOW_S3_ENDPOINT_URL"]
    (folder / "platform.toml").write_text(f'[environments.kind]\ndatastore = "{address}"\ns3_endpoint = "{endpoint}"\n')
    kept = {name: value for name, value in pod.variables.items() if not name.startswith("METAFLOW_D")}
    command = [str(STEP.with_name("platform")), "pull", run, "--env=kind", "--json"]
    return subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, check=False)


def pulled(pod: Bench, folder: Path) -> tuple[tuple[int, int], Bench]:
    """Bring the run to another machine; how many tasks came and how many were rebuilt, and that machine."""
    answer = pull(pod, folder)
    assert answer.returncode == 0, answer.stderr
    document = check("pull", answer.stdout)
    assert isinstance(document, dict)
    laptop = Bench(folder=folder, environment={**pod.environment, **document["variables"]})
    return (document["tasks"], document["rebuilt"]), laptop


@pytest.mark.s3
@pytest.mark.slow
def test_another_machine_reads_a_run_as_its_own(pod: Bench, tmp_path: Path) -> None:
    pod.done("start", "", "--parameters=[]")
    pod.done("end")
    assert not (pod.folder / ".metaflow").exists()
    said, laptop = pulled(pod, tmp_path / "laptop")
    assert said == (3, 0)
    assert laptop.client("[run.successful, run.data.total, run['start'].task.stdout, 'user:tester' in run.tags]") == [
        True,
        6,
        "hello\n",
        True,
    ]
    assert pulled(pod, tmp_path / "laptop")[0] == said
    # Metaflow itself would start a pool of processes to read and write more than ten objects.
    assert not (pod.folder / "processes.txt").exists()


@pytest.mark.s3
@pytest.mark.slow
@pytest.mark.kills
def test_a_killed_task_is_visible_with_its_log(pod: Bench, s3: S3Server, tmp_path: Path) -> None:
    pod.done("start", "", "--parameters=[]")
    process = Bench(folder=pod.folder, environment={**pod.environment, "SLEEP": "60"}).start("end")
    address = pod.environment["METAFLOW_DATASTORE_SYSROOT_S3"].removeprefix("s3://")
    log = s3.folder / address / "Remote/argo-x/end/t/0.task_stdout.log"
    while not (log.exists() and "at the end" in log.read_text()):
        assert process.poll() is None
        time.sleep(0.02)
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
    assert said == (3, 1)
    assert laptop.client("[run.successful, run.data.total, run['end'].task.stdout]") == [True, 6, "at the end\n"]


@pytest.mark.s3
def test_a_run_that_nobody_started_cannot_be_pulled(pod: Bench, tmp_path: Path) -> None:
    answer = pull(pod, tmp_path / "laptop", "Remote/y")
    assert answer.returncode == 6
    assert "has no run Remote/argo-y" in answer.stderr


@pytest.mark.s3
def test_a_run_without_its_flow_is_asked_of_the_cluster(pod: Bench, tmp_path: Path) -> None:
    answer = pull(pod, tmp_path / "laptop", "x")
    assert (answer.returncode, 'environment "kind" has no cluster' in answer.stderr) == (2, True)
