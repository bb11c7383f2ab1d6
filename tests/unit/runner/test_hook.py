"""An exit hook is called with the run it asks for, and only for the end that it is for."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.s3_server import S3Server
from tests.unit.runner.harness import Bench

pytestmark = [pytest.mark.s3, pytest.mark.slow]

FLOW = """
    import neighbour
    from metaflow import FlowSpec, exit_hook, step

    def tell(run):
        print("told", run.pathspec, run.data.total, neighbour.WORD) if run else print("told nothing")

    def cry():
        print("cried")

    @exit_hook(on_success=[tell], on_error=[cry])
    class Hooked(FlowSpec):
        @step
        def start(self):
            self.total = 6
            self.next(self.end)

        @step
        def end(self):
            pass

    if __name__ == "__main__":
        Hooked()
"""


@pytest.fixture
def pod(tmp_path: Path, s3: S3Server) -> Bench:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "neighbour.py").write_text('WORD = "hello"\n')
    environment = {
        **s3.environment,
        "METAFLOW_DEFAULT_DATASTORE": "s3",
        "METAFLOW_DATASTORE_SYSROOT_S3": f"s3://{s3.new_bucket()}/metaflow",
        "METAFLOW_S3_ENDPOINT_URL": s3.endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    return Bench.with_flow(folder, FLOW, environment=environment)


def hook(pod: Bench, function: str, on: str, status: str) -> str:
    """Call a hook in a folder that has nothing of the run, as in the pod of the hook."""
    work = pod.folder.parent / "work"
    work.mkdir(exist_ok=True)
    words = [str(pod.folder / "flow.py"), function, "Hooked/argo-x", f"--on={on}", f"--status={status}"]
    command = [sys.executable, "-m", "platform_cli.runner.hook", *words]
    done = subprocess.run(command, cwd=work, env=pod.variables, capture_output=True, text=True, check=True)
    return done.stdout


def test_a_hook_for_success_gets_the_run_with_its_artifacts(pod: Bench) -> None:
    pod.done("start", "", "--parameters=[]")
    pod.done("end")
    assert hook(pod, "tell", "success", "Succeeded") == "told Hooked/argo-x 6 hello\n"
    assert hook(pod, "cry", "error", "Succeeded") == ""


def test_a_run_without_an_end_is_an_error_although_argo_is_green(pod: Bench) -> None:
    pod.done("start", "", "--parameters=[]")
    assert hook(pod, "tell", "success", "Succeeded") == ""
    assert hook(pod, "cry", "error", "Succeeded") == "cried\n"


def test_a_run_of_which_no_step_began_ends_in_error(pod: Bench) -> None:
    assert hook(pod, "cry", "error", "Error") == "cried\n"
    assert hook(pod, "tell", "success", "Error") == ""
