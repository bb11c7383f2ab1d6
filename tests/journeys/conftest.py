"""A machine with a trained champion and a challenger, made once; each test gets a copy of it."""

import base64
import fcntl
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import cluster  # noqa: F401 # a walkthrough's second half needs it too

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ROOT / "flows" / "riskiness" / "train.py"
SCORE = ROOT / "flows" / "riskiness" / "score.py"
PLATFORM = Path(sys.executable).with_name("platform")
ROWS = 8_000
# Small and quick to fit; good enough for the gate.
SETTINGS = {"n_estimators": 60, "max_depth": 3, "n_jobs": 1}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One person's machine: a home for the platform's state, and a current folder."""

    home: Path

    def run(self, *words: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command line here, to its end."""
        return subprocess.run(
            [str(word) for word in words],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.home,
            env=self.environ(**environ),
            timeout=300,
        )

    def environ(self, **more: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        place = {"PLATFORM_HOME": str(self.home / "state"), "METAFLOW_USER": "tester", "NO_COLOR": "1"}
        # Two cores and two workers: threads of one process that wait for a core help nobody.
        return {**kept, **place, "OMP_NUM_THREADS": "1", **more}

    def platform(self, *words: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
        return self.run(PLATFORM, *words, **environ)

    def flow(self, file: Path, **parameters: object) -> subprocess.CompletedProcess[str]:
        """Run a flow by `platform run`, with its JSON on stdout."""
        given = [word for name, value in parameters.items() for word in ("-p", f"{name}={value}")]
        return self.platform("run", file, "--json", *given)

    @property
    def day_files(self) -> list[str]:
        """Every manifest in the store."""
        scores = self.home / "state" / "scores"
        return sorted(str(path.relative_to(scores)) for path in scores.rglob("manifests/*.json"))

    def card(self, flow: str) -> str:
        """The text of the one card that a flow left, with the parts that its page keeps in base64."""
        [card] = self.home.rglob(f"mf.cards/{flow}/**/*.html")
        packed = re.findall(r'"([A-Za-z0-9+/=]{400,})"', card.read_text())
        return "\n".join(base64.b64decode(text).decode("utf-8", "replace") for text in packed)

    def manifest(self, day: str, number: int = 1) -> dict[str, Any]:
        path = self.home / "state/scores/local/riskiness-score" / day / f"manifests/{number:06d}.json"
        found: dict[str, Any] = json.loads(path.read_text())
        return found


def train(machine: Machine, **parameters: object) -> None:
    given: Mapping[str, object] = {
        "customers": f"synthetic:{ROWS}",
        "settings": json.dumps(SETTINGS),
        "folds": 2,
        **parameters,
    }
    done = machine.flow(TRAIN, **given)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Trained once for all workers of the run: whoever comes first holds the lock, the others find it done.
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    home = shared / "trained"
    with (shared / "trained.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.is_dir():
            making = new_home(shared / "trained.making")
            train(making)
            train(making, settings=json.dumps({**SETTINGS, "max_depth": 2}), challenger="shallow", promote=False)
            copy_of(making.home, home)
    return home


@pytest.fixture
def machine(trained_home: Path, tmp_path: Path) -> Machine:
    """A machine on which a champion and one challenger are registered, and nothing is published."""
    return copy_of(trained_home, tmp_path / "home")


@pytest.fixture
def new_machine(tmp_path: Path) -> Machine:
    """A machine on which nothing was ever done."""
    return new_home(tmp_path / "home")


def new_home(home: Path) -> Machine:
    """Make an empty home in which `flows/...` is found, as in a checkout."""
    home.mkdir()
    (home / "flows").symlink_to(ROOT / "flows")
    return Machine(home=home)


def copy_of(home: Path, place: Path) -> Machine:
    """
    Copy a machine's state to another place.

    MLflow keeps absolute addresses of its files in its database, so they are moved there as well.
    """
    machine = new_home(place)
    shutil.copytree(home / "state", place / "state")
    with sqlite3.connect(place / "state" / "mlflow.db") as database:
        for table, column in (
            ("experiments", "artifact_location"),
            ("runs", "artifact_uri"),
            ("model_versions", "source"),
            ("model_versions", "storage_location"),
        ):
            database.execute(f"update {table} set {column} = replace({column}, ?, ?)", (str(home), str(place)))  # noqa: S608
    database.close()
    return machine
