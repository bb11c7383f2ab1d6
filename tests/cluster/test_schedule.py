"""A schedule fires in the cluster and hands the run the day it is for, in the schedule's own time zone."""

import datetime
import json
import os
import shutil
import subprocess
import time
import uuid
import zoneinfo
from pathlib import Path
from typing import Any

import pytest

from platform_cli.cli.compile import read_environment
from platform_cli.code.files import read_code_rules, select_files
from platform_cli.code.package import pack
from platform_cli.graph import load_graph
from platform_cli.policy import render_flow
from platform_cli.store import open_store
from platform_cli.template import Target
from tests.cluster.conftest import COMMAND, ROOT, RealCluster

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

ZONE = "Pacific/Kiritimati"  # 14 hours before Greenwich: mostly another day than the cluster's
FLOW = f"""
from metaflow import FlowSpec, Parameter, resources, schedule, step


@schedule(cron="* * * * *", timezone="{ZONE}")
class NAME(FlowSpec):
    as_of = Parameter("as_of", help="the day")

    @resources(cpu=0.1, memory=256)
    @step
    def start(self):
        self.next(self.end)

    @resources(cpu=0.1, memory=256)
    @step
    def end(self):
        print("for the day", self.as_of)


if __name__ == "__main__":
    NAME()
"""


def deployed(cluster: RealCluster, root: Path, name: str) -> list[str]:
    """Deploy the flow as a merge would, but with its code as a package, since no image holds it; kind/name of each."""
    file = root / "flows" / "nightly" / "flow.py"
    file.parent.mkdir(parents=True)
    file.write_text(FLOW.replace("NAME", name))
    shutil.copy(ROOT / "platform.toml", root)
    package = pack(root, select_files(root, file.parent, read_code_rules(root / "platform.toml")))
    account = {"AWS_SHARED_CREDENTIALS_FILE": str(cluster.credentials), "AWS_PROFILE": "platform-kind"}
    with pytest.MonkeyPatch.context() as patched:
        for variable, value in account.items():
            patched.setenv(variable, value)
        open_store("s3://code", s3_endpoint=cluster.addresses["s3"]).create(package.name, package.body)
    environment = read_environment("kind", root)
    target = Target(
        environment=environment,
        queue=environment.queue("production"),
        channel=environment.channel,
        code_hash=package.sha256,
        package=f"s3://code/{package.name}",
    )
    documents = render_flow(load_graph(file, root=root), target)
    for document in documents:
        cluster.kubectl("apply", "--server-side", "-f", "-", given=json.dumps(document))
    return [f"{document['kind']}/{document['metadata']['name']}" for document in documents]


def platform_in(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PLATFORM_ENV": "kind"}
    return subprocess.run([*COMMAND, *words], cwd=root, env=environ, capture_output=True, text=True, check=False)


def first_run(cluster: RealCluster, schedule: str) -> dict[str, Any]:
    """Wait for the first run of a schedule that fires every minute."""
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        label = f"workflows.argoproj.io/cron-workflow={schedule}"
        found = cluster.get("workflows", "-n", "ml", "-l", label)["items"]
        if found:
            run: dict[str, Any] = found[0]
            return run
        time.sleep(1)
    raise AssertionError(f"{schedule} did not fire: {cluster.get('cronworkflow', schedule, '-n', 'ml')['status']}")


def test_a_schedule_fires_and_the_run_gets_its_day(cluster: RealCluster, tmp_path: Path) -> None:
    name = f"Nightly{uuid.uuid4().hex[:6]}"
    before = datetime.datetime.now(zoneinfo.ZoneInfo(ZONE)).date()
    objects = deployed(cluster, tmp_path, name)
    try:
        [schedule] = [each.partition("/")[2] for each in objects if each.startswith("CronWorkflow/")]
        run = first_run(cluster, schedule)["metadata"]["name"]
        cluster.kubectl(
            "patch", "cronworkflow", schedule, "-n", "ml", "--type=merge", "-p", '{"spec":{"suspend":true}}'
        )
        followed = platform_in(tmp_path, "status", run, "--watch", "--exit-status")
        assert followed.returncode == 0, followed.stderr
        said = platform_in(tmp_path, "logs", run, "end")
        after = datetime.datetime.now(zoneinfo.ZoneInfo(ZONE)).date()
        assert said.stdout.strip() in {f"for the day {day}" for day in (before, after)}
    finally:
        cluster.kubectl("delete", "-n", "ml", "--ignore-not-found", *objects)
