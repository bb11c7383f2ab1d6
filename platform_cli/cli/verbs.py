"""
The table of verbs as a click group that imports a verb's module only when the verb is used.

In: verb -> (module, one line of help). Out: a click group; help and completion read the table alone.

Every command of every verb also takes the options of the whole line (`--env`, `-v`), so that they may stand anywhere.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

import click

HELP_NAMES = {"help_option_names": ["-h", "--help"]}


class VerbTable(click.Group):
    """The root of the command line."""

    def __init__(self, verbs: Mapping[str, tuple[str, str]], **more: Any) -> None:
        super().__init__(
            "platform",
            params=[*line_options(), _version_option()],
            help="Metaflow flows from a laptop to production: run, compile, score, explain.",
            epilog="Data goes to stdout, talk to stderr; exit codes: docs/reference/exit-codes.md.",
            context_settings=HELP_NAMES,
            no_args_is_help=True,
            **more,
        )
        self.verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 click's signature
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 click's signature
        """Give a stand-in that knows its name and its line of help: what help and completion ask for."""
        if cmd_name not in self.verbs:
            return None
        return click.Command(cmd_name, short_help=self.verbs[cmd_name][1], help=self.verbs[cmd_name][1])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.verbs:
            if ctx.resilient_parsing:
                return None, None, args
            close = difflib.get_close_matches(name, self.verbs, n=1)
            hint = f'Did you mean "{close[0]}"?' if close else f"Known: {', '.join(self.verbs)}."
            ctx.fail(f'there is no verb "{name}". {hint}')
        command: click.Command = importlib.import_module(self.verbs[name][0]).command
        _take_line_options(command)
        return name, command, args[1:]


def line_options() -> list[click.Parameter]:
    """Make the options that every command takes; `obj`, a dictionary of the whole line, keeps their values."""
    return [
        click.Option(
            ["--env"],
            metavar="NAME",
            expose_value=False,
            callback=_keep,
            help="Environment of platform.toml; `local` needs none.",
        ),
        click.Option(
            ["-v", "--verbose"], is_flag=True, expose_value=False, callback=_keep, help="Say more; show tracebacks."
        ),
    ]


def _keep(context: click.Context, parameter: click.Parameter, value: object) -> None:
    said = context.find_object(dict)
    if value and parameter.name and said is not None:
        said[parameter.name] = value


def _version_option() -> click.Option:
    def show(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
        if wanted and not context.resilient_parsing:
            from platform_cli import __version__

            click.echo(f"platform {__version__}")
            context.exit()

    return click.Option(
        ["--version"], is_flag=True, expose_value=False, is_eager=True, callback=show, help="Print the version."
    )


def _take_line_options(command: click.Command) -> None:
    command.context_settings = {**HELP_NAMES, **command.context_settings}
    if isinstance(command, click.Group):
        for part in command.commands.values():
            _take_line_options(part)
        return
    known = {parameter.name for parameter in command.params}
    command.params += [option for option in line_options() if option.name not in known]
