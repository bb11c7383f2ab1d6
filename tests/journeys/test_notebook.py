"""The notebook of the documentation reads a run that steps on other machines left in S3."""

import base64
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.s3_server import S3Server
from tests.unit.runner.harness import STEP, Bench

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def variables(tmp_path: Path, s3: S3Server) -> dict[str, str]:
    """What a laptop must know to see the run `Hello/hello-1`, every step of which ran as in a pod."""
    address = f"s3://{s3.new_bucket()}/metaflow"
    environment = {
        **s3.environment,
        "METAFLOW_DEFAULT_DATASTORE": "s3",
        "METAFLOW_DATASTORE_SYSROOT_S3": address,
        "METAFLOW_S3_ENDPOINT_URL": s3.endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    folder = tmp_path / "pod"
    folder.mkdir()
    pod = Bench.with_flow(
        folder, (ROOT / "flows/hello/hello.py").read_text(), run="argo-hello-1", environment=environment
    )
    pod.done("start", "", '--parameters=[{"name": "people", "value": "Ada,Grace"}]')
    assert pod.step("greet", "-0").code == 1
    pod.done("greet", "-0", try_=1)
    pod.done("greet", "-1")
    pod.done("show")
    pod.done("end")
    laptop = tmp_path / "laptop"
    laptop.mkdir()
    (laptop / "platform.toml").write_text(
        f'[environments.kind]\ndatastore = "{address}"\ns3_endpoint = "{s3.endpoint}"\n'
    )
    shutil.copy(ROOT / "docs/read-a-run.ipynb", laptop)
    kept = {name: value for name, value in pod.variables.items() if not name.startswith("METAFLOW_D")}
    path = f"{STEP.parent}:{kept['PATH']}"
    return {**kept, "PATH": path, "PLATFORM_ENV": "kind", "RUN": "Hello/hello-1", "HOME": str(laptop)}


@pytest.mark.s3
@pytest.mark.slow
# The kernel's libraries warn about themselves when they are imported.
@pytest.mark.filterwarnings("default")
def test_the_notebook_shows_the_artifacts_the_attempts_and_the_card_of_a_run_of_the_cluster(
    variables: dict[str, str], tmp_path: Path
) -> None:
    import nbformat  # noqa: PLC0415 # half a second that other tests need not wait for
    from nbclient import NotebookClient  # noqa: PLC0415

    folder = tmp_path / "laptop"
    notebook = nbformat.read(folder / "read-a-run.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}})
    client.execute(env=variables)
    pulled, data, tasks, card = (results(cell) for cell in notebook.cells if cell.cell_type == "code")
    assert pulled["text/plain"] == "('Hello/argo-hello-1', 6)"
    assert data["text/plain"] == "(True, '2 greeted')"
    assert tasks["text/plain"] == "[('t-0', 2, 'Hello, Ada!'), ('t-1', 1, 'Hello, Grace!')]"
    assert ("# Greetings" in text_of(card["text/html"]), "Hello, Grace!" in text_of(card["text/html"])) == (True, True)


def results(cell: Any) -> Any:
    """What a cell shows, by media type."""
    [shown] = [output.data for output in cell.outputs if output.output_type == "execute_result"]
    return shown


def text_of(card: str) -> str:
    """What a card of Metaflow's own says: its components are JSON in base64 at the page's end."""
    [data] = re.findall(r'__MF_DATA__\["[^"]*"\] = "([A-Za-z0-9+/=]+)"', card)
    return base64.b64decode(data).decode()
