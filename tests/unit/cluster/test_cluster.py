"""The door to the Kubernetes API, against a real API server."""

import base64
import gzip
import json
import socket
import threading
import urllib.request
from pathlib import Path

import pytest

from platform_cli.cluster.access import read_access
from platform_cli.cluster.cluster import Cluster
from platform_cli.cluster.watching import watch_object
from platform_cli.cluster.wire import Wire
from platform_cli.errors import AlreadyExists, NotAllowed, NotFound, SettingsError, Unclear, Unreachable
from tests.unit.cluster.conftest import NAMESPACE, ApiServer, Proxy

pytestmark = [pytest.mark.slow]

RUNS = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/workflows"


def connected(api: ApiServer, **kubeconfig: object) -> Cluster:
    return Cluster(Wire(read_access("test", str(api.kubeconfig(**kubeconfig)), {})), namespace=NAMESPACE)


@pytest.fixture
def cluster(api: ApiServer) -> Cluster:
    return connected(api)


def a_run(name: str, **more: object) -> dict:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name, **more},
        "spec": {"entrypoint": "flow"},
    }


def a_template(name: str, **spec: object) -> dict:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTemplate",
        "metadata": {"name": name},
        "spec": {"entrypoint": "flow", **spec},
    }


def test_a_name_that_exists_is_not_created_again(cluster: Cluster):
    cluster.create_workflow(a_run("twice"))
    with pytest.raises(AlreadyExists, match="create workflows twice: it exists already"):
        cluster.create_workflow(a_run("twice"))


def test_a_dry_run_is_checked_by_the_server_and_leaves_nothing(cluster: Cluster):
    cluster.create_workflow(a_run("only-tried"), dry_run=True)
    with pytest.raises(NotFound):
        cluster.get_workflow("only-tried")


def test_what_is_not_there_is_named_with_its_kind(cluster: Cluster):
    with pytest.raises(NotFound, match=r'cannot get workflowtemplates absent: .*"absent" not found'):
        cluster.get_template("absent")


def test_what_the_api_refuses_is_said_in_its_own_words(cluster: Cluster):
    with pytest.raises(NotAllowed, match=r"refuses to create workflows no-spec: .*spec: Required value"):
        cluster.create_workflow({**a_run("no-spec"), "spec": None})


def test_a_missing_right_names_verb_and_resource(api: ApiServer):
    ann = connected(api, user={"token": "ann-token"})
    with pytest.raises(NotAllowed, match=r'may not create workflows hers .*cannot create resource "workflows"'):
        ann.create_workflow(a_run("hers"))
    assert not ann.may("create", "workflows", "argoproj.io")
    assert not ann.may("get", "pods/log")


def test_a_token_that_nobody_knows_is_said_so(api: ApiServer):
    with pytest.raises(NotAllowed, match="does not know who asks to list workflows"):
        connected(api, user={"token": "forged"}).list_workflows()


def test_a_client_certificate_is_who_asks(api: ApiServer):
    certified = connected(api, user={"client-certificate": "client.crt", "client-key": "client.key"})
    assert certified.may("delete", "nodes")
    inline = {
        f"client-{name}-data": base64.b64encode((api.folder / file).read_bytes()).decode()
        for name, file in (("certificate", "client.crt"), ("key", "client.key"))
    }
    assert connected(api, user=inline).may("delete", "nodes")


def test_a_plugin_is_asked_for_a_token_again_when_the_last_one_is_refused(api: ApiServer, tmp_path: Path):
    """EKS's tokens live for a quarter of an hour; a watch lives longer."""
    script = tmp_path / "plugin"
    script.write_text(
        "#!/bin/sh\necho asked >> $LOG\n"
        "[ $(wc -l < $LOG) = 1 ] && token=stale || token=root-token\n"
        'echo "{\\"status\\": {\\"token\\": \\"$token\\"}}"\n'
    )
    script.chmod(0o755)
    log = {"name": "LOG", "value": str(tmp_path / "log")}
    cluster = connected(api, user={"exec": {"command": str(script), "env": [log]}})
    assert cluster.may("delete", "nodes")
    assert cluster.may("delete", "nodes")
    assert (tmp_path / "log").read_text() == "asked\nasked\n"


def test_a_plugin_that_fails_says_what_it_said(api: ApiServer):
    user = {"exec": {"command": "sh", "args": ["-c", "echo your session is over >&2; exit 1"]}}
    with pytest.raises(NotAllowed, match=r"`sh`, .* gave no token \(your session is over\)"):
        connected(api, user=user).version()


def test_a_server_that_is_gone_is_named_with_its_context(api: ApiServer):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    cluster = connected(api, address=f"https://127.0.0.1:{port}")
    with pytest.raises(Unreachable, match=rf'the cluster "test" at https://127.0.0.1:{port} \(connection refused\)'):
        cluster.list_workflows()


