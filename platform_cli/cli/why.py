"""
`platform why RUN [STEP]`: what is the matter with a run, how one can see it, and what to do next.

In: a run, perhaps one of its steps. Out: a verdict with its evidence. The exit code says only whether it could be told.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import click

from platform_cli.cli.find_run import RUN_HELP, find_run, run_argument
from platform_cli.cli.output import current_settings, emit, json_option
from platform_cli.errors import NotFound, PlatformError, did_you_mean
from platform_cli.names import STOPPED_BY
from platform_cli.runs.failures import Evidence, Told, Verdict
from platform_cli.runs.values import Attempt

_LINES = 60


@click.command(
    help=f"""Say why a run failed, waits or is not where it should be: the verdict, the evidence, the next command.

    {RUN_HELP}
    """
)
@run_argument
@click.argument("step", metavar="[STEP]", default="")
@json_option
def command(word: str, step: str, as_json: bool) -> None:
    from platform_cli.cli.remote import Remote
    from platform_cli.runs.why import explain

    remote = Remote(current_settings())
    found = remote.find(find_run(word, remote))
    run = found.run
    if step and not run.step(step):
        raise NotFound(f'the run has no step "{step}"', fix=did_you_mean(step, [each.name for each in run.steps]))
    verdict = explain(run, gather(remote, found), step=step)
    document = {"run": run.name or run.metaflow_run_id, "flow": run.flow, "state": run.state, **asdict(verdict)}
    emit(document, as_json, lambda _: in_lines(verdict))


def gather(remote: Any, found: Any) -> Evidence:
    """Ask the cluster and the datastore what they know; who does not answer is left out."""
    from platform_cli.runs.recorded import metaflow_attempts

    run, workflow = found.run, found.workflow
    pods: list[Any] = []
    events: list[Any] = []
    if workflow:
        with suppress(PlatformError):
            pods = remote.cluster.pods(run.name)
            events = remote.cluster.events(run.name)

    def told(step: str, attempt: Attempt) -> Told:
        from platform_cli.cli.log_sources import LogSources
        from platform_cli.runs.logs import Piece

        sources = LogSources(remote, found)
        records = sources.records
        steps = run.step(step)
        numbers = metaflow_attempts(records, run, steps) if records and steps and attempt.node else {}
        number = numbers.get(attempt.node) if attempt.node else attempt.number
        piece = Piece(step=step, task_id=attempt.task_id, number=number, attempt=attempt)
        lines = tuple(line.text for line in sources.lines(piece, records)[-_LINES:])
        figures = records.figures(step, attempt.task_id, number) if records and number is not None else {}
        return Told(number=number, figures=figures, lines=lines)

    annotations = workflow.get("metadata", {}).get("annotations") or {}
    return Evidence(
        workflow=workflow, now=time.time(), pods=pods, events=events, told=told,
        stopped_by=annotations.get(STOPPED_BY, ""),
    )  # fmt: skip


def in_lines(verdict: Verdict) -> str:
    """A verdict for people."""
    lines = [f"{verdict.sentence}.", *(f"    {line}" for line in verdict.evidence)]
    lines += [f"  {line}" for line in verdict.fix.splitlines()]
    return "\n".join(lines)
