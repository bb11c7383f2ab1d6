"""
The door to mlflow: silent, patient for half a minute at most, with errors of our own.

In: the address of an MLflow server, or `sqlite:///` and a file.
Out: an MlflowClient, and a frame for its calls that turns its exceptions into ours.

mlflow waits minutes for a dead server, logs its migrations to stderr, draws progress bars and reports usage unless it
is told otherwise before it is imported. Whoever wants other values sets mlflow's own variables.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from platform_cli.errors import NotFound, PlatformError, SettingsError, Unreachable

_SQLITE = "sqlite:///"
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # Two tries of 8 s and a pause of 1 to 2 s: a dead server is known after 18 s.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "8",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    # Otherwise clients download by addresses of the store itself, which they may not be able to reach.
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
}


def open_client(uri: str) -> Any:
    """
    Connect to MLflow; creates the file of a `sqlite:///` address.

    Raises:
        SettingsError: the address is of another kind.
        Unreachable: nothing answers there, within 30 s.
    """
    if not uri.startswith((_SQLITE, "http://", "https://")):
        raise SettingsError(f'models is "{uri}"', wanted="sqlite:///<file> or http(s)://<host>")
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if uri.startswith(_SQLITE):
        Path(uri.removeprefix(_SQLITE)).parent.mkdir(parents=True, exist_ok=True)
    with answers_of(uri):
        from mlflow.tracking import MlflowClient

        # Importing mlflow sets its loggers' levels.
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    return client


def artifact_folder(uri: str) -> str | None:
    """Where a server-less MLflow keeps files: beside its database; None where a server decides."""
    if not uri.startswith(_SQLITE):
        return None
    return str((Path(uri.removeprefix(_SQLITE)).parent / "mlruns").absolute())


@contextmanager
def answers_of(uri: str) -> Iterator[None]:
    """
    Turn mlflow's exceptions into the platform's.

    Raises:
        NotFound: MLflow says that what was asked for does not exist.
        Unreachable: no answer, or not one of MLflow's.
    """
    try:
        with warnings.catch_warnings():
            # Libraries telling mlflow that it uses them in an old way: nothing that our caller could mend.
            warnings.simplefilter("ignore")
            yield
    except PlatformError:
        raise
    except Exception as error:
        if error_code(error) in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
            raise NotFound(f"MLflow at {uri}: {_first_line(error)}") from error
        if not type(error).__module__.startswith(("mlflow", "requests", "urllib3", "sqlalchemy", "sqlite3", "alembic")):
            raise
        raise Unreachable(
            f"cannot use MLflow at {uri}: {_reason(error)}",
            fix="Set PLATFORM_MODELS, or `models` in platform.toml, to another address, or start the server.",
        ) from error


def error_code(error: BaseException) -> str:
    """Read MLflow's own code of an exception; empty where there is none."""
    return str(getattr(error, "error_code", ""))


def _reason(error: BaseException) -> str:
    root: BaseException = error
    while root.__cause__ is not None or root.__context__ is not None:
        root = root.__cause__ or root.__context__  # type: ignore[assignment]
    text = f"{error} {root}".lower()
    if "refused" in text:
        return "connection refused"
    if "timed out" in text or "timeout" in text:
        return "it does not answer"
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
