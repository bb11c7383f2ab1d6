"""
`platform schema COMMAND`: the published JSON schema of what a command prints with --json.

In: the words of a command. Out: JSON Schema 2020-12, as kept in `cli/schemas`.
"""

from __future__ import annotations

from pathlib import Path

import click

from platform_cli.errors import NotFound, did_you_mean

FOLDER = Path(__file__).parent / "schemas"


@click.command(help="Print the JSON schema of a command's --json output; without COMMAND, list the commands.")
@click.argument("words", metavar="[COMMAND]...", nargs=-1)
def command(words: tuple[str, ...]) -> None:
    known = sorted(path.stem for path in FOLDER.glob("*.json"))
    if not words:
        click.echo("\n".join(name.replace("-", " ") for name in known))
        return
    name = "-".join(words)
    if name not in known:
        raise NotFound(f'no command "{" ".join(words)}" prints JSON', fix=did_you_mean(name, known))
    click.echo((FOLDER / f"{name}.json").read_text(encoding="utf-8"), nl=False)
