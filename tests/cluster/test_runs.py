"""
Every verb about runs, against real runs: of each way to fail one, all at the same time.

The runs are begun once for this module and looked at by many tests; each test says what a person would be told.
"""

import json
import os
import shutil
import signal
import subprocess
import textwrap
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from platform_cli.cli.remote import Remote
from platform_cli.runs.values import Run, State
from platform_cli.settings import load_settings, store_variables
from tests.cluster.conftest import COMMAND, ROOT, RealCluster
from tests.unit.cli.test_schemas import check

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

TROUBLE = """
    import sys, time, uuid
    from metaflow import FlowSpec, Parameter, current, resources, step

    class Trouble(FlowSpec):
        how = Parameter("how", default="well")

        @resources(cpu=0.1, memory=256)
        @step
        def start(self):
            self.token = uuid.uuid4().hex
            if self.how == "contract":
                from platform_cli.errors import ContractBroken
                raise ContractBroken('column "income" has 3 nulls', wanted="none")
            if self.how == "memory":
                self.size = len(bytearray(b"x") * (330 << 20))
            if self.how == "slow":
                print("going to sleep", flush=True)
                time.sleep(300)
            self.next(self.work)

        @resources(cpu=0.1, memory=256)
        @step
        def work(self):
            if self.how == "exception":
                print("looking for income")
                raise KeyError("income")  # MEND
            if self.how == "once" and current.retry_count == 0:
                raise RuntimeError("only the first time")
            self.attempt = current.retry_count
            self.next(self.end)

        @resources(cpu=0.1, memory=256)
        @step
        def end(self):
            print("token", self.token, "attempt", self.attempt)

    if __name__ == "__main__":
        Trouble()
"""
HASTY = """
    import time
    from metaflow import FlowSpec, resources, step, timeout

    class Hasty(FlowSpec):
        @timeout(seconds=3)
        @resources(cpu=0.1, memory=256)
        @step
        def start(self):
            time.sleep(60)
            self.next(self.end)

        @resources(cpu=0.1, memory=256)
        @step
        def end(self):
            pass

    if __name__ == "__main__":
        Hasty()
"""
TALK = """
    import sys, time
    from metaflow import FlowSpec, resources, step

    class Talk(FlowSpec):
        @resources(cpu=0.1, memory=256)
        @step
        def start(self):
            self.shards = [0, 1]
            self.next(self.work, foreach="shards")

        @resources(cpu=0.1, memory=256)
        @step
        def work(self):
            for number in range(30):
                print(f"shard {self.input} line {number}", flush=True)
                if number % 10 == 0:
                    print("the same", file=sys.stderr, flush=True)
                    time.sleep(0.7)
            sys.stdout.write("without an end of line")
            self.next(self.join)

        @resources(cpu=0.1, memory=256)
        @step
        def join(self, inputs):
            self.next(self.end)

        @resources(cpu=0.1, memory=256)
        @step
        def end(self):
            pass

    if __name__ == "__main__":
        Talk()
"""
WORK_SAYS = Counter(
    [f"shard {shard} line {number}" for shard in (0, 1) for number in range(30)]
    + ["the same"] * 6
    + ["without an end of line"] * 2
)


@dataclass
class Laptop:
    """A project of its own, with an owner of its own, so that nothing of an earlier day is met."""

    folder: Path
    owner: str
    names: dict[str, str] = field(default_factory=dict)
    stories: dict[str, Future[dict[str, Any]]] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PLATFORM_", "METAFLOW_", "AWS_"))}
        return {**kept, "PLATFORM_ENV": "kind", "PLATFORM_OWNER": self.owner, "CI": "1"}

    @property
    def remote(self) -> Remote:
        return Remote(load_settings(self.environ, start=self.folder))

    def say(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words], cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False
        )

    def asked(self, verb: str, *words: str, code: int = 0) -> Any:
        """The document that a verb prints, checked against its schema."""
        done = self.say(verb, *words, "--json")
        assert done.returncode == code, done.stderr
        return check(verb, done.stdout)

    def submit(self, flow: str, *words: str) -> str:
        return str(self.asked("submit", f"flows/{flow}/flow.py", *words)["run"])

    def run(self, name: str) -> Run:
        return self.remote.find(name).run

    def until(self, holds: Callable[[Run], Any], name: str, seconds: float = 600) -> Run:
        """Wait for something about a run."""
        deadline, remote = time.monotonic() + seconds, self.remote
        while not holds(run := remote.find(name).run):
            assert time.monotonic() < deadline, f"{name} is {run.state}: {run}"
            time.sleep(1)
        return run


