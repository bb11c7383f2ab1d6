"""Crashes, races and dead servers leave a registry that the next attempt completes."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from platform_cli.errors import Unreachable
from platform_cli.models.form import load_form
from platform_cli.models.registry import open_registry
from platform_cli.names import Channel
from tests.unit.models.builders import a_form, a_training

_DYING = """
import os, signal, sys
from pathlib import Path
from platform_cli.models.registry import open_registry
from platform_cli.names import Channel

uri, folder, digest, call, moment = sys.argv[1:]
registry = open_registry(uri, Channel("local"))
original = getattr(registry.client, call)

def dying(*args, **options):
    if moment == "after":
        original(*args, **options)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(registry.client, call, dying)
registry.register(Path(folder), digest, challenger="small")
"""


@pytest.mark.kills
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    "call", ["create_registered_model", "log_artifact", "create_model_version", "set_registered_model_alias"]
)
def test_a_registration_killed_anywhere_is_completed_by_the_next_one_as_one_version(
    call: str, moment: str, models_uri: str, tmp_path: Path
) -> None:
    registry = open_registry(models_uri, Channel("local"))
    digest = a_form(tmp_path / "form", training_run=a_training(registry))
    words = [sys.executable, "-c", _DYING, models_uri, str(tmp_path / "form"), digest, call, moment]
    assert subprocess.run(words, check=False, timeout=300, env={**os.environ, "PYTHONPATH": "."}).returncode == -9

    version = registry.register(tmp_path / "form", digest, challenger="small")
    assert [(each.number, each.digest) for each in registry.versions("riskiness")] == [(1, digest)]
    assert registry.resolve("riskiness", "challenger-small").number == 1
    fetched = registry.fetch(version, tmp_path / "cache")
    assert (fetched / "model.ubj").read_bytes() == (tmp_path / "form" / "model.ubj").read_bytes()


_RACING = """
import json, sys, time
from pathlib import Path
from platform_cli.models.form import import_xgboost
from platform_cli.models.registry import open_registry
from platform_cli.names import Channel

uri, root, me = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
import_xgboost()
registry = open_registry(uri, Channel("local"))
numbers = []
for place, digest in json.loads((root / "forms.json").read_text()):
    (root / f"{Path(place).name}.{me}").touch()
    while len(list(root.glob(f"{Path(place).name}.*"))) < 3:
        time.sleep(0.001)
    numbers.append(registry.register(Path(place), digest).number)
print(json.dumps(numbers))
"""


def _race(uri: str, folder: Path) -> None:
    registry = open_registry(uri, Channel("local"))
    run = a_training(registry)
    forms = [(folder / "forms" / f"f{trees}", trees) for trees in range(1, 9)]
    digests = [(str(place), a_form(place, trees=trees, training_run=run)) for place, trees in forms]
    (folder / "forms.json").write_text(json.dumps(digests))
    words = [sys.executable, "-c", _RACING, uri, str(folder)]
    environ = {**os.environ, "PYTHONPATH": "."}
    racers = [subprocess.Popen([*words, str(me)], stdout=subprocess.PIPE, text=True, env=environ) for me in range(3)]
    answers = [json.loads(racer.communicate(timeout=300)[0]) for racer in racers]
    assert answers[0] == answers[1] == answers[2]
    registered = registry.versions("riskiness")
    assert sorted(version.digest for version in registered) == sorted(digest for _, digest in digests)
    assert sorted(version.number for version in registered) == sorted(answers[0])


@pytest.mark.slow
def test_processes_that_register_one_digest_at_once_get_one_version(models_uri: str, tmp_path: Path) -> None:
    _race(models_uri, tmp_path)


@pytest.mark.slow
def test_on_a_server_too_and_the_folder_comes_back_through_it_in_silence(
    models_uri: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with _server(models_uri, tmp_path) as uri:
        _race(uri, tmp_path)
        registry = open_registry(uri, Channel("local"))
        version = registry.find("riskiness", 1)
        registry.promote(version)
        fetched = registry.fetch(registry.resolve("riskiness"), tmp_path / "cache")
        assert load_form(fetched, version.digest).digest == version.digest
        assert registry.training(version).metrics == {"auc": 0.75}
    assert capfd.readouterr() == ("", "")
    with pytest.raises(Unreachable, match="connection refused"):
        registry.resolve("riskiness")


@contextmanager
def _server(database: str, folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", str(port)]
    words += ["--backend-store-uri", database, "--serve-artifacts", "--artifacts-destination", str(folder / "served")]
    environ = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(words, stdout=log, stderr=log, env=environ, cwd=folder, start_new_session=True)
    try:
        while True:
            assert server.poll() is None, (folder / "server.log").read_text()
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as health:
                assert health.read() == b"OK"
                break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)


# -- a dead server: two tries of 8 s and a pause of at most 2 s between them, 18 s in all


def test_a_closed_port_is_reported_with_the_setting_that_mends_it() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(Unreachable) as dead:
            open_registry(uri, Channel("local"))
    assert str(dead.value) == (
        f"cannot use MLflow at {uri}: connection refused.\n"
        "  Set PLATFORM_MODELS, or `models` in platform.toml, to another address, or start the server."
    )
    assert dead.value.exit_code == 5


@pytest.mark.slow
def test_a_server_that_never_answers_is_asked_twice_for_8_seconds_and_no_more() -> None:
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as hole:

        def swallow() -> None:
            while True:
                try:
                    asked.append(hole.accept()[0])
                except OSError:
                    return

        listener = threading.Thread(target=swallow)
        listener.start()
        with pytest.raises(Unreachable, match="it does not answer"):
            open_registry(f"http://127.0.0.1:{hole.getsockname()[1]}", Channel("local"))
        hole.shutdown(socket.SHUT_RDWR)
        listener.join()
    for connection in asked:
        connection.close()
    assert len(asked) == 2
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "8"


def test_a_database_that_is_no_database_is_reported(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is a diary, not a database")
    with pytest.raises(Unreachable, match=r"cannot use MLflow at sqlite:///.*mlflow\.db: "):
        open_registry(f"sqlite:///{tmp_path}/mlflow.db", Channel("local"))