def test_another_server_than_the_expected_one_is_not_talked_to(api: ApiServer, tmp_path: Path):
    """A cluster that was made anew has the old one's address."""
    other = json.loads(api.kubeconfig().read_text())
    other["clusters"][0]["cluster"]["certificate-authority"] = str(api.folder / "client.crt")
    file = tmp_path / "other"
    file.write_text(json.dumps(other))
    with pytest.raises(Unreachable, match="is not the one that was expected") as caught:
        Cluster(Wire(read_access("test", str(file), {})), namespace=NAMESPACE).version()
    assert caught.value.fix == "The cluster may have been made anew; get its kubeconfig again."


def test_an_unknown_context_says_which_there_is(api: ApiServer):
    with pytest.raises(SettingsError, match='no context "tset"') as caught:
        read_access("tset", str(api.kubeconfig()), {})
    assert caught.value.fix == 'Did you mean "test"?'


def test_an_applied_template_is_what_the_document_says(cluster: Cluster):
    cluster.apply(a_template("t", one="1", two="2"))
    cluster.apply(a_template("t", one="1"))
    assert cluster.get_template("t")["spec"] == {"entrypoint": "flow", "one": "1"}


def test_a_template_is_kept_for_each_of_its_runs_and_applied_again_without_forgetting_one(cluster: Cluster):
    template = cluster.apply(a_template("kept"))
    runs = [cluster.create_workflow(a_run(f"kept-{number}")) for number in range(2)]
    for run in runs:
        cluster.keep_for(template, run)
    again = cluster.apply(a_template("kept", more="x"))
    owners = {owner["uid"] for owner in again["metadata"]["ownerReferences"]}
    assert owners == {run["metadata"]["uid"] for run in runs}


def test_a_template_that_is_gone_is_not_made_anew_by_keeping_it(cluster: Cluster):
    template, run = cluster.apply(a_template("gone")), cluster.create_workflow(a_run("of-gone"))
    cluster.delete("WorkflowTemplate", "gone")
    cluster.keep_for(template, run)
    assert not cluster.exists("WorkflowTemplate", "gone")