@pytest.fixture(scope="module")
def laptop(cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """All runs of this module, begun together; those that would wait for ever are stopped at the end."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "platform.toml", folder)
    for name, text in {"trouble": TROUBLE, "hasty": HASTY, "talk": TALK}.items():
        (folder / "flows" / name).mkdir(parents=True)
        (folder / "flows" / name / "flow.py").write_text(textwrap.dedent(text))
    laptop = Laptop(folder, f"runs-{uuid.uuid4().hex[:6]}")
    # The first one brings package and template, which the others then find.
    laptop.names["exception"] = laptop.submit("trouble", "-p", "how=exception")
    with ThreadPoolExecutor(3) as pool:
        ways = ("contract", "memory", "slow", "once", "well")
        tasks = {how: pool.submit(laptop.submit, "trouble", "-p", f"how={how}") for how in ways}
        tasks |= {flow: pool.submit(laptop.submit, flow) for flow in ("hasty", "talk")}
        laptop.names |= {name: task.result() for name, task in tasks.items()}
    laptop.names |= {
        "deadline": crafted(laptop, "deadline", given="slow", spec={"activeDeadlineSeconds": 60}),
        "image": crafted(laptop, "image", change=with_an_image_that_is_nowhere),
        "room": crafted(laptop, "room", change=with_a_pool_that_has_no_node),
        "omitted": crafted(laptop, "omitted", change=with_an_end_that_is_never_reached),
    }
    with ThreadPoolExecutor(4) as pool:
        for story in (a_retry, a_step_anew, a_resume, a_log):
            laptop.stories[story.__name__] = pool.submit(story, laptop, cluster)
        yield laptop
        for name in laptop.names.values():
            laptop.say("stop", name, "--now")


def crafted(
    laptop: Laptop,
    name: str,
    *,
    given: str = "well",
    spec: dict[str, Any] | None = None,
    change: Callable[[dict[str, Any]], None] = lambda _: None,
) -> str:
    """A run that the compiler would not write: of the flow's template, changed."""
    remote = laptop.remote
    origin = remote.cluster.get_workflow(laptop.names["exception"])
    template = remote.cluster.get_template(origin["spec"]["workflowTemplateRef"]["name"])
    about = {"name": f"{name}-{laptop.owner}", "namespace": "ml"}
    change(template["spec"])
    labels = template["metadata"]["labels"] | {"platform.dev/owner": laptop.owner}
    kept = {key: template[key] for key in ("apiVersion", "kind", "spec")}
    remote.cluster.apply({**kept, "metadata": {**about, "labels": labels}})
    run = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {**about, "labels": labels, "annotations": origin["metadata"]["annotations"]},
        "spec": {
            "workflowTemplateRef": {"name": about["name"]},
            "arguments": {"parameters": [{"name": "how", "value": given}]},
            **(spec or {}),
        },
    }
    remote.cluster.create_workflow(run)
    return about["name"]


def with_a_pool_that_has_no_node(spec: dict[str, Any]) -> None:
    for template in spec["templates"]:
        if "container" in template:
            template["nodeSelector"] = {"platform.dev/pool": "nowhere"}


def with_an_image_that_is_nowhere(spec: dict[str, Any]) -> None:
    for template in spec["templates"]:
        if "container" in template:
            template["container"]["image"] = "registry.example/flow:gone"


