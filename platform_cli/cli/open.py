"""
`platform open RUN`: the pages of a run, in a browser.

In: a run. Out: addresses; the cards are copied to this machine first.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from platform_cli.cli.find_run import RUN_HELP, find_run, run_argument
from platform_cli.cli.output import current_settings, emit, json_option, say

if TYPE_CHECKING:
    from platform_cli.cli.remote import Remote
    from platform_cli.runs.values import Run


@click.command(help=f"Open the pages of a run: Argo, MLflow, Grafana, its cards.\n\n{RUN_HELP}")
@run_argument
@click.option("--print", "only_print", is_flag=True, help="Print the addresses, open nothing.")
@json_option
def command(word: str, only_print: bool, as_json: bool) -> None:
    from platform_cli.cli.links import links_of
    from platform_cli.cli.remote import Remote

    remote = Remote(current_settings())
    run = remote.find(find_run(word, remote)).run
    name = run.name or run.metaflow_run_id
    links = {} if remote.is_local else links_of(remote.settings, remote.cluster.namespace, name)
    cards = {f"card {step}": page.as_uri() for step, page in _cards(remote, run)}
    document = {"run": name, "links": {**links, **cards}}
    emit(document, as_json, _in_words)
    if only_print or as_json:
        return
    import webbrowser

    # The card is what the run has to say; without one, its steps.
    first = next(iter(cards.values()), None) or links.get("argo")
    if not first:
        say("There is no page to open.")
    elif not webbrowser.open(first):
        say("No browser could be opened here; the addresses are above.")


def _cards(remote: Remote, run: Run) -> list[tuple[str, Path]]:
    """Each step's card, as a file of this machine."""
    from platform_cli.settings import state_folder

    tree = f"mf.cards/{run.flow}/runs/{run.metaflow_run_id}/steps"
    pages: dict[str, str] = {}
    for key in remote.store.list(tree):
        if key.endswith(".html"):
            # Of a step with several tasks, or attempts, the last in the order of names.
            pages[key.removeprefix(f"{tree}/").partition("/")[0]] = key
    folder = state_folder() / "cards" / run.metaflow_run_id
    if pages:
        folder.mkdir(parents=True, exist_ok=True)
    return [(step, remote.store.fetch(key, folder)) for step, key in sorted(pages.items())]


def _in_words(document: dict[str, Any]) -> str:
    width = max(map(len, document["links"]), default=0)
    return "\n".join(f"{name:{width}}  {address}" for name, address in document["links"].items())
