"""The S3 server is killed while a step runs: the attempt fails with its cause, and the next one carries on."""

import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.s3_server import S3Server, run_s3_server
from tests.unit.runner.harness import Bench

pytestmark = [pytest.mark.s3, pytest.mark.kills, pytest.mark.slow]

FLOW = """
    import time
    from pathlib import Path
    from metaflow import FlowSpec, step

    class Survivor(FlowSpec):
        @step
        def start(self):
            self.rows = list(range(4))
            self.next(self.end)

        @step
        def end(self):
            self.total = sum(self.rows)
            Path("computed").touch()
            while not Path("go-on").exists():
                time.sleep(0.02)

    if __name__ == "__main__":
        Survivor()
"""


def bench(folder: Path, s3: S3Server, bucket: str) -> Bench:
    environment = {
        **s3.environment,
        "METAFLOW_DEFAULT_DATASTORE": "s3",
        "METAFLOW_DATASTORE_SYSROOT_S3": f"s3://{bucket}/metaflow",
        "METAFLOW_S3_ENDPOINT_URL": s3.endpoint,
        "METAFLOW_S3_RETRY_COUNT": "1",
        "METAFLOW_S3_TRANSIENT_RETRY_COUNT": "1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    folder.mkdir(exist_ok=True)
    return Bench.with_flow(folder, FLOW, environment=environment)


def test_a_step_whose_store_dies_fails_as_unreachable_and_its_next_attempt_succeeds(tmp_path: Path) -> None:
    pod = tmp_path / "pod"
    with run_s3_server(tmp_path) as s3:
        bucket = s3.new_bucket()
        step = bench(pod, s3, bucket)
        step.done("start", "", "--parameters=[]")
        process = step.start("end")
        while not (pod / "computed").exists():
            assert process.poll() is None
            time.sleep(0.02)
    # The server was killed on leaving the block, with the step's artifacts not yet written.
    (pod / "go-on").touch()
    _, said = process.communicate(timeout=300)
    assert process.returncode == 5, said
    assert s3.endpoint in said.splitlines()[-1]
    with run_s3_server(tmp_path, port=urlsplit(s3.endpoint).port or 0):
        step.done("end", try_=1)
        tasks = sorted(path.name for path in (tmp_path / "data" / bucket / "metaflow/Survivor/argo-x/end/t").iterdir())
        assert "1.DONE.lock" in tasks
        assert "0.DONE.lock" not in tasks