def with_an_end_that_is_never_reached(spec: dict[str, Any]) -> None:
    """What a mistake in a condition does: every task is green, and `end` is left out."""
    (flow,) = (template for template in spec["templates"] if template["name"] == spec["entrypoint"])
    (end,) = (task for task in flow["dag"]["tasks"] if task["name"] == "end")
    end["depends"] = "work.Failed"


def ended(laptop: Laptop, how: str) -> str:
    """The name of a run that is over."""
    laptop.until(lambda run: run.is_over, laptop.names[how])
    return laptop.names[how]


def waiting(laptop: Laptop, how: str, kind: str) -> Any:
    """The verdict about a run that waits, once the cluster has said why."""
    deadline = time.monotonic() + 180
    while (verdict := laptop.asked("why", laptop.names[how]))["kind"] != kind:
        assert time.monotonic() < deadline, verdict
        time.sleep(2)
    return verdict


def test_an_exception_is_told_with_its_traceback_and_what_comes_next(laptop: Laptop):
    name = ended(laptop, "exception")
    verdict = laptop.asked("why", name)
    assert (verdict["kind"], verdict["step"], verdict["attempt"]) == ("exception", "work", 0)
    assert verdict["sentence"] == "step work failed: KeyError: 'income'"
    assert verdict["evidence"][0] == "Traceback (most recent call last):"
    assert 'raise KeyError("income")  # MEND' in "\n".join(verdict["evidence"])
    assert f"platform resume {name}" in verdict["fix"]
    assert laptop.asked("why", name, "end")["kind"] == "upstream"
    status = laptop.say("status", name, "--exit-status")
    assert status.returncode == 7
    assert f"Why: platform why {name}" in status.stderr


def test_a_broken_contract_is_told_by_its_column_and_not_retried(laptop: Laptop):
    name = ended(laptop, "contract")
    verdict = laptop.asked("why", name)
    assert verdict["kind"] == "contract"
    assert verdict["sentence"] == 'step start broke its data contract: column "income" has 3 nulls; wanted none'
    (start, *_) = laptop.asked("status", name)["steps"]
    assert [attempt["exit_code"] for attempt in start["attempts"]] == [65]


def test_what_ran_out_of_memory_succeeds_with_more_and_says_so(laptop: Laptop):
    name = ended(laptop, "memory")
    status = laptop.asked("status", name)
    (start, *_) = status["steps"]
    assert (status["state"], start["state"], start["retries"]) == ("succeeded", "succeeded", 1)
    verdict = laptop.asked("why", name, "start")
    assert (verdict["kind"], verdict["attempt"]) == ("out-of-memory", 0)
    assert "it asked for 256Mi" in verdict["sentence"]


def test_what_finds_no_room_says_what_is_missing(laptop: Laptop):
    verdict = waiting(laptop, "room", "unschedulable")
    assert "not of the pool it asks for" in verdict["sentence"]
    assert verdict["evidence"][0].endswith("memory 256Mi")
    assert "not of the pool it asks for" in laptop.say("status", laptop.names["room"]).stdout


def test_an_image_that_is_nowhere_is_named(laptop: Laptop):
    verdict = waiting(laptop, "image", "image")
    assert 'image "registry.example/flow:gone" cannot be pulled' in verdict["sentence"]


@pytest.mark.parametrize(
    ("how", "said"), [("hasty", "its @timeout ended it"), ("deadline", "the deadline of its queue, or of the run")]
)
def test_what_takes_too_long_is_told_whose_patience_ended(laptop: Laptop, how: str, said: str):
    verdict = laptop.asked("why", ended(laptop, how))
    assert (verdict["kind"], verdict["step"]) == ("timeout", "start")
    assert said in verdict["sentence"]


