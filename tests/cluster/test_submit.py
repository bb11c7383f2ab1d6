"""
From a working copy to a run and back, on the real cluster: submitted once, refused before it begins, followed, stopped.

One flow that can do all that is asked of it, in a project of its own, submitted by an owner whom nobody else has.
"""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cluster.conftest import COMMAND, ROOT, RealCluster
from tests.unit.cli.test_schemas import check
from tests.unit.cluster.conftest import Proxy

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

ACT = """
    import time
    from metaflow import FlowSpec, Parameter, card, current, resources, step

    class Act(FlowSpec):
        how = Parameter("how", default="well")
        seconds = Parameter("seconds", default=0)
        as_of = Parameter("as_of", default="")

        @resources(cpu=0.1, memory=256)
        @card(type="blank")
        @step
        def start(self):
            from metaflow.cards import Markdown
            current.card.append(Markdown("# Said by a step"))
            print("how:", self.how, flush=True)
            for second in range(self.seconds):
                time.sleep(1)
            if self.how == "badly":
                raise RuntimeError("as asked")
            self.next(self.end)

        @resources(cpu=0.1, memory=256)
        @step
        def end(self):
            print("well done", flush=True)

    if __name__ == "__main__":
        Act()
"""


@dataclass
class Project:
    """A working copy with one flow, and the person who works on it."""

    root: Path
    owner: str

    def environ(self, **more: str) -> dict[str, str]:
        own = {"PLATFORM_ENV": "kind", "PLATFORM_OWNER": self.owner, "XDG_CACHE_HOME": str(self.root / "cache")}
        return {**os.environ, **own, **more}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words], cwd=self.root, env=self.environ(), capture_output=True, text=True, check=False
        )

    def submit(self, *words: str, code: int = 0) -> dict[str, Any]:
        """Submit with --json; its document."""
        done = self.run("submit", "flows/act.py", "--json", *words)
        assert done.returncode == code, done.stderr
        document = check("submit", done.stdout)
        assert isinstance(document, dict)
        return document

    def refused(self, *words: str) -> tuple[int, str]:
        """Submit what must not begin; exit code and what was said."""
        done = self.run("submit", "flows/act.py", *words)
        assert done.stdout == ""
        return done.returncode, done.stderr

    def begin(self, *words: str) -> "subprocess.Popen[str]":
        """Start a command that somebody is going to interrupt."""
        return subprocess.Popen(
            [*COMMAND, *words], cwd=self.root, env=self.environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip


def make_project(folder: Path) -> Project:
    (folder / "flows").mkdir(parents=True)
    (folder / "flows" / "act.py").write_text(textwrap.dedent(ACT))
    shutil.copy(ROOT / "platform.toml", folder / "platform.toml")
    return Project(folder, f"submit-{uuid.uuid4().hex[:6]}")


@pytest.fixture(scope="module")
def project(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = make_project(tmp_path_factory.mktemp("submit"))
    yield made
    label = f"platform.dev/owner={made.owner}"
    cluster.kubectl("delete", "workflows", "-n", "ml", "-l", label, "--wait=false")


@pytest.fixture
def changed(project: Project, tmp_path: Path) -> Callable[..., Project]:
    """A copy of the project with something replaced in its settings or its flow."""

    def change(*replacements: tuple[str, str, str]) -> Project:
        shutil.copytree(project.root, tmp_path / "copy", ignore=shutil.ignore_patterns("cache"))
        for name, old, new in replacements:
            file = tmp_path / "copy" / name
            text = file.read_text()
            assert old in text, f"{name} has no {old!r}"
            file.write_text(text.replace(old, new))
        return Project(tmp_path / "copy", project.owner)

    return change


def runs_of(cluster: RealCluster, project: Project) -> dict[str, Any]:
    found = cluster.get("workflows", "-n", "ml", "-l", f"platform.dev/owner={project.owner}")
    return {each["metadata"]["name"]: each for each in found["items"]}


@pytest.fixture(scope="module")
def finished(project: Project) -> dict[str, Any]:
    """A run that was waited for until it succeeded."""
    return project.submit("--as-of", "2026-11-22", "--wait")


def test_a_run_says_whose_it_is_and_what_it_runs(cluster: RealCluster, project: Project, finished: dict[str, Any]):
    assert (finished["state"], finished["channel"]) == ("succeeded", f"adhoc/{project.owner}")
    assert (finished["as_of"], finished["parameters"]) == ("2026-11-22", {"as_of": "2026-11-22"})
    labels = cluster.get("workflow", "-n", "ml", finished["run"])["metadata"]["labels"]
    assert {key.removeprefix("platform.dev/"): value for key, value in labels.items() if "platform.dev" in key} == {
        "as-of": "2026-11-22",
        "channel": f"adhoc.{project.owner}",
        "code": finished["code"][:12],
        "environment": "kind",
        "flow": "act",
        "owner": project.owner,
        "queue": "adhoc",
        "team": "risk",
    }


def test_the_same_work_is_the_same_run_however_it_is_written(project: Project, finished: dict[str, Any]):
    again = project.submit("-p", "as_of=2026-11-22", "-p", "how=well", "-p", "seconds=00", "--wait")
    assert (again["run"], again["state"]) == (finished["run"], "succeeded")
    other = project.submit("--as-of", "2026-11-21", "--dry-run")
    assert (other["state"], other["run"] != finished["run"]) == ("checked", True)


def test_a_run_whose_workflow_is_gone_is_not_begun_again(
    cluster: RealCluster, changed: Callable[..., Project], finished: dict[str, Any]
):
    """The archive remembers it, and so does the datastore."""
    project = changed()
    done = project.submit("-p", "how=briefly", "--wait")
    assert done["state"] == "succeeded"
    cluster.kubectl("delete", "workflow", "-n", "ml", done["run"])
    again = project.submit("-p", "how=briefly")
    assert (again["run"], again["state"]) == (done["run"], "succeeded")
    assert done["run"] not in runs_of(cluster, project)


def test_a_run_that_only_the_datastore_remembers_is_not_begun_again(
    cluster: RealCluster, project: Project, changed: Callable[..., Project]
):
    """A cluster that was made anew over the same stores has no archive of what ran before."""
    mine = changed()
    planned = mine.submit("-p", "how=before", "--dry-run")
    put(cluster, "metaflow", f"runs/Act/argo-{planned['run']}/start/t/0.attempt.json")
    again = mine.submit("-p", "how=before")
    assert (again["run"], again["state"]) == (planned["run"], "recorded")
    assert planned["run"] not in runs_of(cluster, project)


def put(cluster: RealCluster, bucket: str, key: str) -> None:
    """Write an object as the flows' ad hoc account."""
    import boto3  # noqa: PLC0415 # half a second that only this test needs

    secret = cluster.get("secret", "-n", "ml", "platform-stores-adhoc")["data"]
    keys = {name: base64.b64decode(secret[name]).decode() for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    account = {name.lower(): value for name, value in keys.items()}
    client = boto3.client("s3", endpoint_url=cluster.addresses["s3"], region_name="us-east-1", **account)
    client.put_object(Bucket=bucket, Key=key, Body=b"{}")


def test_a_failed_run_is_not_begun_again_unless_asked(cluster: RealCluster, project: Project):
    first = project.submit("-p", "how=badly", "--wait", code=7)
    assert first["state"] == "failed"
    code, said = project.refused("-p", "how=badly")
    assert code == 7
    assert said.splitlines()[:3] == [
        f"run {first['run']} did this work before and failed.",
        f"  platform why {first['run']}",
        f"  platform retry {first['run']}",
    ]
    other = project.submit("-p", "how=badly", "--again")
    assert (other["state"], other["run"] != first["run"]) == ("created", True)
    assert project.run("stop", other["run"], "--now").returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-p", "seconds=many"), 'parameter "seconds" is "many"; wanted a whole number.'),
        (("-p", "how={{workflow.uid}}"), 'parameter "how" contains {{, which Argo would replace.'),
        (("-p", "howe=well"), 'the flow has no parameter "howe".'),
        (("-p", f"how={'x' * 65536}"), "the parameters are 65,"),
    ],
    ids=["type", "braces", "unknown", "too-long"],
)
def test_a_parameter_that_could_not_arrive_is_refused_before_anything_is_sent(
    cluster: RealCluster, project: Project, words: tuple[str, ...], said: str
):
    before = set(runs_of(cluster, project))
    code, text = project.refused(*words)
    assert code == 2
    assert text.startswith(said)
    assert set(runs_of(cluster, project)) == before


SMALL = "@resources(cpu=0.1, memory=256)"


def ceilings(memory: str) -> list[tuple[str, str, str]]:
    """Let queue and pool promise more than the cluster has, as settings do that nobody brought up to date."""
    return [("platform.toml", f'memory = "{old}"', f'memory = "{memory}"') for old in ("4Gi", "8Gi")]


@pytest.mark.parametrize(
    ("replacements", "reason"),
    [
        pytest.param(
            [*ceilings("900Gi"), ("flows/act.py", SMALL, "@resources(cpu=0.1, memory=800000)")],
            "step start asks for 800000Mi of memory; the limit range gives at most 64Gi", id="limit-range",
        ),
        pytest.param(
            [*ceilings("60Gi"), ("flows/act.py", SMALL, "@resources(cpu=0.1, memory=51200)")],
            "step start asks for 50Gi of memory; the quota \"platform-adhoc\" has 32Gi in all", id="quota",
        ),
        pytest.param(
            [("platform.toml", '{"platform.dev/pool" = "cpu"}', '{"platform.dev/pool" = "tpu"}')],
            "step start wants a node with platform.dev/pool=tpu; there is none", id="pool",
        ),
        pytest.param(
            [("platform.toml", 'priority_class = "platform-adhoc"', 'priority_class = "platform-urgent"')],
            'the priority class "platform-urgent" does not exist', id="priority-class",
        ),
        pytest.param(
            [("platform.toml", 'service_account = "platform-flow"', 'service_account = "somebody"')],
            'the service account "somebody" does not exist', id="service-account",
        ),
        pytest.param(
            [("platform.toml", 'flow = "platform/flow:local"', 'flow = "platform/flow:never-built"')],
            "the image platform/flow:never-built is on no node, and is never pulled", id="image",
        ),
    ],
)  # fmt: skip
def test_a_step_that_could_never_start_is_refused_with_its_reason(
    cluster: RealCluster, changed: Callable[..., Project], replacements: list[tuple[str, str, str]], reason: str
):
    project = changed(*replacements)
    before = set(runs_of(cluster, project))
    code, said = project.refused()
    assert (code, said.splitlines()[0]) == (4, f"flows/act.py could never run here: {reason}.")
    assert set(runs_of(cluster, project)) == before


def test_a_dry_run_leaves_nothing(cluster: RealCluster, changed: Callable[..., Project]):
    project = changed(("flows/act.py", "well done", "very well done"))
    planned = project.submit("--dry-run")
    assert planned["state"] == "checked"
    assert planned["run"] not in runs_of(cluster, project)
    assert cluster.kubectl("get", "workflowtemplate", "-n", "ml", planned["template"], check=False).returncode == 1


def test_a_template_goes_with_its_last_run(cluster: RealCluster, changed: Callable[..., Project]):
    project = changed(("flows/act.py", "well done", "done for now"))
    runs = [project.submit("-p", f"how={number}", "-p", "seconds=60") for number in range(2)]
    (template,) = {run["template"] for run in runs}
    owners = cluster.get("workflowtemplate", "-n", "ml", template)["metadata"]["ownerReferences"]
    assert {owner["name"] for owner in owners} == {run["run"] for run in runs}
    cluster.kubectl("delete", "workflow", "-n", "ml", runs[0]["run"])
    time.sleep(3)
    cluster.get("workflowtemplate", "-n", "ml", template)
    cluster.kubectl("delete", "workflow", "-n", "ml", runs[1]["run"])
    gone = ("wait", "--for=delete", f"workflowtemplate/{template}", "-n", "ml", "--timeout=90s")
    assert cluster.kubectl(*gone, check=False).returncode == 0


def test_two_people_who_submit_different_copies_at_once_never_meet(changed: Callable[..., Project], project: Project):
    other = changed(("flows/act.py", "well done", "otherwise done"))
    other.owner = f"{project.owner[:-1]}z"
    mine, theirs = project.submit("--dry-run"), other.submit("--dry-run")
    assert mine["run"] != theirs["run"]
    assert mine["template"] != theirs["template"]
    assert mine["channel"] != theirs["channel"]


def test_run_remote_shows_the_logs_until_the_end(project: Project):
    done = project.run("run", "flows/act.py", "--remote", "-p", "how=loudly")
    assert done.returncode == 0, done.stderr
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "how:" in line or "well done" in line]
    assert [line.partition("how:")[2].strip() or "well done" for line in lines] == ["loudly", "well done"]


