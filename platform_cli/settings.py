"""
platform.toml and environment variables -> one frozen Settings.

In: the text of platform.toml (may be absent) and a mapping of environment variables.
Out: Settings for one environment; every unknown key is an error that says which known one is close.

The `local` environment needs no file: everything lives under one folder on this machine. Precedence, highest first:
environment variable, platform.toml, built-in default. In platform.toml the table `outside` of an environment holds the
addresses that differ between a laptop and the pods of the cluster; this module is never read inside a pod with it.
"""

from __future__ import annotations

import getpass
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from platform_cli.errors import SettingsError, did_you_mean
from platform_cli.names import Channel

FILE_NAME = "platform.toml"
PREFIX = "PLATFORM_"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """
    One environment as every command and every step sees it.

    Attributes:
        environment: its name; `local` needs no cluster and no server.
        channel: whose runs these are.
        home: folder for this machine's state; absolute.
        scores: where published scores live, a folder or `s3://bucket/prefix`.
        models: MLflow's tracking address, `sqlite:///...` or `http://...`.
        metrics: where signals go, a folder for text files or `http://...` of a Pushgateway.
        s3_endpoint: address of the S3 server; empty means AWS's own.
        owner: who is asking, for labels and ad hoc channels.
    """

    environment: str
    channel: Channel
    home: Path
    scores: str
    models: str
    metrics: str
    s3_endpoint: str
    owner: str


KEYS = tuple(field.name for field in fields(Settings) if field.name != "environment")
# What only a compile, a submit or a cluster needs; `template.environment` reads it.
CLUSTER_KEYS = ("namespace", "datastore", "code", "service_account", "secret", "team")
# How a laptop reaches the cluster and its stores; files are below `state_folder`, unless they say where they are.
ACCESS_KEYS = ("context", "kubeconfig", "credentials")
CLUSTER_TABLES = ("images", "pools", "queues", "outside")
OUTSIDE_KEYS = ("s3_endpoint", "models", "metrics", "argo", "prometheus", "grafana")


def load_settings(
    environ: Mapping[str, str] | None = None, *, start: Path | None = None, environment: str | None = None
) -> Settings:
    """
    Read the settings of one environment.

    Args:
        environ: environment variables; the process's own where None.
        start: folder to look for platform.toml in, then in its parents; the current folder where None.
        environment: name that wins over PLATFORM_ENV.
    Raises:
        SettingsError: an unknown key or environment, or a value that cannot be read; names the file or the variable.
    """
    environ = os.environ if environ is None else environ
    start = Path.cwd() if start is None else start
    file = find_file(start)
    sections = _sections(file)
    name = environment or environ.get(PREFIX + "ENV") or "local"
    if name != "local" and name not in sections:
        raise SettingsError(
            f'environment "{name}" is not in {file or FILE_NAME}',
            fix=did_you_mean(name, [*sections, "local"]),
        )
    root = file.parent if file else start
    section = sections.get(name, {})
    said = {key: value for key, value in {**section, **section.get("outside", {})}.items() if key in KEYS}
    values = {**said, **_from_environ(environ)}
    return _settings(name, values, root, environ)


def load_section(environment: str, *, start: Path | None = None) -> dict[str, Any]:
    """
    Read what one environment's section of platform.toml says, tables included; empty where it has none.

    Raises:
        SettingsError: as `load_settings`.
    """
    section = _sections(find_file(Path.cwd() if start is None else start)).get(environment, {})
    files = {key: str(state_folder() / Path(section[key]).expanduser()) for key in ACCESS_KEYS[1:] if key in section}
    return {**section, **files}


def load_outside(environment: str, name: str) -> str:
    """Where a laptop finds a server of an environment, without a slash at its end; empty where it does not say."""
    return str(load_section(environment).get("outside", {}).get(name, "")).rstrip("/")


