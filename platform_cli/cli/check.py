"""
`platform check`: every reason why a flow cannot run, before anything is sent.

In: a flow file, or all of the project's. Out: findings with file, line and what to do; exit code 3 where there are any.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from platform_cli.cli.frugal import collect_rarely
from platform_cli.cli.output import emit, json_option, named_environment
from platform_cli.errors import ChangesFound, FlowRefused


@click.command(help="Say everything that keeps a flow from running, with file and line.")
@click.argument("flow", required=False, type=click.Path(path_type=Path))
@click.option("--all", "every", is_flag=True, help="Check every flow below flows/.")
@json_option
def command(flow: Path | None, every: bool, as_json: bool) -> None:
    collect_rarely()
    from platform_cli.cli.compile import chosen_flows, cluster_environments

    files, root = chosen_flows(flow, every=every)
    named = named_environment()
    environments = [named] if named else cluster_environments(root)
    flows = [_check(file, root, environments) for file in files]
    emit({"environments": environments, "flows": flows}, as_json, _words)
    found = sum(len(checked["findings"]) for checked in flows)
    if found:
        raise ChangesFound(
            f"{found} finding{'s' if found > 1 else ''} in {len(files)} flow{'s' if len(files) > 1 else ''}"
        )


def _check(file: Path, root: Path, environments: list[str]) -> dict[str, Any]:
    """The graph is checked once; each environment's rules after it."""
    from platform_cli.cli.compile import read_environment, render
    from platform_cli.graph import load_graph
    from platform_cli.graph.load import shown_path

    findings: dict[Any, list[str]] = {}
    try:
        load_graph(file, root=root)
        for name in environments:
            try:
                render(file, read_environment(name, root), root)
            except FlowRefused as error:
                for finding in error.findings:
                    findings.setdefault(finding, []).append(name)
    except FlowRefused as error:
        if not error.findings:
            # The file could not even be loaded: its own sentence says where.
            return {"file": shown_path(file.resolve(), root), "findings": [_unloadable(error)]}
        findings = {finding: [] for finding in error.findings}
    return {
        "file": shown_path(file.resolve(), root),
        "findings": [_finding(finding, names) for finding, names in findings.items()],
    }


def _unloadable(error: FlowRefused) -> dict[str, Any]:
    where, _, problem = error.problem.partition(": ")
    file, _, line = where.rpartition(":")
    known = bool(file) and line.isdigit()
    return {
        "file": file if known else where,
        "line": int(line) if known else 1,
        "rule": "load",
        "problem": problem or error.problem,
        "fix": error.fix,
        "environments": [],
    }


def _finding(finding: Any, environments: list[str]) -> dict[str, Any]:
    return {
        "file": finding.where.file,
        "line": finding.where.line,
        "rule": finding.rule,
        "problem": finding.problem,
        "fix": finding.fix,
        "environments": environments,
    }


def _words(document: dict[str, Any]) -> str:
    lines = []
    for checked in document["flows"]:
        for finding in checked["findings"]:
            everywhere = finding["environments"] in ([], document["environments"])
            only = "" if everywhere else f" ({', '.join(finding['environments'])})"
            lines.append(f"{finding['file']}:{finding['line']}: {finding['problem']}{only}.")
            lines += [f"  {finding['fix']}"] if finding["fix"] else []
        if not checked["findings"]:
            lines.append(f"{checked['file']}: fine")
    return "\n".join(lines)
