"""
`platform logs RUN [STEP]`: what a run's steps printed.

In: a run, a step or some of its tasks. Out: their lines, live and stored alike; with the step's name before each where
there are several.
"""

from __future__ import annotations

import datetime
import re
import time
from collections.abc import Iterable
from typing import Any

import click

from platform_cli.cli.find_run import RUN_HELP, find_run, run_argument
from platform_cli.cli.output import current_settings, json_option, say
from platform_cli.errors import UsageError


@click.command(
    help=f"""Show what the steps of a run printed, by step and not by pod.

    {RUN_HELP}
    STEP is a step's name, or STEP-0-3 for the tasks below those indices of its fan-outs. Shown is the latest attempt of
    each task. With --json every line is a document of its own.
    """
)
@run_argument
@click.argument("place", metavar="[STEP[-PATH]]", default="")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run is over.")
@click.option("--since", metavar="DURATION", help="Only lines of the last 90s, 15m, 2h.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines that were printed so far.")
@click.option("--grep", metavar="REGEX", help="Only lines in which it is found.")
@click.option("--failed", is_flag=True, help="Only attempts that failed.")
@click.option("--attempt", type=click.IntRange(min=0), metavar="N", help="This attempt, not the latest one.")
@json_option
def command(word: str, place: str, follow: bool, as_json: bool, **wishes: Any) -> None:
    from platform_cli.cli.log_sources import LogSources, tail_of
    from platform_cli.cli.remote import Remote
    from platform_cli.records.run import LogLine
    from platform_cli.runs.logs import Choice, StepLine, merged
    from platform_cli.runs.workflow import is_in_a_fan_out

    remote = Remote(current_settings())
    wanted = _filter(wishes["since"], wishes["grep"])
    count = wishes["tail"]
    choice = Choice(place=place, attempt=wishes["attempt"], failed=wishes["failed"])
    found = remote.find(find_run(word, remote))
    sources = LogSources(remote, found)

    def tail(lines: list[LogLine]) -> list[LogLine]:
        kept = [line for line in lines if wanted(line)]
        return kept if count is None else kept[len(kept) - min(count, len(kept)) :]

    lines: Iterable[StepLine]
    if follow and not found.run.is_over:
        from platform_cli.cli.follow import detachable

        with detachable(found.run.name):
            several = not place or is_in_a_fan_out(found.workflow, place.partition("-")[0])
            _print((each for each in sources.follow(choice, tail) if wanted(each.line)), as_json, several=several)
        return
    logs = sources.read(choice)
    lines = tail_of(merged(logs), tail)
    _print(lines, as_json, several=len(logs) > 1)
    if not lines and not as_json:
        say("Nothing was printed." if logs else "No attempt of that kind.")


def _filter(since: str | None, grep: str | None) -> Any:
    from platform_cli.runs.logs import Wish
    from platform_cli.units import Duration

    try:
        pattern = re.compile(grep) if grep else None
    except re.error as error:
        raise UsageError(f'--grep got "{grep}" ({error})', wanted="a regular expression") from error
    if not since:
        return Wish(grep=pattern)
    began = datetime.datetime.fromtimestamp(time.time() - Duration.parse(since).seconds, datetime.UTC)
    return Wish(since=began.strftime("%Y-%m-%dT%H:%M:%S.%f"), grep=pattern)


def _print(lines: Iterable[Any], as_json: bool, *, several: bool) -> None:
    import json

    for each in lines:
        piece, line = each.piece, each.line
        if as_json:
            document = {
                "step": piece.step,
                "task_id": piece.task_id,
                "attempt": piece.number,
                "time": line.time or None,
                "text": line.text,
            }
            click.echo(json.dumps(document))
        else:
            click.echo(f"{piece.label} | {line.text}" if several else line.text)
