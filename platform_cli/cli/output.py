"""
What a verb prints: data to stdout, talk to stderr.

In: a document of plain values and a way to write it for people. Out: JSON alone with --json, else the text.
"""

from __future__ import annotations

import datetime
import enum
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from platform_cli.settings import Settings

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on stdout.")


def emit(document: Any, as_json: bool, render: Callable[[Any], str]) -> None:
    """
    Print one command's result on stdout.

    Args:
        document: values that the command's schema in `cli/schemas` describes; dates and paths are written as text.
        render: writes the document for people; called only without `as_json`.
    """
    if as_json:
        import json

        click.echo(json.dumps(document, indent=2, default=_as_text, allow_nan=False))
        return
    text = render(document)
    if text:
        click.echo(text)


def say(text: str) -> None:
    """Tell the person at the terminal something that is not data."""
    click.echo(text, err=True)


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay out rows in columns two spaces apart; numbers stand to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(line[column]) for line in [headings, *cells]) for column in range(len(headings))]
    right = [
        bool(rows) and all(isinstance(row[column], (int, float)) for row in rows) for column in range(len(headings))
    ]

    def lay(line: Sequence[str]) -> str:
        padded = (
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        )
        return "  ".join(padded).rstrip()

    return "\n".join([lay(headings), *(lay(line) for line in cells)])


def is_lively() -> bool:
    """Whether moving progress may go to stderr: a terminal that a person looks at. Rich itself honours NO_COLOR."""
    return sys.stderr.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"


def current_settings() -> Settings:
    """
    Read the settings of the environment that this command line named with --env, or of the default one.

    From here on this process reaches the environment's stores with the account that the environment gives a laptop.
    """
    from platform_cli.settings import load_settings, store_variables

    settings = load_settings(os.environ, environment=_said("env"))
    variables = store_variables(settings.environment)
    if variables:
        # A key in a variable would win over the file, and belongs to some other store.
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            os.environ.pop(name, None)
        os.environ.update(variables)
    return settings


def named_environment() -> str | None:
    """The environment that this command line named with --env."""
    name: str | None = _said("env")
    return name


def is_verbose() -> bool:
    """Whether -v stands somewhere on this command line."""
    return bool(_said("verbose"))


def _said(option: str) -> Any:
    return (click.get_current_context().find_object(dict) or {}).get(option)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return "" if value is None else str(value)


def _as_text(value: object) -> str:
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
