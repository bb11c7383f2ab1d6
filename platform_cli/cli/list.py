"""
`platform list`: the runs of an environment, newest first.

In: filters. Out: a line per run; those that only Argo's archive remembers stand beside those of the cluster.
"""

from __future__ import annotations

import time
from typing import Any

import click

from platform_cli.cli.output import current_settings, emit, json_option, say, table

_STATES = ("pending", "running", "succeeded", "failed")


@click.command(
    help="""List runs, newest first: those of the cluster, those of Argo's archive, or this machine's.

    A run counts as succeeded when its step `end` did, whatever colour Argo gives it.
    """
)
@click.option("--flow", metavar="NAME", help="Only runs of this flow: its class, or its name in lower case.")
@click.option("--status", type=click.Choice(_STATES), multiple=True, help="Only runs in this state; may be repeated.")
@click.option("--owner", metavar="NAME", help="Only runs that this person submitted.")
@click.option("--mine", is_flag=True, help="Only runs that you submitted.")
@click.option("--since", metavar="DURATION", help="Only runs that began within it, such as 90m or 2d.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many at most.")
@json_option
def command(**options: Any) -> None:
    from platform_cli.cli.remote import Remote
    from platform_cli.cli.run_document import summary_of
    from platform_cli.units import Duration

    settings = current_settings()
    remote = Remote(settings)
    since = time.time() - Duration.parse(options["since"]).seconds if options["since"] else 0.0
    owner = settings.owner if options["mine"] else options["owner"]
    flow, limit = options["flow"] or "", options["limit"]
    filtered = bool(owner or options["status"])
    found = []
    if remote.is_local:
        candidates = remote.local_runs(flow)
    else:
        candidates = remote.runs(flow=flow, since=since, most=0 if filtered else limit, exact=True)
    for run in candidates:
        if run.began >= since and (not owner or run.owner == owner) and run.state in (options["status"] or _STATES):
            found.append(summary_of(run))
            if len(found) == limit:
                break
    emit(found, options["as_json"], _in_words)
    if not found and not options["as_json"]:
        say(f'No such run in environment "{settings.environment}".')


def _in_words(runs: list[dict[str, Any]]) -> str:
    if not runs:
        return ""
    from platform_cli.units import Duration

    rows = [
        (each["run"], each["flow"], str(each["state"]), _ago(each["began"]), str(Duration(each["seconds"])),
         each["owner"] or each["queue"])
        for each in runs
    ]  # fmt: skip
    return table(("run", "flow", "state", "began", "took", "by"), rows)


def _ago(began: str | None) -> str:
    if began is None:
        return ""
    import datetime

    seconds = time.time() - datetime.datetime.fromisoformat(began).timestamp()
    for name, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {name} ago"
    return f"{max(seconds, 0):.0f} s ago"