def test_ctrl_c_detaches_and_the_run_goes_on_until_it_is_stopped(cluster: RealCluster, project: Project):
    with project.begin("run", "flows/act.py", "--remote", "-p", "seconds=300") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "how: well" in line:
                break
        name = next(name for name, run in runs_of(cluster, project).items() if "300" in json.dumps(run["spec"]))
        queue = json.loads(project.run("queue", "--json").stdout)
        process.send_signal(signal.SIGINT)
        said = process.stdout.read()
    assert process.returncode == 130
    assert f"detached from run {name}, which goes on." in said
    assert f"platform status {name} --watch" in said
    (line,) = [run for run in queue["runs"] if run["run"] == name]
    assert (line["queue"], line["owner"], line["state"], line["running"]) == ("adhoc", project.owner, "running", 1)
    check("queue", json.dumps(queue))

    stopped = project.run("stop", name, "--json")
    assert check("stop", stopped.stdout) == {"run": name, "state": "running", "stopped": True, "how": "stop"}
    wait_until_over(cluster, name)
    again = project.run("stop", name)
    assert again.stdout == f"run {name} is over already (failed).\n"


def wait_until_over(cluster: RealCluster, name: str) -> None:
    label = "jsonpath={.metadata.labels.workflows\\.argoproj\\.io/completed}=true"
    cluster.kubectl("wait", f"--for={label}", f"workflow/{name}", "-n", "ml", "--timeout=120s")


