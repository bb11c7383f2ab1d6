"""A published day is verified and explained from the command line with nothing but the store and the registry."""

import datetime
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from platform_cli.models.registry import open_registry
from platform_cli.names import Channel
from platform_cli.publication import Day, ModelRecord, publish
from platform_cli.scoring import batch
from platform_cli.scoring.contract import load_contract
from platform_cli.scoring.generate import generate_customers
from platform_cli.store import open_store
from tests.unit.cli.frame import platform
from tests.unit.cli.test_schemas import check
from tests.unit.scoring.models import save_model

pytestmark = pytest.mark.slow

CONTRACT = Path(__file__).parents[3] / "flows" / "riskiness" / "contract.toml"
DAY = datetime.date(2026, 11, 22)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a registered model, a contract where flows keep it, and 2026-11-22 scored and published."""
    folder = tmp_path_factory.mktemp("published")
    (folder / "flows" / "riskiness").mkdir(parents=True)
    shutil.copy(CONTRACT, folder / "flows" / "riskiness")
    contract = load_contract(CONTRACT)
    channel = Channel("local")
    registry = open_registry(f"sqlite:///{folder}/.platform/mlflow.db", channel)
    run = registry.log_training_run("riskiness", key="t", params={}, metrics={}, tags={"data": "d", "code": "c"})
    generate_customers(contract, folder / "training.parquet", rows=4_000, seed=7, day=DAY)
    model = save_model(contract, pq.read_table(folder / "training.parquet"), folder / "form", training_run=run)
    version = registry.register(model.folder, model.digest, challenger="first")

    place = batch.Place(store=open_store(str(folder / ".platform" / "scores")), channel=channel, flow="riskiness-score")
    generate_customers(contract, folder / "customers.parquet", rows=3_000, seed=8, day=DAY, labelled=False)
    work = batch.Work(
        contract=contract,
        day=Day(channel=channel, flow="riskiness-score", day=DAY),
        input=batch.take_snapshot(place, contract, str(folder / "customers.parquet")).input,
        model=ModelRecord(role="champion", name=version.model, version=str(version.number), digest=model.digest),
        run="run-1",
    )
    [shard] = batch.plan_shards(3_000, rows_per_shard=10**9)
    scored = [batch.score_shard(place.store, work, shard, model.load(), attempt="attempt-1")]
    summary = batch.judge_day(contract, model.load(), scored)
    draft = batch.draft_day(work, scored, challengers=(), code="code-2", summary=summary)
    publish(place.store, work.day, draft, now=datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC), nonce="n")
    return folder


def test_verify_reads_all_and_scores_again(published: Path):
    done = platform("scores", "verify", "latest", "--json", folder=published)
    assert done.returncode == 0, done.stderr
    document = check("scores-verify", done.stdout)
    assert isinstance(document, dict)
    assert (document["rows"], document["parts"], document["rescored"]) == (3000, 1, 3000)


def test_explain_traces_a_score_to_its_training(published: Path):
    done = platform("explain", "17", "2026-11-22", "--top", "3", "--json", folder=published)
    assert done.returncode == 0, done.stderr
    document = check("explain", done.stdout)
    assert isinstance(document, dict)
    assert (document["customer"], document["run"], document["training_data"]) == (17, "run-1", "data-1")
    assert len(document["contributions"]) == 3


def test_a_contract_that_changed_since_is_refused_with_the_way_to_the_old_one(published: Path, tmp_path: Path):
    changed = tmp_path / "contract.toml"
    changed.write_text(CONTRACT.read_text().replace("bill_amount_1m", "bill_amount_now"))
    done = platform("explain", "17", "latest", "--contract", str(changed), folder=published)
    assert done.returncode == 6
    assert "has the fingerprint" in done.stderr
    assert "git log -p" in done.stderr
