"""
`platform settings`: the environment that commands and steps see from this folder.

In: platform.toml and environment variables. Out: every setting of one environment, and the file read.
"""

from __future__ import annotations

from pathlib import Path

import click

from platform_cli.cli.output import current_settings, emit, json_option


@click.command(help="Show the settings in force from this folder.")
@json_option
def command(as_json: bool) -> None:
    from platform_cli.settings import KEYS, find_file

    settings = current_settings()
    file = find_file(Path.cwd())
    document = {
        "environment": settings.environment,
        "file": str(file) if file else None,
        **{key: str(getattr(settings, key)) for key in KEYS},
    }
    emit(document, as_json, lambda found: "\n".join(f"{name:12} {value or '-'}" for name, value in found.items()))
