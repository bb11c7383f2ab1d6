"""Reads the recorded documents."""

import json
from pathlib import Path
from typing import Any

from platform_cli.runs.failures import Evidence, Told
from platform_cli.runs.values import Attempt, Run
from platform_cli.runs.workflow import read_workflow

FOLDER = Path(__file__).parent


def recorded(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


def run_of(document: Any) -> Run:
    return read_workflow(document["workflow"], now=document["now"])


def evidence_of(document: Any) -> Evidence:
    def told(_step: str, attempt: Attempt) -> Told:
        said = document["told"].get(attempt.node)
        return Told(**{**said, "lines": tuple(said["lines"])}) if said else Told()

    return Evidence(
        workflow=document["workflow"], now=document["now"], pods=document["pods"], events=document["events"], told=told
    )  # fmt: skip
