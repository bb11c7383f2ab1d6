"""What the platform promises of its cluster, asked of the cluster itself."""

import base64
import configparser
import json
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import mlflow
import pytest
import yaml
from botocore.exceptions import ClientError

from tests.cluster.conftest import ROOT, RealCluster, a_pod, fetch, platform

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

SUBMITTER = "system:serviceaccount:ml:platform-submitter"


def until(holds: Callable[[], Any], *, seconds: float = 90) -> Any:
    """Ask again until the answer is true; the last answer where it never is."""
    deadline = time.monotonic() + seconds
    while not (answer := holds()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return answer


def store_of(cluster: RealCluster, account: str = "") -> Any:
    if not account:
        return boto3.client("s3", endpoint_url=cluster.addresses["s3"], **keys_of_file(cluster.credentials))
    secret = cluster.get("secret", "--namespace=ml", account)["data"]
    keys = {name: base64_text(secret[name.upper()]) for name in ("aws_access_key_id", "aws_secret_access_key")}
    return boto3.client("s3", endpoint_url=cluster.addresses["s3"], region_name="us-east-1", **keys)


def keys_of_file(file: Path) -> dict[str, str]:
    parser = configparser.ConfigParser()
    parser.read(file)
    section = parser["platform-kind"]
    return {**{key: section[key] for key in ("aws_access_key_id", "aws_secret_access_key")}, "region_name": "us-east-1"}


def base64_text(text: str) -> str:
    return base64.b64decode(text).decode()


def refusal(action: Callable[[], Any]) -> str:
    """The error code with which the store refuses; empty where it does not."""
    try:
        action()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def test_everything_in_it_is_ready(cluster: RealCluster):
    status = json.loads(platform("cluster", "status", "--json").stdout)
    assert (status["state"], status["ready"]) == ("running", True)
    names = {workload["name"] for workload in status["workloads"]}
    stores = {"s3", "postgres", "mlflow", "prometheus", "pushgateway"}
    assert names == stores | {"argo-server", "workflow-controller", "kwok-controller"}


def test_a_second_up_changes_nothing(cluster: RealCluster):
    done = json.loads(platform("cluster", "up", "--json").stdout)
    assert (done["created"], done["loaded"], done["applied"]) == (False, [], [])


@pytest.mark.parametrize("verb", ["up", "down"])
def test_a_cluster_that_this_user_did_not_make_is_not_touched(cluster: RealCluster, verb: str, tmp_path: Path):
    done = platform("cluster", verb, environ={"XDG_STATE_HOME": str(tmp_path)})
    assert done.returncode == 4
    assert 'the kind cluster "platform" on this machine was not made by' in done.stderr
    assert json.loads(platform("cluster", "status", "--json").stdout)["state"] == "running"


def test_the_kubeconfig_and_the_credentials_are_their_owners_alone(cluster: RealCluster):
    assert [file.stat().st_mode & 0o777 for file in (cluster.kubeconfig, cluster.credentials)] == [0o600, 0o600]


def test_the_store_creates_a_key_once(cluster: RealCluster):
    store, key = store_of(cluster), f"adhoc/tester/{time.time_ns()}"
    store.put_object(Bucket="scores", Key=key, Body=b"first", IfNoneMatch="*")
    second = refusal(lambda: store.put_object(Bucket="scores", Key=key, Body=b"second", IfNoneMatch="*"))
    assert second == "PreconditionFailed"
    assert store.get_object(Bucket="scores", Key=key)["Body"].read() == b"first"


@pytest.mark.parametrize(
    ("account", "bucket", "key", "allowed"),
    [
        ("platform-stores", "scores", "production/x", True),
        ("platform-stores", "scores", "adhoc/jane/x", False),
        ("platform-stores-adhoc", "scores", "production/x", False),
        ("platform-stores-adhoc", "scores", "adhoc/jane/x", True),
        ("platform-stores-adhoc", "metaflow", "runs/x", True),
        ("platform-executor-store", "argo-logs", "ml/x", True),
        ("platform-executor-store", "scores", "production/x", False),
        ("", "scores", "production/x", False),
        ("", "code", "packages/x", True),
        ("", "mlflow", "x", False),
    ],
    ids=lambda value: str(value).replace("/", "-"),
)
def test_an_account_writes_where_it_may_and_nowhere_else(
    cluster: RealCluster, account: str, bucket: str, key: str, allowed: bool
):
    store = store_of(cluster, account)
    refused = refusal(lambda: store.put_object(Bucket=bucket, Key=f"{key}{time.time_ns()}", Body=b""))
    assert refused == ("" if allowed else "AccessDenied")


def test_nobody_deletes_a_score(cluster: RealCluster):
    store, key = store_of(cluster, "platform-stores"), f"production/tester/{time.time_ns()}"
    store.put_object(Bucket="scores", Key=key, Body=b"")
    assert refusal(lambda: store.delete_object(Bucket="scores", Key=key)) == "AccessDenied"


def test_a_model_is_registered_and_its_files_come_back_from_outside(
    cluster: RealCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "false")
    (tmp_path / "model.ubj").write_bytes(b"\x00model" * 1000)
    client = mlflow.MlflowClient(cluster.addresses["mlflow"])
    name = f"tester-{time.time_ns()}"
    experiment = client.create_experiment(name)
    run = client.create_run(experiment)
    client.log_artifact(run.info.run_id, str(tmp_path / "model.ubj"), "model")
    client.create_registered_model(name)
    version = client.create_model_version(name, f"runs:/{run.info.run_id}/model", run.info.run_id)
    client.set_registered_model_alias(name, "champion", version.version)
    assert client.get_model_version_by_alias(name, "champion").run_id == run.info.run_id
    back = Path(client.download_artifacts(run.info.run_id, "model", str(tmp_path / "back"))) / "model.ubj"
    assert back.read_bytes() == b"\x00model" * 1000


def test_the_model_registry_answers_to_its_own_names_alone(cluster: RealCluster):
    address = f"{cluster.addresses['mlflow']}/api/2.0/mlflow/registered-models/search"
    assert [fetch(address)[0], fetch(address, Host="attacker.example")[0]] == [200, 403]


def test_prometheus_scrapes_everything_that_it_names(cluster: RealCluster):
    def up() -> dict[str, str]:
        query = urllib.parse.urlencode({"query": "up"})
        _, text = fetch(f"{cluster.addresses['prometheus']}/api/v1/query?{query}")
        found = json.loads(text)["data"]["result"]
        return {series["metric"]["job"]: series["value"][1] for series in found}

    wanted = {"argo": "1", "mlflow": "1", "prometheus": "1", "pushgateway": "1"}
    assert until(lambda: up() == wanted), up()


def test_a_pod_that_breaks_the_rules_of_pod_security_is_refused(cluster: RealCluster):
    pod = a_pod(name="root", securityContext={"privileged": True})
    done = cluster.kubectl("create", "--dry-run=server", "-f", "-", given=json.dumps(pod), check=False)
    assert 'violates PodSecurity "restricted:latest"' in done.stderr


@pytest.mark.parametrize(
    ("who", "verb", "what", "answer"),
    [
        ("platform-submitter", "create", "workflows.argoproj.io", "yes"),
        ("platform-submitter", "get", "pods/log", "yes"),
        ("platform-submitter", "list", "resourcequotas", "yes"),
        ("platform-submitter", "get", "secrets", "no"),
        ("platform-submitter", "create", "pods", "no"),
        ("platform-submitter", "create", "pods/exec", "no"),
        ("platform-submitter", "create", "cronworkflows.argoproj.io", "no"),
        ("platform-executor", "patch", "workflowtaskresults.argoproj.io", "yes"),
        ("platform-executor", "get", "pods", "no"),
        ("platform-flow", "get", "pods", "no"),
        ("platform-flow", "create", "workflowtaskresults.argoproj.io", "no"),
    ],
    ids=lambda value: str(value).replace("/", "-"),
)
def test_an_account_may_do_what_it_needs(cluster: RealCluster, who: str, verb: str, what: str, answer: str):
    words = ("auth", "can-i", verb, what, "--namespace=ml", f"--as=system:serviceaccount:ml:{who}")
    assert cluster.kubectl(*words, check=False).stdout.strip() == answer


def a_workflow(kind: str = "Workflow", value: str = "plain", **metadata: Any) -> dict[str, Any]:
    container = {"image": "platform/flow:local", "command": ["true"]}
    spec: dict[str, Any] = {
        "entrypoint": "main",
        "arguments": {"parameters": [{"name": "word", "value": value}]},
        "templates": [{"name": "main", "container": container}],
    }
    if kind == "CronWorkflow":
        spec = {"schedules": ["0 4 * * *"], "workflowSpec": spec}
    about = {"generateName": "tester-", "namespace": "ml", **metadata}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": about, "spec": spec}


@pytest.mark.parametrize("kind", ["Workflow", "CronWorkflow"])
@pytest.mark.parametrize(
    ("value", "allowed"),
    [("plain", True), ("{{workflow.scheduledTime}}", True), ("{{workflow.name}}", False), ("a {{=1+1}}", False)],
    ids=["plain", "scheduled", "tag", "expression"],
)
def test_an_argument_that_argo_would_compute_is_refused(cluster: RealCluster, kind: str, value: str, allowed: bool):
    document = json.dumps(a_workflow(kind, value))
    done = cluster.kubectl("create", "--dry-run=server", "-f", "-", given=document, check=False)
    assert (done.returncode == 0) == allowed, done.stderr
    assert allowed or "contains two opening braces, which Argo would compute" in done.stderr


@pytest.mark.parametrize(("channel", "allowed"), [("adhoc.jane", True), ("production", False)])
def test_a_data_scientists_token_writes_ad_hoc_templates_alone(cluster: RealCluster, channel: str, allowed: bool):
    document = a_workflow("WorkflowTemplate", labels={"platform.dev/channel": channel})
    words = ("create", "--dry-run=server", "-f", "-", f"--as={SUBMITTER}")
    done = cluster.kubectl(*words, given=json.dumps(document), check=False)
    assert (done.returncode == 0) == allowed, done.stderr


@pytest.mark.parametrize("golden", sorted((ROOT / "tests/golden").glob("*.yaml")), ids=lambda file: file.stem)
def test_what_the_compiler_writes_is_admitted_by_argos_own_schemas(cluster: RealCluster, golden: Path):
    for document in yaml.safe_load_all(golden.read_text()):
        if document["kind"] == "Sensor":
            continue  # Argo Events is not installed
        document["metadata"]["namespace"] = "ml"
        words = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
        done = cluster.kubectl(*words, given=json.dumps(document), check=False)
        assert done.returncode == 0, done.stderr


def phase(cluster: RealCluster, name: str) -> str:
    return str(cluster.get("pod", "--namespace=ml", name)["status"].get("phase"))


def test_four_gpus_run_four_pods_and_the_fifth_waits_until_production_takes_its_room(
    cluster: RealCluster, pods: Callable[..., str]
):
    mark = time.time_ns()
    first = [pods(name=f"gpu-{mark}-{number}", gpus=1) for number in range(4)]
    assert until(lambda: [phase(cluster, name) for name in first] == ["Running"] * 4)
    nodes = {cluster.get("pod", "--namespace=ml", name)["spec"]["nodeName"] for name in first}
    assert nodes == {"gpu-0", "gpu-1"}
    fifth = pods(name=f"gpu-{mark}-4", gpus=1)

    def complaint() -> str:
        conditions = cluster.get("pod", "--namespace=ml", fifth)["status"].get("conditions", [])
        return " ".join(condition.get("message", "") for condition in conditions)

    assert "Insufficient nvidia.com/gpu" in until(complaint)
    urgent = pods(name=f"gpu-{mark}-production", gpus=1, priority="platform-production")
    assert until(lambda: phase(cluster, urgent) == "Running")
    assert phase(cluster, fifth) == "Pending"


def test_a_queues_quota_holds(cluster: RealCluster):
    pod = a_pod(name="too-large", cpu="15")
    pod["spec"]["containers"].append({**pod["spec"]["containers"][0], "name": "second"})
    done = cluster.kubectl("create", "-f", "-", given=json.dumps(pod), check=False)
    assert "exceeded quota: platform-adhoc, requested: requests.cpu=30" in done.stderr


def test_a_container_that_asks_for_too_much_is_refused(cluster: RealCluster):
    asked = {"requests": {"cpu": "1", "memory": "65Gi"}, "limits": {"memory": "65Gi"}}
    pod = json.dumps(a_pod(name="too-large", resources=asked))
    done = cluster.kubectl("create", "--dry-run=server", "-f", "-", given=pod, check=False)
    assert "maximum memory usage per Container is 64Gi, but limit is 65Gi" in done.stderr


def test_a_container_gets_no_limit_of_cpu_that_it_did_not_ask_for(cluster: RealCluster):
    words = ("create", "--dry-run=server", "-o", "json", "-f", "-")
    created = json.loads(cluster.kubectl(*words, given=json.dumps(a_pod(name="plain"))).stdout)
    assert created["spec"]["containers"][0]["resources"]["limits"] == {"memory": "32Mi"}


def test_a_run_leaves_its_log_in_the_store_and_itself_in_the_archive(cluster: RealCluster):
    document = a_workflow()
    document["spec"]["templates"][0]["container"]["command"] = ["echo", "said by a step"]
    created = cluster.kubectl("create", "-f", "-", "-o", "json", given=json.dumps(document)).stdout
    name = json.loads(created)["metadata"]["name"]

    def run() -> Any:
        return cluster.get("workflow", "--namespace=ml", name)

    assert until(lambda: run().get("status", {}).get("phase") == "Succeeded"), run().get("status")
    found = store_of(cluster).list_objects_v2(Bucket="argo-logs", Prefix=f"ml/{name}/")["Contents"]
    (key,) = [each["Key"] for each in found if each["Key"].endswith("main.log")]
    log = store_of(cluster).get_object(Bucket="argo-logs", Key=key)["Body"].read().decode()
    assert "said by a step" in log
    token = cluster.kubectl("create", "token", "platform-submitter", "--namespace=ml", "--duration=10m").stdout.strip()

    def archived() -> list[str]:
        address = f"{cluster.addresses['argo']}/api/v1/archived-workflows?namespace=ml"
        _, text = fetch(address, Authorization=f"Bearer {token}")
        return [each["metadata"]["name"] for each in json.loads(text).get("items") or []]

    assert until(lambda: name in archived())
    cluster.kubectl("delete", "workflow", "--namespace=ml", name)


def test_argos_server_wants_a_token(cluster: RealCluster):
    assert fetch(f"{cluster.addresses['argo']}/api/v1/workflows/ml")[0] == 401
