"""
The word by which somebody names a run -> the run's name.

In: a name, the unique beginning of one, `@latest`, `@latest-failed`, Metaflow's FLOW/RUN, or a link copied from a
browser. Out: the name, or an error that lists what was near.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import click

from platform_cli.cli.output import current_settings, say
from platform_cli.errors import NotFound, SettingsError, UsageError, did_you_mean
from platform_cli.runs.values import Run, State

if TYPE_CHECKING:
    from platform_cli.cli.remote import Remote

RUN_HELP = "RUN is a name, the beginning of one, @latest, @latest-failed, or a link from Argo's pages."
_SHOWN = 6
_RECENT = 100


class RunType(click.ParamType[str]):
    """A run on the command line, which the shell can complete."""

    name = "run"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:  # noqa: ARG002
        from click.shell_completion import CompletionItem

        from platform_cli.cli.remote import Remote

        words = [CompletionItem(word) for word in ("@latest", "@latest-failed") if word.startswith(incomplete)]
        try:
            # The shell's question runs outside of any command, whose --env it must see all the same.
            with ctx.scope(cleanup=False):
                remote = Remote(current_settings())
            runs = list(remote.local_runs() if remote.is_local else remote.runs(most=_RECENT))
        except Exception:  # a completion never complains
            return words
        names = [(_name(run), run) for run in runs if _name(run).startswith(incomplete)]
        return words + [CompletionItem(name, help=f"{run.flow}, {run.state}") for name, run in names]


run_argument = click.argument("word", metavar="RUN", type=RunType())


def find_run(word: str, remote: Remote) -> str:
    """
    Say which run is meant.

    Args:
        word: `@latest` is the caller's own newest run, or the environment's where the caller has none; which one it
            is gets said on stderr.
    Raises:
        NotFound: no run is meant. UsageError: more than one is.
    """
    if "://" in word:
        return _of_link(word, remote)
    if word in ("@latest", "@latest-failed"):
        return _latest(word, remote)
    if word.startswith("@"):
        raise UsageError(f'run is "{word}"', wanted="a name, @latest or @latest-failed")
    if "/" in word:
        return word
    if not remote.is_local:
        try:
            remote.workflow(word.removeprefix("argo-"))
        except NotFound:
            pass
        else:
            return word.removeprefix("argo-")
    return _beginning(word, remote)


def _beginning(word: str, remote: Remote) -> str:
    known = {_name(run): run for run in _runs(remote)}
    if word in known:
        return word
    fitting = [name for name in known if name.startswith(word.removeprefix("argo-"))]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise UsageError(
            f'{len(fitting)} runs begin with "{word}"', wanted="the beginning of one",
            fix="\n  ".join(f"{name}  {known[name].state}" for name in fitting[:_SHOWN]),
        )  # fmt: skip
    where = f'environment "{remote.settings.environment}"'
    raise NotFound(f'{where} has no run "{word}"', fix=did_you_mean(word, list(known)[:50]) or "See: platform list")


def _latest(word: str, remote: Remote) -> str:
    newest = remote.local_runs() if remote.is_local else remote.runs(most=_RECENT, exact=word != "@latest")
    runs = [run for run in newest if word == "@latest" or run.state is State.FAILED]
    own = [run for run in runs if run.owner == remote.settings.owner]
    found = next(iter(own or runs), None)
    if found is None:
        what = "no run" if word == "@latest" else "no failed run"
        raise NotFound(f'environment "{remote.settings.environment}" has {what}', fix="See: platform list")
    say(f"{word} is {_name(found)}")
    return _name(found)


def _of_link(link: str, remote: Remote) -> str:
    """
    Argo's pages are /workflows/NAMESPACE/NAME; those of the archive say the uid.

    Source: argo-workflows v4.0.2, ui/src/shared/components (uiUrl), ui/src/workflows
    """
    parts = [unquote(part) for part in urlsplit(link).path.split("/") if part]
    match parts:
        case [*_, ("workflows" | "workflow"), namespace, name]:
            if not remote.is_local and namespace != remote.cluster.namespace:
                raise UsageError(
                    f'the link is of namespace "{namespace}"', wanted=f'"{remote.cluster.namespace}"',
                    fix="Choose the environment with --env.",
                )  # fmt: skip
            return name
        case [*_, "archived-workflows", _, uid]:
            for each in remote.argo.list_archived():
                if each["metadata"].get("uid") == uid:
                    return str(each["metadata"]["name"])
            raise NotFound(f"the archive has no run with the uid {uid}")
    run = next((part for part in reversed(parts) if re.fullmatch(r"argo-[a-z0-9.-]+", part)), "")
    if not run:
        raise UsageError(f'no run is named in "{link}"', wanted="a link of a run on Argo's pages")
    return run.removeprefix("argo-")


def _runs(remote: Remote) -> Iterable[Run]:
    return remote.local_runs() if remote.is_local else remote.runs()


def _name(run: Run) -> str:
    return run.name or run.metaflow_run_id


def not_here(remote: Remote, verb: str) -> None:
    """
    Raises:
        SettingsError: the environment is this machine, whose runs the verb cannot act on.
    """
    if remote.is_local:
        raise SettingsError(
            f"`platform {verb}` acts on runs of a cluster", wanted="an environment that has one",
            fix="Name it with --env or PLATFORM_ENV; here, `platform run FLOW --resume RUN` takes up a run.",
        )  # fmt: skip