def test_runs_are_listed_newest_first_by_label_and_over_several_pages(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("platform_cli.cluster.cluster._PAGE", 2)
    for number in range(5):
        cluster.create_workflow(a_run(f"listed-{number}", labels={"of": "listed", "even": str(number % 2 == 0)}))
    assert {run["metadata"]["name"] for run in cluster.list_workflows({"of": "listed"})} == {
        f"listed-{number}" for number in range(5)
    }
    assert len(cluster.list_workflows({"of": "listed", "even": "True"})) == 3
    assert len(cluster.list_workflows({"even": ""})) == 5
    assert cluster.list_workflows({"of": "listed"}, since=4e9) == []


def test_nodes_that_argo_packed_are_unpacked(cluster: Cluster, api: ApiServer):
    nodes = {"n": {"id": "n", "phase": "Succeeded"}}
    packed = base64.b64encode(gzip.compress(json.dumps(nodes).encode())).decode()
    api.request("POST", RUNS, {**a_run("packed"), "status": {"compressedNodes": packed}})
    assert cluster.get_workflow("packed")["status"] == {"nodes": nodes}


def test_a_token_of_a_service_account_is_one_that_the_server_knows(cluster: Cluster, api: ApiServer):
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
    api.request("POST", path, {"metadata": {"name": "bot"}})
    bot = connected(api, user={"token": cluster.token("bot")})
    with pytest.raises(NotAllowed, match=f"system:serviceaccount:{NAMESPACE}:bot"):
        bot.list_workflows()


class Watcher:
    """Watches a run in a thread, and says which phases it saw."""

    def __init__(self, cluster: Cluster, name: str, **options: object) -> None:
        self.drops: list[str] = []
        self.phases: list[str] = []
        self.error: Exception | None = None
        self._news = threading.Condition()
        arguments = {"on_drop": lambda error: self.drops.append(error.problem), **options}
        watch = watch_object(cluster.wire, cluster.collection("Workflow"), name, **arguments)
        self._thread = threading.Thread(target=self._run, args=(watch,), daemon=True)
        self._thread.start()

    def _run(self, watch: object) -> None:
        try:
            for document in watch:
                with self._news:
                    self.phases.append(document.get("status", {}).get("phase", ""))
                    self._news.notify_all()
        except Exception as error:
            self.error = error
            with self._news:
                self._news.notify_all()

    def wait_for(self, phases: list[str]) -> None:
        with self._news:
            assert self._news.wait_for(lambda: self.phases == phases or self.error, timeout=60), self.phases
        assert self.error is None
        assert self.phases == phases

    def ended_with(self) -> Exception | None:
        self._thread.join(timeout=60)
        return self.error


def move_on(api: ApiServer, name: str, phase: str) -> None:
    document = api.request("GET", f"{RUNS}/{name}")
    api.request("PUT", f"{RUNS}/{name}", {**document, "status": {"phase": phase}})


def test_every_change_is_seen_once_also_after_dropped_connections(api: ApiServer, proxy: Proxy):
    cluster = connected(api, address=f"https://127.0.0.1:{proxy.port}")
    cluster.create_workflow(a_run("dropped"))
    watcher = Watcher(cluster, "dropped")
    watcher.wait_for([""])
    for number in range(3):
        proxy.cut()
        move_on(api, "dropped", f"phase {number}")
        watcher.wait_for(["", *(f"phase {each}" for each in range(number + 1))])
    assert proxy.connections >= 4


def test_what_happened_while_the_connection_was_away_is_seen_afterwards(api: ApiServer, proxy: Proxy):
    cluster = connected(api, address=f"https://127.0.0.1:{proxy.port}")
    cluster.create_workflow(a_run("away"))
    watcher = Watcher(cluster, "away")
    watcher.wait_for([""])
    proxy.refuses = True
    proxy.cut()
    for phase in ("Pending", "Running"):
        move_on(api, "away", phase)
    proxy.refuses = False
    watcher.wait_for(["", "Pending", "Running"])
    assert len(watcher.drops) == 1


def test_a_restarted_api_server_does_not_end_a_watch(api: ApiServer):
    cluster = connected(api)
    cluster.create_workflow(a_run("restarted"))
    watcher = Watcher(cluster, "restarted")
    watcher.wait_for([""])
    api.stop("kube-apiserver")
    api.start()
    move_on(api, "restarted", "Running")
    watcher.wait_for(["", "Running"])
    assert watcher.drops


def test_a_version_that_the_server_has_forgotten_begins_with_the_run_as_it_is(api: ApiServer, proxy: Proxy):
    """etcd drops old versions every few minutes; after a longer gap the server answers 410."""
    cluster = connected(api, address=f"https://127.0.0.1:{proxy.port}")
    cluster.create_workflow(a_run("compacted"))
    watcher = Watcher(cluster, "compacted")
    watcher.wait_for([""])
    proxy.refuses = True
    proxy.cut()
    for number in range(3):
        move_on(api, "compacted", f"phase {number}")
    forget_all_but_now(api)
    proxy.refuses = False
    watcher.wait_for(["", "phase 2"])


def forget_all_but_now(api: ApiServer) -> None:
    """Compact etcd, and restart the API server, which has a memory of its own."""

    def etcd(path: str, body: dict) -> dict:
        request = urllib.request.Request(  # our own etcd
            f"http://127.0.0.1:{api.etcd_port}/v3/kv/{path}", data=json.dumps(body).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            return json.loads(answer.read())

    now = etcd("range", {"key": base64.b64encode(b"a").decode()})["header"]["revision"]
    etcd("compaction", {"revision": now, "physical": True})
    api.stop("kube-apiserver")
    api.start()


def test_a_run_that_is_deleted_ends_its_watch_with_its_name(api: ApiServer, cluster: Cluster):
    cluster.create_workflow(a_run("deleted"))
    watcher = Watcher(cluster, "deleted")
    watcher.wait_for([""])
    cluster.delete("Workflow", "deleted")
    error = watcher.ended_with()
    assert isinstance(error, NotFound)
    assert str(error) == "workflows deleted was deleted while it was watched."


def test_a_server_that_stays_away_is_given_up(api: ApiServer, proxy: Proxy):
    cluster = connected(api, address=f"https://127.0.0.1:{proxy.port}")
    cluster.create_workflow(a_run("given-up"))
    watcher = Watcher(cluster, "given-up", patience_seconds=1.0)
    watcher.wait_for([""])
    proxy.refuses = True
    proxy.cut()
    assert isinstance(watcher.ended_with(), Unreachable)


def test_a_patch_whose_answer_is_lost_is_sent_again(api: ApiServer, proxy: Proxy):
    cluster = connected(api, address=f"https://127.0.0.1:{proxy.port}")
    cluster.version()
    proxy.answers_to_lose = 1
    cluster.apply(a_template("applied-twice"))
    assert proxy.answers_to_lose == 0
    assert cluster.get_template("applied-twice")["metadata"]["generation"] == 1


def test_a_creation_whose_answer_is_lost_is_sent_once_and_called_unclear(api: ApiServer, proxy: Proxy):
    cluster = connected(api, address=f"https://127.0.0.1:{proxy.port}")
    cluster.version()
    proxy.answers_to_lose = 1
    with pytest.raises(Unclear, match="was asked to create workflows unclear and did not answer"):
        cluster.create_workflow(a_run("unclear"))
    assert cluster.exists("Workflow", "unclear")
    # One connection for what came before and the request, one for the question after it.
    assert proxy.connections == 2


def test_a_run_that_is_not_there_is_not_waited_for(cluster: Cluster):
    assert isinstance(Watcher(cluster, "never-was").ended_with(), NotFound)
