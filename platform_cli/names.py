"""
The only rules that name things: channels, flows, days, registered models, label keys.

In: words from users and records. Out: names that mean the same thing everywhere, or an error that says why not.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from platform_cli.errors import ContractBroken, UsageError

LABEL_PREFIX = "platform.dev"

FLOW_CLASS = f"{LABEL_PREFIX}/flow-class"
"""Annotation of a run: the flow's class, which is the first part of Metaflow's name of the run."""

DAY = "as_of"
"""The parameter that holds the day a run is for, in every flow that has one."""

STOPPED_BY = f"{LABEL_PREFIX}/stopped-by"
"""Annotation of a run: who ended it before its time."""

# CronWorkflows append "-" and ten digits to their name, and the label that Argo puts on every pod holds 63 characters.
# Source: argo-workflows v4.0.2, workflow/cron/operator.go and workflow/common/common.go (LabelKeyWorkflow).
LONGEST_TEMPLATE_NAME = 52

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


def template_name(flow: str, channel: Channel, code: str) -> str:
    """
    Name the WorkflowTemplate of a flow.

    Args:
        flow: the flow's class name.
        channel: an ad hoc channel's templates are other templates, so nobody's working copy replaces the deployed one.
        code: hash of the code package; only an ad hoc name carries it.
    """
    slug = flow_slug(flow)
    if channel.is_adhoc:
        owner = channel.name.removeprefix("adhoc/")
        return _shortened(slug, LONGEST_TEMPLATE_NAME - 10 - len(owner)) + f"-{owner}-{code[:8]}"
    return _shortened(slug, LONGEST_TEMPLATE_NAME)


def run_name(flow: str, channel: Channel, as_of: str, parameters: Mapping[str, str], code: str) -> str:
    """
    Name a run, whoever triggers it: the same work has the same name, and so is never begun twice.

    Args:
        as_of: the day the run is for; empty where the flow has no day.
        parameters: every parameter that differs from its default, as text.
        code: hash of the code package, or of the image that holds the code.
    """
    what = json.dumps([channel.name, as_of, sorted(parameters.items()), code])
    digest = hashlib.sha256(what.encode()).hexdigest()[:10]
    day = f"-{as_of}" if re.fullmatch(r"\d{4}-\d{2}-\d{2}", as_of) else ""
    return _shortened(flow_slug(flow), 40) + f"{day}-{digest}"


def day_of_schedule(text: str, timezone: str) -> str:
    """
    Turn a schedule's time into the day it is for, in the schedule's own time zone.

    Args:
        text: RFC 3339, as Argo fills in `{{workflow.scheduledTime}}`; a plain day is returned as it is.
        timezone: of the IANA database.
    """
    import zoneinfo

    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return text
    try:
        moment = datetime.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("no offset")
        return moment.astimezone(zoneinfo.ZoneInfo(timezone)).date().isoformat()
    except (ValueError, zoneinfo.ZoneInfoNotFoundError) as error:
        raise ContractBroken(f'as_of is "{text}"', wanted="a day, or a time with an offset such as Argo's") from error


def _shortened(name: str, limit: int) -> str:
    if len(name) <= limit:
        return name
    return f"{name[: limit - 7].rstrip('-')}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
