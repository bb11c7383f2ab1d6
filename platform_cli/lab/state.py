"""
What this user's laptop cluster is: which container, made from what, with which secrets.

In: the folder of `settings.state_folder`. Out: a State that is read, changed and written whole, and files for others.

A cluster is ours when the container that runs it is the one this file names. A name proves nothing: every kind cluster
called `platform` has the same.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from platform_cli.settings import state_folder

CLUSTER = "platform"
ENVIRONMENT = "kind"

# Who may come to the S3 server; helm/platform/files/s3_policies.json says what each may do.
ACCOUNTS = ("flows", "adhoc", "mlflow", "executor", "argo-server", "laptop")
_DATABASES = ("argo", "mlflow")


@dataclass(kw_only=True)
class State:
    """
    Attributes:
        container: id of the container that is the node; empty while kind is making it.
        source: where its images came from, `public` or `local`.
        applied: part -> key of what was last applied.
        passwords: one for each account and database, made with the cluster and gone with it.
    """

    container: str = ""
    source: str = ""
    applied: dict[str, str] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)


class Folder:
    """The state of one user's cluster on disk; readable by that user alone."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or state_folder() / ENVIRONMENT

    @property
    def kubeconfig(self) -> Path:
        return self.path / "kubeconfig"

    @property
    def credentials(self) -> Path:
        return self.path / "credentials"

    def read(self) -> State | None:
        """Return the state; None where no cluster was made."""
        file = self.path / "state.json"
        return State(**json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None

    def write(self, state: State) -> None:
        """Replace the state; a reader sees the old one or the new one."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write("state.json", json.dumps(asdict(state), indent=1))

    def write_credentials(self, state: State) -> None:
        """Write the laptop's account of the S3 server in AWS's own format."""
        key = f"aws_access_key_id = laptop\naws_secret_access_key = {state.passwords['laptop']}\n"
        self._write("credentials", f"[platform-{ENVIRONMENT}]\n{key}region = us-east-1\n")

    @contextmanager
    def locked(self, tell: Callable[[str], None]) -> Iterator[None]:
        """Let one command at a time change the cluster; the second says so and waits for the first."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.path / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                tell("waiting for another `platform cluster` that is at work")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def clear(self) -> None:
        """Forget the cluster."""
        for name in ("state.json", "credentials", "kubeconfig", "kubeconfig.lock"):
            (self.path / name).unlink(missing_ok=True)

    def _write(self, name: str, text: str) -> None:
        incoming = self.path / f"{name}.{os.getpid()}"
        incoming.touch(mode=0o600)
        incoming.write_text(text, encoding="utf-8")
        incoming.replace(self.path / name)


def new_state(source: str) -> State:
    """Return the state of a cluster that is about to be made."""
    # No character that a shell, an address or SQL would read as its own.
    passwords = {name: secrets.token_hex(20) for name in ("root", *ACCOUNTS, *(f"db-{name}" for name in _DATABASES))}
    return State(source=source, passwords=passwords)


def secret_documents(state: State) -> list[dict[str, object]]:
    """Return the Secrets that the chart and Argo's manifests name, as Kubernetes documents."""
    word = state.passwords
    accounts = {
        name: {"access": name, "secret": word[name], "role": "user", "userID": 0, "groupID": 0} for name in ACCOUNTS
    }
    database = f"postgresql+psycopg2://mlflow:{word['db-mlflow']}@postgres:5432/mlflow"
    wanted: list[tuple[str, str, dict[str, str]]] = [
        ("platform", "s3-root", {"ROOT_ACCESS_KEY": "root", "ROOT_SECRET_KEY": word["root"]}),
        ("platform", "s3-accounts", {"users.json": json.dumps({"accessAccounts": accounts})}),
        ("platform", "postgres-passwords", {name: word[f"db-{name}"] for name in _DATABASES}),
        ("platform", "argo-postgres", {"username": "argo", "password": word["db-argo"]}),
        ("platform", "mlflow", {"MLFLOW_BACKEND_STORE_URI": database, **_keys("mlflow", state)}),
        ("platform", "argo-server-store", _keys("argo-server", state)),
        ("ml", "platform-stores", _keys("flows", state)),
        ("ml", "platform-stores-adhoc", _keys("adhoc", state)),
        ("ml", "platform-executor-store", _keys("executor", state)),
    ]
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace},
            "stringData": values,
        }
        for namespace, name, values in wanted
    ]


def _keys(account: str, state: State) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": state.passwords[account],
        "AWS_DEFAULT_REGION": "us-east-1",
    }
