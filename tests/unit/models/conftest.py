"""A real MLflow on SQLite for each test; its tables are made once, since that takes seconds."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from platform_cli.models.registry import Registry, open_registry
from platform_cli.names import Channel

OpenRegistry = Callable[..., Registry]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    open_registry(f"sqlite:///{path}", Channel("local"))
    return path


@pytest.fixture
def models_uri(empty_database: Path, tmp_path: Path) -> str:
    home = tmp_path / "home"
    home.mkdir()
    shutil.copyfile(empty_database, home / "mlflow.db")
    return f"sqlite:///{home / 'mlflow.db'}"


@pytest.fixture
def registry(models_uri: str) -> Registry:
    return open_registry(models_uri, Channel("local"))