def state_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Where this user keeps what outlives a command and belongs to no checkout: a laptop's cluster, its credentials."""
    environ = os.environ if environ is None else environ
    return Path(environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "platform"


def store_variables(environment: str, *, start: Path | None = None) -> dict[str, str]:
    """
    Environment variables by which every S3 client of this process is the account that an environment gives a laptop.

    Empty where the environment names no `credentials` file, or where the file is not there (yet).
    """
    file = load_section(environment, start=start).get("credentials", "")
    if not file or not Path(file).is_file():
        return {}
    return {
        "AWS_SHARED_CREDENTIALS_FILE": file,
        "AWS_PROFILE": f"platform-{environment}",
        # Else MLflow's client is sent to the store by an address that only pods know.
        "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    }


def environment_names(start: Path) -> list[str]:
    """Names of the environments of the nearest platform.toml, as it lists them."""
    return list(_sections(find_file(start)))


def find_file(start: Path) -> Path | None:
    """Find platform.toml in `start` or the nearest folder above it."""
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    return None


def _sections(file: Path | None) -> dict[str, dict[str, Any]]:
    return {} if file is None else _read(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _read(file: Path, changed: int) -> dict[str, dict[str, Any]]:
    """A command asks for its section several times; `changed` lets a file that was written meanwhile be read again."""
    del changed
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid TOML: {error}") from error
    for key in document:
        if key not in ("environments", "code"):
            raise SettingsError(f'{file}: unknown table "{key}"', fix=did_you_mean(key, ["environments", "code"]))
    sections = document.get("environments", {})
    if not isinstance(sections, dict):
        raise SettingsError(f"{file}: environments is not a table", wanted="[environments.<name>]")
    for name, section in sections.items():
        _check_section(f"{file}: environments.{name}", section)
    return sections


def _check_section(where: str, section: object) -> None:
    if not isinstance(section, dict):
        raise SettingsError(f"{where} is not a table", wanted="keys and values below a header of its own")
    for key, value in section.items():
        known = [*KEYS, *CLUSTER_KEYS, *ACCESS_KEYS, *CLUSTER_TABLES]
        if key not in known:
            raise SettingsError(f'{where}: unknown key "{key}"', fix=did_you_mean(key, known))
        if key in CLUSTER_TABLES:
            if not isinstance(value, dict):
                raise SettingsError(f"{where}.{key} is {value!r}", wanted="a table of its own")
            if key == "outside":
                _check_outside(f"{where}.outside", value)
        elif not isinstance(value, str):
            raise SettingsError(f"{where}.{key} is {value!r}", wanted="a string")


def _check_outside(where: str, table: dict[str, object]) -> None:
    for key, value in table.items():
        if key not in OUTSIDE_KEYS:
            raise SettingsError(f'{where}: unknown key "{key}"', fix=did_you_mean(key, [*OUTSIDE_KEYS]))
        if not isinstance(value, str):
            raise SettingsError(f"{where}.{key} is {value!r}", wanted="a string")


def _from_environ(environ: Mapping[str, str]) -> dict[str, str]:
    values = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable == PREFIX + "ENV":
            continue
        key = variable.removeprefix(PREFIX).lower()
        if key not in KEYS:
            known = [PREFIX + known.upper() for known in KEYS] + [PREFIX + "ENV"]
            raise SettingsError(f'unknown environment variable "{variable}"', fix=did_you_mean(variable, known))
        values[key] = value
    return values


def _settings(name: str, values: dict[str, str], root: Path, environ: Mapping[str, str]) -> Settings:
    home = Path(values.get("home", root / ".platform")).expanduser()
    home = home if home.is_absolute() else root / home
    return Settings(
        environment=name,
        channel=Channel(values.get("channel", "local")),
        home=home,
        scores=_location(values.get("scores", str(home / "scores")), root),
        models=values.get("models", f"sqlite:///{home / 'mlflow.db'}"),
        metrics=_location(values.get("metrics", str(home / "metrics")), root),
        s3_endpoint=values.get("s3_endpoint", ""),
        owner=values.get("owner") or _owner(environ),
    )


def _location(text: str, root: Path) -> str:
    if re.match(r"[a-z0-9]+://", text):
        return text
    path = Path(text).expanduser()
    return str(path if path.is_absolute() else root / path)


def _owner(environ: Mapping[str, str]) -> str:
    name = environ.get("METAFLOW_USER") or environ.get("USER") or environ.get("USERNAME")
    if not name:
        try:
            name = getpass.getuser()
        except (KeyError, OSError):
            # A container's numeric user has no name; labels still need one.
            name = "unknown"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "unknown"
