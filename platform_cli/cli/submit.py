"""
`platform submit FLOW`: one run of a working copy on a cluster.

In: a flow's file, its parameters, an environment. Out: the run's name and where to look; with --wait, --watch or
--logs also how it ended, as the exit code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from platform_cli.cli.output import current_settings, emit, json_option, say
from platform_cli.errors import PlatformError, RunFailed, UsageError


@click.command(
    help="""Begin a run of a working copy on the environment's cluster.

    The same flow, day, parameters and code are the same run: a second submit says where the first one is. A run that
    failed is taken up with `platform retry` or `platform resume`; --again begins another one.
    """
)
@click.argument("file", metavar="FLOW", type=click.Path(path_type=Path))
@click.option("-p", "--parameter", "pairs", metavar="NAME=VALUE", multiple=True, help="A parameter of the flow.")
@click.option("--as-of", metavar="DAY", default="", help="The day it is for, YYYY-MM-DD: the flow's parameter as_of.")
@click.option("--queue", default="adhoc", show_default=True, help="A queue of the environment.")
@click.option("--again", is_flag=True, help="Another run, although this work was done or has failed before.")
@click.option("--wait", "follow", flag_value="wait", help="Stay until it is over; the exit code says how.")
@click.option("--watch", "follow", flag_value="watch", help="As --wait, and show its steps.")
@click.option("--logs", "follow", flag_value="logs", help="As --wait, and show what its steps print.")
@click.option("--dry-run", is_flag=True, help="Check everything, also with the cluster; begin nothing.")
@json_option
def command(pairs: tuple[str, ...], follow: str | None, as_json: bool, **words: Any) -> None:
    from platform_cli.cli.parameters import read_pairs
    from platform_cli.cli.submission import Order

    if as_json and follow in ("watch", "logs"):
        raise UsageError(f"--{follow} is for people", wanted="--wait with --json")
    send(Order(given=read_pairs(pairs), **words), follow, as_json)


def send(order: Any, follow: str | None, as_json: bool) -> None:
    """
    Submit, stay as long as was asked for, and print what became of it.

    Args:
        order: an Order of `cli.submission`; follow: None, `wait`, `watch` or `logs`.
    """
    from platform_cli.cli.submission import submit

    settings = current_settings()
    submission = submit(order, settings)
    document = {
        "environment": settings.environment,
        "run": submission.run,
        "state": submission.state,
        "flow": submission.flow.flow,
        "channel": submission.flow.channel.name,
        "queue": order.queue,
        "as_of": submission.as_of or None,
        "parameters": dict(submission.parameters),
        "template": submission.flow.template["metadata"]["name"],
        "code": submission.flow.package.sha256,
        "links": dict(submission.links),
    }
    if submission.state == "failed":
        emit(document, as_json, lambda _: "")
        raise RunFailed(
            f"run {submission.run} did this work before and failed",
            fix=f"platform why {submission.run}\n  platform retry {submission.run}\n  "
            "Or change something, or submit with --again for another run.",
        )
    stays = follow and submission.state in ("created", "running")
    if not (as_json and stays):
        emit(document, as_json, _in_words)
    if stays:
        error = _stay(settings, submission.run, str(follow))
        if as_json:
            emit({**document, "state": "failed" if error else "succeeded"}, as_json, lambda _: "")
        if error:
            raise error


def _stay(settings: Any, run: str, follow: str) -> PlatformError | None:
    from platform_cli.cli.follow import detachable, wait_for
    from platform_cli.cli.remote import Remote

    if follow != "wait":
        # The verb itself: what people see is the same whichever way they came.
        from platform_cli.cli.main import VERBS
        from platform_cli.cli.verbs import VerbTable

        words = ["logs", run, "-f"] if follow == "logs" else ["status", run, "--watch"]
        with detachable(run):
            VerbTable(VERBS).main(words, standalone_mode=False, obj=_line())
    try:
        wait_for(Remote(settings), run)
    except RunFailed as error:
        return error
    if follow == "logs":
        say(f"run {run} succeeded.")
    return None


def _line() -> Any:
    return click.get_current_context().find_object(dict)


def _in_words(document: dict[str, Any]) -> str:
    run, state = document["run"], document["state"]
    first = {
        "created": f"run {run} began, channel {document['channel']}, queue {document['queue']}.",
        "checked": f"run {run} could begin; nothing was sent.",
        "running": f"run {run} is already running; nothing was sent.",
        "succeeded": f"run {run} has already succeeded; nothing was sent.",
        "recorded": f"run {run} did this work before; its records are in the datastore; nothing was sent.",
    }[state]
    lines = [first]
    if state != "checked":
        lines += [f"  {name:8} {address}" for name, address in document["links"].items()]
        lines.append(f"  platform {'status' if state != 'created' else 'logs -f'} {run}")
    return "\n".join(lines)
