"""The daily risk batch on the real customers in the cluster: published, explained, and bit for bit a laptop's."""

import csv
import json
import os
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.cluster.conftest import COMMAND, ROOT, RealCluster, platform

pytestmark = [pytest.mark.cluster, pytest.mark.real, pytest.mark.slow]

DAY = "2026-11-22"
CUSTOMERS = 30_000
# Shards hold whole blocks of 65,536 rows; three times the customers are two of them.
COPIES = 3
# Quick to fit, and still good enough for the gate.
FEW_TREES = {"n_estimators": 60, "max_depth": 3, "n_jobs": 1}


@dataclass(frozen=True)
class Batch:
    """A day that the cluster has scored for one person's ad hoc channel, and how that person asks for it."""

    owner: str
    customers: Path
    runs: dict[str, dict[str, Any]]

    @property
    def environ(self) -> dict[str, str]:
        return {"METAFLOW_USER": self.owner, "PLATFORM_CHANNEL": f"adhoc/{self.owner}"}

    def ask(self, *words: str, **environ: str) -> Any:
        """Run a command that must succeed, and read its document."""
        done = platform(*words, "--json", environ={**self.environ, **environ})
        assert done.returncode == 0, f"platform {' '.join(words)}: {done.stderr}"
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def batch(cluster: RealCluster, real_customers: Path, tmp_path_factory: pytest.TempPathFactory) -> Batch:
    """Two models trained on the real file, then a day of three times its customers scored with both."""
    folder = tmp_path_factory.mktemp("batch")
    batch = Batch(owner=f"batch-{uuid.uuid4().hex[:8]}", customers=folder / "customers.csv", runs={})
    copy_customers(real_customers, batch.customers)
    train = put(cluster, batch, real_customers)
    training = ["flows/riskiness/train.py", "-p", f"customers={train}", "-p", "folds=2"]
    champion = [*training, "-p", f"settings={json.dumps(FEW_TREES)}"]
    shallow = json.dumps({**FEW_TREES, "max_depth": 2})
    challenger = [*training, "-p", f"settings={shallow}", "-p", "challenger=shallow", "-p", "promote=False"]
    score = ["flows/riskiness/score.py", "--as-of", DAY, "-p", f"customers={put(cluster, batch, batch.customers)}"]
    score += ["-p", "rows_per_shard=65536"]
    for name, words in {"champion": champion, "challenger": challenger, "score": score}.items():
        batch.runs[name] = batch.ask("submit", *words, "--wait")
    return batch


def copy_customers(source: Path, target: Path) -> None:
    """Write every customer three times, each time with an id of its own."""
    with source.open(newline="") as file:
        header, *rows = csv.reader(file)
    at, last = header.index("customer_id"), len(rows)
    label = header.index("default_next_month")
    with target.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([name for name in header if name != header[label]])
        for copy in range(COPIES):
            for row in rows:
                new = [*row]
                new[at] = str(int(row[at]) + copy * last)
                del new[label]
                writer.writerow(new)


def put(cluster: RealCluster, batch: Batch, file: Path) -> str:
    """Upload a file where this person may write."""
    import boto3  # noqa: PLC0415 # half a second that other tests need not wait for

    session = boto3.Session(profile_name=None, botocore_session=session_of(cluster))
    key = f"adhoc/{batch.owner}/{file.name}"
    session.client("s3", endpoint_url=cluster.addresses["s3"]).upload_file(str(file), "scores", key)
    return f"s3://scores/{key}"


def session_of(cluster: RealCluster) -> Any:
    """A botocore session of the laptop's account."""
    import botocore.session  # noqa: PLC0415

    session = botocore.session.Session(profile="platform-kind")
    session.set_config_variable("credentials_file", str(cluster.credentials))
    return session


def scores_of(file: Path) -> dict[int, tuple[str, str]]:
    with file.open(newline="") as opened:
        return {int(row["customer_id"]): (row["probability"], row["risk_band"]) for row in csv.DictReader(opened)}


def test_a_day_is_trained_for_scored_in_two_shards_and_published(batch: Batch) -> None:
    assert {name: run["state"] for name, run in batch.runs.items()} == dict.fromkeys(batch.runs, "succeeded")
    day = batch.ask("scores", "show", DAY)
    assert day["channel"] == f"adhoc/{batch.owner}"
    assert day["rows"] == COPIES * CUSTOMERS
    assert len(day["parts"]) == 2
    assert [model["role"] for model in day["models"]] == ["champion", "challenger-shallow"]


def test_the_clusters_scores_are_a_laptops_bit_for_bit(batch: Batch, tmp_path: Path) -> None:
    here = {"PLATFORM_SCORES": str(tmp_path / "scores"), "PLATFORM_METRICS": str(tmp_path / "metrics")}
    batch.ask(
        "run",
        "flows/riskiness/score.py",
        *("-p", f"as_of={DAY}", "-p", f"customers={batch.customers}"),
        METAFLOW_DATASTORE_SYSROOT_LOCAL=str(tmp_path / "metaflow"),
        **here,
    )
    for name, environ in {"cluster": {}, "laptop": here}.items():
        batch.ask("scores", "get", DAY, "-o", str(tmp_path / f"{name}.csv"), **environ)
    cluster, laptop = scores_of(tmp_path / "cluster.csv"), scores_of(tmp_path / "laptop.csv")
    assert len(cluster) == COPIES * CUSTOMERS
    assert cluster == laptop
    shown = [batch.ask("scores", "show", DAY, **environ)["digest"] for environ in ({}, here)]
    assert shown[0] == shown[1]


def test_a_score_of_the_cluster_is_explained_and_verified_from_a_laptop(batch: Batch) -> None:
    explained = batch.ask("explain", "7", DAY)
    run = f"RiskinessScore/argo-{batch.runs['score']['run']}"
    assert (explained["customer"], explained["run"], explained["model"]["version"]) == (7, run, "1")
    verified = batch.ask("scores", "verify", DAY)
    assert (verified["rows"], verified["rescored"]) == (COPIES * CUSTOMERS, COPIES * CUSTOMERS)


def test_the_days_card_opens_on_a_laptop(batch: Batch) -> None:
    links = batch.ask("open", batch.runs["score"]["run"])["links"]
    card = Path(unquote(urlsplit(links["card report"]).path)).read_text()
    assert "<html" in card


def test_metaflows_own_client_reads_the_run_from_outside(batch: Batch, tmp_path: Path) -> None:
    (tmp_path / "platform.toml").symlink_to(ROOT / "platform.toml")
    program = (
        "import json, sys, metaflow; metaflow.namespace(None); run = metaflow.Run(sys.argv[1]); "
        "print(json.dumps([run.successful, len(list(run['score'])), run.data.batch.snapshot.input.rows]))"
    )
    pull = [*COMMAND, "pull", batch.runs["score"]["run"], "--json"]
    environ = {**os.environ, **batch.environ, "PLATFORM_ENV": "kind"}
    pulled = json.loads(subprocess.run(pull, cwd=tmp_path, env=environ, capture_output=True, check=True).stdout)
    environ |= pulled["variables"]
    read = [sys.executable, "-c", program, pulled["run"]]
    done = subprocess.run(read, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [True, 2, COPIES * CUSTOMERS]
