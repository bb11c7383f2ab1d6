"""Published days from the command line, read through their manifests."""

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from platform_cli.store import open_store
from tests.unit.cli.frame import platform
from tests.unit.cli.test_schemas import check
from tests.unit.publication.builder import work


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder in which 2026-11-22 is published: 1000 customers."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    work(open_store(str(tmp_path / ".platform" / "scores")), scratch).publish()
    return tmp_path


def test_list_shows_a_line_for_each_day(shop: Path):
    done = platform("scores", "list", folder=shop)
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["day", "manifest", "rows", "mean", "model", "version", "run"],
        ["2026-11-22", "1", "1000", "0.5001", "riskiness", "3", "run-1"],
    ]


def test_list_and_show_print_what_their_schemas_say(shop: Path):
    listed = check("scores-list", platform("scores", "list", "--json", folder=shop).stdout)
    shown = check("scores-show", platform("scores", "show", "latest", "--json", folder=shop).stdout)
    assert isinstance(listed, list)
    assert isinstance(shown, dict)
    assert (listed[0]["rows"], shown["rows"], shown["key"]) == (
        1000, 1000, "local/riskiness-score/2026-11-22/manifests/000001.json",
    )  # fmt: skip


def test_show_says_what_the_scores_were_made_from(shop: Path):
    said = platform("scores", "show", "2026-11-22", folder=shop).stdout
    assert "2026-11-22 of riskiness-score (channel local)" in said
    assert "champion: riskiness version 3" in said


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_get_writes_every_row_in_the_order_of_ids(shop: Path, suffix: str):
    done = platform("scores", "get", "latest", "-o", f"day{suffix}", "--json", folder=shop)
    check("scores-get", done.stdout)
    if suffix == ".parquet":
        rows = pq.read_table(shop / "day.parquet").to_pylist()
    else:
        with (shop / "day.csv").open() as file:
            rows = list(csv.DictReader(file))
    assert len(rows) == 1000
    assert [int(row["customer"]) for row in rows[:2]] == [1000, 1007]
    assert list(rows[0]) == ["customer", "probability", "risk_band", "model_version", "run"]
    assert float(rows[1]["probability"]) == pytest.approx(0.37)
    assert rows[0]["run"] == "run-1"


def test_get_replaces_a_file_only_when_told_to(shop: Path):
    (shop / "day.csv").write_text("mine")
    refused = platform("scores", "get", "latest", "-o", "day.csv", folder=shop)
    assert (refused.returncode, (shop / "day.csv").read_text()) == (2, "mine")
    assert "--force" in refused.stderr
    assert platform("scores", "get", "latest", "-o", "day.csv", "--force", folder=shop).returncode == 0
    assert (shop / "day.csv").read_text() != "mine"


def test_get_leaves_nothing_where_a_part_is_damaged(shop: Path):
    [part] = shop.glob(".platform/scores/local/riskiness-score/2026-11-22/parts/*/*.parquet")
    part.chmod(0o644)
    part.write_bytes(part.read_bytes()[:200])
    done = platform("scores", "get", "latest", "-o", "day.csv", folder=shop)
    assert done.returncode == 1
    assert "is not a whole Parquet file" in done.stderr
    assert [path.name for path in shop.iterdir() if "day.csv" in path.name] == []


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        pytest.param(["show", "2026-11-21"], 6, "2026-11-21 of riskiness-score is not published", id="another-day"),
        pytest.param(["show", "22.11.2026"], 2, 'DAY is "22.11.2026"; wanted YYYY-MM-DD, or latest', id="malformed"),
        pytest.param(["show", "2026-02-30"], 2, 'DAY is "2026-02-30"', id="no-such-day"),
        pytest.param(["show", "latest", "--flow", "riskines-score"], 6, 'Did you mean "riskiness-score"?', id="flow"),
        pytest.param(
            ["get", "latest", "-o", "day.xlsx"], 2, "wanted a name that ends in .parquet or .csv", id="format"
        ),
    ],
)
def test_what_cannot_be_shown_is_refused_with_the_reason(shop: Path, words: list[str], code: int, message: str):
    done = platform("scores", *words, folder=shop)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr


def test_an_empty_channel_is_not_found(tmp_path: Path):
    done = platform("scores", "list", folder=tmp_path)
    assert done.returncode == 6
    assert "nothing is published in" in done.stderr


def test_a_flow_must_be_named_where_several_have_published(shop: Path):
    folder = shop / ".platform" / "scores" / "local"
    (folder / "other" / "2026-11-22" / "manifests").mkdir(parents=True)
    (folder / "other" / "2026-11-22" / "manifests" / "000001.json").write_text("{}")
    done = platform("scores", "list", folder=shop)
    assert done.returncode == 2
    assert "2 flows have published: other, riskiness-score" in done.stderr
    assert platform("scores", "list", "--flow", "RiskinessScore", folder=shop).returncode == 0


def test_a_flow_is_known_by_its_class_or_by_its_name(shop: Path):
    found = json.loads(platform("scores", "list", "--flow", "RiskinessScore", "--json", folder=shop).stdout)
    assert found[0]["flow"] == "riskiness-score"