def test_a_run_that_somebody_stopped_says_so(laptop: Laptop):
    name = laptop.names["slow"]
    laptop.until(lambda _: "going to sleep" in laptop.say("logs", name, "start").stdout, name)
    assert laptop.say("stop", name).returncode == 0
    verdict = laptop.asked("why", ended(laptop, "slow"))
    assert (verdict["kind"], verdict["sentence"]) == ("stopped", f"run {name} was stopped by {laptop.owner}")
    assert verdict["fix"] == f"Go on where it stopped: platform retry {name}"


def test_who_watches_can_leave_and_is_told_how_to_come_back(laptop: Laptop):
    name = laptop.names["room"]
    command = [*COMMAND, "status", name, "--watch"]
    with subprocess.Popen(
        command, cwd=laptop.folder, env=laptop.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stderr is not None
        assert watching.stderr.readline() == f"{name}  Trouble\n"
        watching.send_signal(signal.SIGINT)
        _, said = watching.communicate(timeout=60)
    assert watching.returncode == 130
    assert f"Come back: platform status {name} --watch" in said
    assert laptop.asked("status", name)["state"] == "running"


def test_a_run_whose_end_was_left_out_has_failed_although_argo_is_green(laptop: Laptop, cluster: RealCluster):
    name = ended(laptop, "omitted")
    assert cluster.get("workflow", "--namespace=ml", name)["status"]["phase"] == "Succeeded"
    assert laptop.asked("status", name)["state"] == "failed"
    assert laptop.asked("why", name)["kind"] == "end-omitted"
    assert laptop.say("retry", name).returncode == 4


def client(laptop: Laptop, name: str, code: str) -> Any:
    """What Metaflow's own client reads of a run, on this machine."""
    pulled = laptop.asked("pull", name)
    opened = f"import json, metaflow\nmetaflow.namespace(None)\nrun = metaflow.Run({pulled['run']!r})"
    program = f"{opened}\nprint(json.dumps({code}))"
    own = {**laptop.environ, **pulled["variables"], **store_variables("kind", start=laptop.folder)}
    done = subprocess.run(
        [COMMAND[0], "-c", program], cwd=laptop.folder, env=own, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


FACTS = "run.successful, run['start'].task.data.token, run['end'].task.data.token, run['end'].task.current_attempt"


def a_retry(laptop: Laptop, _: RealCluster) -> dict[str, Any]:
    name = ended(laptop, "once")
    token = client(laptop, name, "run['start'].task.data.token")
    document = laptop.asked("retry", name)
    laptop.until(lambda run: run.is_over and run.state is State.SUCCEEDED, name)
    return {
        "document": document,
        "token": token,
        "after": client(laptop, name, f"[{FACTS}, run.data.attempt]"),
        "first": laptop.say("logs", name, "work", "--attempt", "0").stdout,
        "again": laptop.say("retry", name).returncode,
    }


def test_the_button_of_argos_page_gives_right_artifacts_and_so_does_the_verb(laptop: Laptop):
    """Both send one request; a step that had succeeded is kept, the one that failed is a new attempt."""
    story = laptop.stories["a_retry"].result()
    assert (story["document"]["run"], story["document"]["epoch"]) == (laptop.names["once"], 0)
    assert story["after"] == [True, story["token"], story["token"], 0, 1]
    assert "only the first time" in story["first"]
    assert story["again"] == 4


def a_step_anew(laptop: Laptop, _: RealCluster) -> dict[str, Any]:
    name = ended(laptop, "well")
    before = client(laptop, name, f"[{FACTS}]")
    epoch = laptop.asked("retry", name, "--step", "start")["epoch"]
    laptop.until(lambda run: not run.is_over, name, seconds=30)
    ended(laptop, "well")
    return {"before": before, "epoch": epoch, "after": client(laptop, name, f"[{FACTS}]")}


def test_a_step_is_done_anew_in_the_same_run_with_all_that_follows(laptop: Laptop):
    story = laptop.stories["a_step_anew"].result()
    successful, start, end, attempt = story["after"]
    assert (story["epoch"], successful, attempt) == (1, True, 1)
    assert start == end != story["before"][1]


def a_resume(laptop: Laptop, _: RealCluster) -> dict[str, Any]:
    origin = ended(laptop, "exception")
    file = laptop.folder / "flows" / "trouble" / "flow.py"
    broken = file.read_text()
    file.write_text(broken.replace('raise KeyError("income")  # MEND', "pass"))
    document = laptop.asked("resume", origin)
    laptop.names["resumed"] = document["run"]
    token = client(laptop, origin, "run['start'].task.data.token")
    name = ended(laptop, "resumed")
    facts = f"{FACTS}, run.data.how, run['start'].task.origin_pathspec.split('/')[1]"
    return {"document": document, "token": token, "after": client(laptop, name, f"[{facts}]")}


def test_a_mended_flow_takes_up_what_had_succeeded(laptop: Laptop):
    story = laptop.stories["a_resume"].result()
    origin = f"argo-{laptop.names['exception']}"
    assert (story["document"]["state"], story["document"]["origin"]) == ("created", origin)
    assert story["document"]["code"].endswith("flows/trouble/flow.py")
    assert story["after"] == [True, story["token"], story["token"], 0, "exception", origin]


def a_log(laptop: Laptop, cluster: RealCluster) -> dict[str, Any]:
    name = laptop.names["talk"]

    def lines(*words: str) -> list[str]:
        done = laptop.say("logs", name, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    live = lines("work", "--follow")
    ended(laptop, "talk")
    stored = lines("work")
    cluster.kubectl("delete", "pods", "--namespace=ml", f"--selector=workflows.argoproj.io/workflow={name}")
    return {
        "live": live,
        "stored": stored,
        "gone": lines("work"),
        "one": lines("work-1", "--grep", "line 2"),
        "tail": lines("work-0", "--grep", "line", "--tail", "2"),
    }


def test_a_log_is_the_same_live_and_stored_and_after_its_pods_are_gone(laptop: Laptop):
    story = laptop.stories["a_log"].result()
    assert Counter(line.partition(" | ")[2] for line in story["live"]) == WORK_SAYS
    assert Counter(story["live"]) == Counter(story["stored"]) == Counter(story["gone"])
    assert story["one"] == [f"shard 1 line {number}" for number in (2, *range(20, 30))]
    assert story["tail"] == ["shard 0 line 29", "without an end of line"]


def test_runs_are_listed_by_owner_and_state(laptop: Laptop):
    names = {ended(laptop, how) for how in ("exception", "contract", "omitted")}
    failed = laptop.asked("list", "--mine", "--status", "failed", "--since", "2h")
    assert names <= {run["run"] for run in failed}
    assert {run["owner"] for run in failed} == {laptop.owner}
    hasty = laptop.asked("list", "--owner", laptop.owner, "--flow", "Hasty")
    assert [run["run"] for run in hasty] == [laptop.names["hasty"]]
    assert laptop.say("status", "@latest-failed").stderr.startswith("@latest-failed is ")


def test_a_run_that_left_the_cluster_is_shown_from_the_archive_then_from_the_datastore(laptop: Laptop):
    name = ended(laptop, "contract")
    before = laptop.asked("status", name)
    remote = laptop.remote
    deadline = time.monotonic() + 60
    while not any(each["metadata"]["name"] == name for each in remote.argo.list_archived(prefix=name)):
        assert time.monotonic() < deadline
        time.sleep(1)
    remote.cluster.delete("Workflow", name)
    after = laptop.asked("status", name)
    assert [(step["name"], step["state"]) for step in after["steps"]] == [
        (step["name"], step["state"]) for step in before["steps"]
    ]
    assert name in [run["run"] for run in laptop.asked("list", "--mine", "--limit", "50")]
    assert laptop.asked("why", name)["kind"] == "contract"
    retried = laptop.say("retry", name)
    assert (retried.returncode, f"platform resume Trouble/argo-{name}" in retried.stderr) == (6, True)
    recorded = laptop.asked("status", f"Trouble/{name}")
    assert recorded["state"] == "failed"
