"""
`platform completion SHELL`: the script that makes a shell complete verbs, options and files.

In: the shell's name. Out: the script on stdout.
"""

from __future__ import annotations

import click


@click.command(
    help="""Print the completion script of a shell.

    \b
    bash:  platform completion bash > ~/.local/share/bash-completion/completions/platform
    zsh:   platform completion zsh > "${fpath[1]}/_platform"
    fish:  platform completion fish > ~/.config/fish/completions/platform.fish
    """
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    from click.shell_completion import get_completion_class

    from platform_cli.cli.main import COMPLETE_VARIABLE, VERBS
    from platform_cli.cli.verbs import VerbTable

    kind = get_completion_class(shell)
    assert kind is not None, shell  # noqa: S101 the choice above names only shells that click knows
    click.echo(kind(VerbTable(VERBS), {}, "platform", COMPLETE_VARIABLE).source())
