"""The daily risk batch, as the people who live with it meet it: whole flows, real files, exit codes."""

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.journeys.conftest import PLATFORM, ROWS, SCORE, TRAIN, Machine, copy_of, train

pytestmark = pytest.mark.slow

DAY = "2026-11-20"
CUSTOMERS = f"synthetic:{ROWS}"


def score(machine: Machine, **parameters: object) -> subprocess.CompletedProcess[str]:
    return machine.flow(SCORE, **{"as_of": DAY, "customers": CUSTOMERS, **parameters})


def a_csv(folder: Path, machine: Machine, change: object = None) -> Path:
    """A day's customers as a CSV file, written by the project's generator, with one change made to its rows."""
    code = (
        "import sys, datetime; from pathlib import Path; import pyarrow.csv as c, pyarrow.parquet as q;"
        "from platform_cli.scoring.contract import load_contract;"
        "from platform_cli.scoring.generate import generate_customers;"
        "generate_customers(load_contract(sys.argv[1]), Path(sys.argv[2]), rows=int(sys.argv[3]), seed=5,"
        " day=datetime.date(2026, 11, 20)); c.write_csv(q.read_table(sys.argv[2]), sys.argv[4])"
    )
    parquet, text = folder / "day.parquet", folder / "day.csv"
    contract = SCORE.parent / "contract.toml"
    made = machine.run(sys.executable, "-c", code, contract, parquet, "2000", text)
    assert made.returncode == 0, made.stderr
    if callable(change):
        with text.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        change(rows)
        with text.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return text


def test_a_day_is_scored_published_once_shadowed_reported_and_explained(machine: Machine) -> None:
    first = score(machine)
    assert first.returncode == 0, first.stderr[-3000:]
    told = json.loads(first.stdout)
    manifest = machine.manifest(DAY)
    assert told["published"].endswith(f"local/riskiness-score/{DAY}/manifests/000001.json")
    assert manifest["totals"]["rows"] == ROWS
    assert [model["role"] for model in manifest["models"]] == ["champion", "challenger-shallow"]
    assert re.fullmatch(
        rf"{ROWS:,} customers scored and published for {DAY} at [\d,]+ rows per second", told["headline"]
    )

    shadows = list((machine.home / "state/scores/local/riskiness-score" / DAY / "shadow").rglob("*.parquet"))
    assert len(shadows) == 1
    assert "challenger-shallow: where customers move" in machine.card("RiskinessScore")
    metrics = json.loads(machine.platform("metrics", "--json").stdout)
    assert f"{float(ROWS)}" in json.dumps(metrics)

    again = score(machine)
    assert (again.returncode, "was published already" in json.loads(again.stdout)["headline"]) == (0, True)
    assert machine.day_files == [f"local/riskiness-score/{DAY}/manifests/000001.json"]
    assert machine.manifest(DAY) == manifest

    other = score(machine, customers=f"synthetic:{ROWS - 1}")
    assert other.returncode == 8
    assert "published already" in other.stderr
    assert manifest["input"]["sha256"][:12] in other.stderr
    assert machine.manifest(DAY) == manifest

    verified = machine.platform("scores", "verify", DAY, "--json")
    assert verified.returncode == 0, verified.stderr
    explained = json.loads(machine.platform("explain", "7", DAY, "--json").stdout)
    assert explained["model"]["version"] == "1"
    assert explained["run"] == manifest["run"]


def test_the_flow_runs_without_the_platform_command(machine: Machine) -> None:
    done = machine.run(sys.executable, SCORE, "run", "--as_of", DAY, "--customers", CUSTOMERS)
    assert done.returncode == 0, done.stdout[-3000:]
    assert machine.day_files == [f"local/riskiness-score/{DAY}/manifests/000001.json"]


def test_shards_do_not_change_what_is_published(machine: Machine, trained_home: Path, tmp_path: Path) -> None:
    other = copy_of(trained_home, tmp_path / "other")
    rows = {"customers": "synthetic:140000"}
    assert score(machine, rows_per_shard=65_536, **rows).returncode == 0
    assert score(other, **rows).returncode == 0
    sharded, whole = machine.manifest(DAY), other.manifest(DAY)
    assert (len(sharded["parts"]), len(whole["parts"])) == (3, 1)
    assert sharded["digest"] == whole["digest"]


def test_without_a_champion_nothing_is_scored(new_machine: Machine) -> None:
    done = score(new_machine)
    assert done.returncode == 6
    assert "model riskiness has no champion" in done.stderr
    assert "platform run flows/riskiness/train.py" in done.stderr
    assert new_machine.day_files == []


def test_a_broken_file_ends_with_65_names_its_column_and_is_never_retried(machine: Machine, tmp_path: Path) -> None:
    def break_it(rows: list[dict[str, str]]) -> None:
        for row in rows[:3]:
            row["payment_amount_2m"] = "-5"

    path = a_csv(tmp_path, machine, break_it)
    done = score(machine, customers=path)
    assert done.returncode == 65
    assert re.search(r"day\.csv.*payment_amount_2m.*3 ", done.stderr, flags=re.DOTALL)

    plain = machine.run(sys.executable, SCORE, "run", "--as_of", DAY, "--customers", path)
    assert plain.returncode == 1
    assert plain.stdout.count("Task is starting") + plain.stderr.count("Task is starting") == 1
    assert machine.day_files == []


