"""A challenger beside the champion: ranks, bands and distribution over the same customers."""

import datetime

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import spearmanr

from platform_cli.errors import ContractBroken
from platform_cli.scoring.batch import compare_with_champion
from platform_cli.scoring.generate import generate_customers
from tests.unit.scoring.conftest import DAY
from tests.unit.scoring.models import save_model


@pytest.fixture(scope="module")
def challenger(contract, tmp_path_factory):
    """Trained on fewer customers and with fewer trees than the champion."""
    path = tmp_path_factory.mktemp("challenger") / "customers.parquet"
    generate_customers(contract, path, rows=3_000, seed=8, day=DAY - datetime.timedelta(days=30))
    return save_model(contract, pq.read_table(path), path.parent / "form", trees=8)


def probabilities(place, batch, tmp_path):
    keys = [batch.work.day.key(part.name) for part in batch.parts]
    return np.concatenate([pq.read_table(place.store.fetch(k, tmp_path))["probability"].to_numpy() for k in keys])


def test_rank_correlation_and_migration_are_those_of_the_scores(place, contract, a_batch, challenger, tmp_path):
    """The oracle is scipy's Spearman and a count by hand."""
    champion, shadow = a_batch(5_000), a_batch(5_000, model=challenger, role="challenger-1")
    day = champion.work.day
    found = compare_with_champion(place.store, day, contract, champion=champion.parts, challenger=shadow.parts)
    ours, theirs = probabilities(place, champion, tmp_path), probabilities(place, shadow, tmp_path)
    assert found.rows == 5_000
    assert found.rank_correlation == pytest.approx(spearmanr(ours, theirs).statistic, abs=1e-4)
    assert 0.5 < found.rank_correlation < 0.999
    edges = [0, 0.10, 0.25, 0.50, 1.01]
    expected = np.histogram2d(ours.astype(float), theirs.astype(float), bins=(edges, edges))[0]
    assert found.bands == ("low", "moderate", "high", "very high")
    assert found.migration == tuple(tuple(int(n) for n in row) for row in expected)
    assert found.band_changed == pytest.approx(1 - np.trace(expected) / 5_000)
    assert found.psi > 0


def test_a_model_beside_itself_differs_in_nothing(place, contract, a_batch):
    champion = a_batch(140_000)
    same = a_batch(140_000, role="challenger-1", rows_per_shard=65_536)
    found = compare_with_champion(
        place.store, champion.work.day, contract, champion=champion.parts, challenger=same.parts
    )
    assert (found.rank_correlation, found.band_changed, found.psi) == (pytest.approx(1), 0, 0)


def test_a_challengers_scores_stay_in_the_shadow(place, a_batch, challenger):
    shadow = a_batch(1_000, model=challenger, role="challenger-1")
    (part,) = shadow.parts
    assert part.name.startswith("shadow/run-1/challenger-1/parts/")
    assert not [key for key in place.store.list("local") if "/manifests/" in key]


def test_other_customers_cannot_be_compared(place, contract, a_batch, challenger):
    champion, shadow = a_batch(1_000), a_batch(900, model=challenger, role="challenger-1")
    with pytest.raises(ContractBroken, match="scored other customers"):
        compare_with_champion(
            place.store, champion.work.day, contract, champion=champion.parts, challenger=shadow.parts
        )