def test_waiting_survives_dropped_connections(cluster: RealCluster, changed: Callable[..., Project], tmp_path: Path):
    server = urlsplit(cluster.kubeconfig.read_text().split("server:")[1].split()[0])
    proxy = Proxy(server.port or 443)
    file = tmp_path / "kubeconfig"
    file.write_text(cluster.kubeconfig.read_text().replace(f":{server.port}", f":{proxy.port}"))
    project = changed(("platform.toml", 'kubeconfig = "kind/kubeconfig"', f'kubeconfig = "{file}"'))
    words = ("submit", "flows/act.py", "-p", "how=patiently", "-p", "seconds=10", "--wait")
    with project.begin(*words) as process:
        while not any("patiently" in json.dumps(run["spec"]) for run in runs_of(cluster, project).values()):
            time.sleep(0.5)
        while process.poll() is None:
            proxy.cut()
            time.sleep(2)
        assert process.stdout is not None
        said = process.stdout.read()
    proxy.close()
    assert process.returncode == 0, said
    assert proxy.connections > 5


def test_open_names_the_pages_and_brings_the_card(project: Project, finished: dict[str, Any]):
    done = project.run("open", finished["run"], "--json")
    document = check("open", done.stdout)
    assert isinstance(document, dict)
    links = document["links"]
    assert links["argo"].endswith(f"/workflows/ml/{finished['run']}")
    page = Path(urlsplit(links["card start"]).path).read_text()
    # Metaflow's page holds what it shows as base64.
    shown = re.search(r'__MF_DATA__\[[^]]*\] = "([^"]+)"', page)
    assert shown
    assert "# Said by a step" in base64.b64decode(shown[1]).decode()


def test_doctor_finds_the_platform_in_order(project: Project):
    done = project.run("doctor", "--json")
    document = check("doctor", done.stdout)
    assert isinstance(document, dict)
    assert {one["name"]: one["found"] for one in document["checks"] if one["state"] == "fail"} == {}
    assert done.returncode == 0


def test_doctor_says_what_to_do_where_nothing_answers(changed: Callable[..., Project]):
    project = changed(("platform.toml", "http://127.0.0.1:30500", "http://127.0.0.1:1"))
    done = project.run("doctor")
    assert done.returncode == 3
    assert "fail  mlflow" in done.stdout
    assert done.stderr.splitlines()[-1].endswith("checks fail: mlflow.")
