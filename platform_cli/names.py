"""
The only rules that name things: channels, flows, days, registered models, label keys.

In: words from users and records. Out: names that mean the same thing everywhere, or an error that says why not.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

from platform_cli.errors import ContractBroken, UsageError

LABEL_PREFIX = "platform.dev"

_OWNER = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True)
class Channel:
    """
    Who a run works for; the first part of every published key and of every registered model's name.

    `production` belongs to deployed templates, `adhoc/<owner>` to one person's working copies, `local` to one
    machine, whose stores are its own.
    """

    name: str

    def __post_init__(self) -> None:
        owner = self.name.removeprefix("adhoc/")
        if self.name in ("production", "local"):
            return
        if owner == self.name or not _OWNER.fullmatch(owner):
            raise UsageError(
                f'channel is "{self.name}"', wanted="production, local, or adhoc/<owner> in lower case letters"
            )

    @property
    def is_adhoc(self) -> bool:
        return self.name.startswith("adhoc/")

    def __str__(self) -> str:
        return self.name


def flow_slug(class_name: str) -> str:
    """Turn a flow's class name into the name it has everywhere else: `RiskinessScore` is `riskiness-score`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", class_name)
    return re.sub(r"[^a-z0-9]+", "-", spaced.lower()).strip("-")


def registered_model_name(model: str, channel: Channel) -> str:
    """Name a model in the registry: an ad hoc channel's models are other models, so no alias of production can move."""
    return f"{model}--{channel.name.replace('/', '--')}" if channel.is_adhoc else model


def parse_day(text: str, *, today: datetime.date) -> datetime.date:
    """
    Read the day a batch is for.

    Args:
        text: `YYYY-MM-DD`.
        today: the caller's date; a day after it is refused, because its data cannot be complete.
    Raises:
        ContractBroken: malformed or in the future; the same argument would fail again.
    """
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise ContractBroken(f'as_of is "{text}"', wanted="a day written YYYY-MM-DD")
    try:
        day = datetime.date.fromisoformat(text)
    except ValueError as error:
        raise ContractBroken(f'as_of is "{text}"', wanted="a day of the calendar, written YYYY-MM-DD") from error
    if day > today:
        raise ContractBroken(f"as_of is {day}, which is in the future (today is {today})", wanted="today or earlier")
    return day
