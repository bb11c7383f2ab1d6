"""
Find what a command about published scores speaks of: the store, the flow, the day, the model, the contract.

In: words of a command line and the settings in force. Out: values of `publication`, `models` and `scoring`.

One flow publishes in most channels, and its contract lies beside its file: what is the only one need not be named.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from platform_cli.cli.output import current_settings
from platform_cli.errors import NotFound, UsageError, did_you_mean
from platform_cli.names import flow_slug
from platform_cli.settings import Settings, find_file

if TYPE_CHECKING:
    from platform_cli.models.form import Form
    from platform_cli.publication import Day, ModelRecord
    from platform_cli.scoring.contract import Contract
    from platform_cli.store import Store

flow_option = click.option(
    "--flow", metavar="NAME", help="Whose scores; not needed where one flow alone has published in this channel."
)
contract_option = click.option(
    "--contract",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The data contract; found in the flows' folders if not given.",
)


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """One flow's published days in the channel of the environment."""

    settings: Settings
    store: Store
    flow: str

    def days(self) -> tuple[datetime.date, ...]:
        """Its published days, oldest first."""
        from platform_cli.publication import list_days

        return list_days(self.store, self.settings.channel, self.flow)

    def day(self, word: str) -> Day:
        """Read `YYYY-MM-DD` or `latest`."""
        from platform_cli.publication import Day

        return Day(channel=self.settings.channel, flow=self.flow, day=self._date(word))

    def _date(self, word: str) -> datetime.date:
        if word == "latest":
            days = self.days()
            if not days:
                raise NotFound(f"{self.flow} has published no day in channel {self.settings.channel}")
            return days[-1]
        try:
            if re.fullmatch(r"\d{4}-\d{2}-\d{2}", word):
                return datetime.date.fromisoformat(word)
        except ValueError:
            pass
        raise UsageError(f'DAY is "{word}"', wanted="YYYY-MM-DD, or latest")


def open_shelf(flow: str | None) -> Shelf:
    """
    Open the store of the environment in force, at one flow.

    Raises:
        NotFound: nothing is published in the channel, or not by this flow.
        UsageError: several flows have published and none was named.
    """
    from platform_cli.store import open_store

    settings = current_settings()
    store = open_store(settings.scores, s3_endpoint=settings.s3_endpoint)
    flows = _flows(store, settings)
    if not flows:
        raise NotFound(f"nothing is published in {store.url} (channel {settings.channel})")
    if flow is None and len(flows) > 1:
        raise UsageError(f"{len(flows)} flows have published: {', '.join(flows)}", fix="Name one with --flow.")
    name = flow_slug(flow) if flow else flows[0]
    if name not in flows:
        raise NotFound(f"flow {name} has published nothing in {store.url}", fix=did_you_mean(name, flows))
    return Shelf(settings=settings, store=store, flow=name)


def _flows(store: Store, settings: Settings) -> list[str]:
    channel = f"{settings.channel}/"
    keys = (key.removeprefix(channel) for key in store.list(str(settings.channel)) if "/manifests/" in key)
    return sorted({key.partition("/")[0] for key in keys})


@contextmanager
def model_loader(settings: Settings) -> Iterator[Callable[[ModelRecord], Form]]:
    """Yield a function that loads the model which a manifest names, if it still is that model."""
    from platform_cli.models.form import load_form
    from platform_cli.models.registry import open_registry

    registry = open_registry(settings.models, settings.channel)
    with TemporaryDirectory(prefix="model-") as folder:

        def load(model: ModelRecord) -> Form:
            version = registry.find(model.name, int(model.version))
            return load_form(registry.fetch(version, Path(folder) / model.digest), model.digest)

        yield load


def find_contract(file: Path | None, fingerprint: str) -> Contract:
    """
    Find the contract that a model was trained on.

    Args:
        file: the one that was named; else all `contract.toml` below platform.toml's folder are looked at.
        fingerprint: the model's own record of it.
    Raises:
        NotFound: none has this fingerprint: it has changed since, so scores cannot be explained with it.
    """
    from platform_cli.scoring.contract import load_contract

    settings_file = find_file(Path.cwd())
    root = settings_file.parent if settings_file else Path.cwd()
    candidates = (
        [file] if file else sorted(root.glob("flows/*/contract.toml")) + sorted(Path.cwd().glob("contract.toml"))
    )
    for candidate in candidates:
        contract = load_contract(candidate)
        if contract.fingerprint == fingerprint:
            return contract
    where = str(file) if file else f"below {root}"
    raise NotFound(
        f"no contract {where} has the fingerprint {fingerprint[:12]} of the model that made the scores",
        fix="Name its file with --contract; `git log -p contract.toml` finds an older one.",
    )