@pytest.mark.parametrize("day", ["2999-01-01", "yesterday"], ids=["future", "malformed"])
def test_a_day_that_cannot_be_is_refused(machine: Machine, day: str) -> None:
    done = score(machine, as_of=day)
    assert done.returncode == 65
    assert f"as_of is {day}" in done.stderr.replace('"', "")
    assert machine.day_files == []


def test_a_model_file_with_one_bit_flipped_scores_nothing(machine: Machine) -> None:
    for path in (machine.home / "state").rglob("model.ubj"):
        body = bytearray(path.read_bytes())
        body[len(body) // 2] ^= 1
        path.write_bytes(bytes(body))
    done = score(machine)
    assert done.returncode == 65
    assert "model.ubj" in done.stderr
    assert machine.day_files == []


def test_a_day_far_larger_than_the_last_is_refused(machine: Machine) -> None:
    assert score(machine).returncode == 0
    done = score(machine, as_of="2026-11-21", customers=f"synthetic:{2 * ROWS}")
    assert done.returncode == 65
    assert f"{2 * ROWS:,} rows, while {DAY} had {ROWS:,}" in done.stderr
    assert len(machine.day_files) == 1


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "its task was killed"),
        ("import time; time.sleep(600)", "timed out"),
    ],
    ids=["fails", "is-killed", "hangs"],
)
def test_a_challenger_that_does_not_score_leaves_a_published_day_and_a_card_that_says_so(
    machine: Machine, tmp_path: Path, harm: str, reason: str
) -> None:
    flow = tmp_path / "riskiness"
    shutil.copytree(SCORE.parent, flow)
    source = (flow / "score.py").read_text()
    line = "        champion = [shard.part for shard in self.scored]\n"
    assert source.count(line) == 1
    assert source.count("@timeout(minutes=30)") == 1
    source = source.replace(line, f"        {harm}\n{line}").replace("@timeout(minutes=30)", "@timeout(seconds=2)")
    (flow / "score.py").write_text(source)
    done = machine.flow(flow / "score.py", as_of=DAY, customers=CUSTOMERS)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["headline"].endswith("; without challenger-shallow")
    assert machine.manifest(DAY)["totals"]["rows"] == ROWS
    card = machine.card("RiskinessScore")
    assert "did not score the day" in card
    assert reason in card


@pytest.mark.kills
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "sigterm"])
def test_a_batch_that_is_stopped_publishes_nothing_by_half_and_can_run_again(
    machine: Machine, number: signal.Signals, code: int
) -> None:
    words = [str(PLATFORM), "run", str(SCORE), "-p", f"as_of={DAY}"]
    words += ["-p", f"customers={CUSTOMERS}"]
    with subprocess.Popen(
        words, cwd=machine.home, env=machine.environ(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as running:
        parts = machine.home / "state" / "scores" / "local" / "riskiness-score"
        deadline = time.monotonic() + 120
        while not list(parts.rglob("part-*.parquet")) and time.monotonic() < deadline:
            time.sleep(0.02)
        running.send_signal(number)
        _, talk = running.communicate(timeout=60)
    assert running.returncode == code, talk
    assert "Traceback" not in talk
    assert score(machine).returncode == 0
    assert machine.platform("scores", "verify", DAY).returncode == 0
    assert len(machine.day_files) == 1


@pytest.mark.real
def test_on_real_customers_the_model_reaches_its_auc_and_their_day_is_published(
    new_machine: Machine, real_customers: Path
) -> None:
    trained = new_machine.flow(TRAIN, customers=real_customers, promote=True)
    assert trained.returncode == 0, trained.stderr[-3000:]
    found = re.search(r"mean hold-out AUC (0\.\d+)", json.loads(trained.stdout)["headline"])
    assert found
    assert float(found[1]) >= 0.77
    done = score(new_machine, customers=real_customers)
    assert done.returncode == 0, done.stderr[-3000:]
    assert new_machine.manifest(DAY)["totals"]["rows"] == 30_000
    assert new_machine.platform("scores", "verify", DAY).returncode == 0


def test_the_same_training_twice_is_one_version(machine: Machine) -> None:
    train(machine)
    shown = json.loads(machine.platform("models", "list", "--json").stdout)
    assert "2" in json.dumps(shown)
    versions = json.loads(machine.platform("models", "show", "riskiness", "--json").stdout)
    assert {int(number) for number in re.findall(r'"(?:number|version)": "?(\d+)', json.dumps(versions))} <= {1, 2}


@pytest.mark.parametrize("file", [TRAIN, SCORE], ids=["train", "score"])
def test_loading_a_flow_file_loads_no_heavy_library(machine: Machine, file: Path) -> None:
    """Every step is a process that loads the file first."""
    heavy = {"numpy", "pandas", "pyarrow", "sklearn", "xgboost", "mlflow", "matplotlib", "scipy", "duckdb", "boto3"}
    code = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='loaded'); print(*sys.modules)"
    loaded = machine.run(sys.executable, "-c", code, file)
    assert loaded.returncode == 0, loaded.stderr
    assert not {name.split(".")[0] for name in loaded.stdout.split()} & heavy
