"""
Call one exit hook after its run: `python -m platform_cli.runner.hook`.

In: the flow's file, the function, the run, which end the hook is for, and Argo's word on the run.
Out: the function was called, with Metaflow's Run where it asks for one; or it was not, because the run ended otherwise.

Argo calls a run green whose `end` was omitted, so its word alone does not decide: the run's own records have to agree.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from platform_cli.errors import NotFound, PlatformError
from platform_cli.runner.launch import configure_metaflow
from platform_cli.runner.logs import say


def main(arguments: list[str] | None = None) -> int:
    """Do it, and return the exit code; what the function raises is raised."""
    parser = argparse.ArgumentParser(prog="python -m platform_cli.runner.hook", description="Call one exit hook.")
    parser.add_argument("file", help="the flow's file")
    parser.add_argument("function", help="a name in that file, or an import path")
    parser.add_argument("run", help="FLOW/argo-<workflow>")
    parser.add_argument("--on", required=True, choices=("success", "error"), help="the end that the hook is for")
    parser.add_argument("--status", required=True, help="Argo's word on the run")
    words = parser.parse_args(arguments)
    configure_metaflow()
    try:
        succeeded = words.status == "Succeeded" and _end_succeeded(words.run)
    except PlatformError as error:
        say(f"exit hook {words.function}: {error}")
        return error.exit_code
    ended = "success" if succeeded else "error"
    if ended != words.on:
        say(f"exit hook {words.function}: not called, it is for {words.on} and the run ended in {ended}")
        return 0
    from metaflow.plugins.exit_hook.exit_hook_script import main as call

    # As Python does for a script: a flow's neighbours can be imported.
    sys.path.insert(0, str(Path(words.file).resolve().parent))
    call(words.file, words.function, words.run)
    return 0


def _end_succeeded(run: str) -> bool:
    """Bring the run's metadata here, where Metaflow's client finds it, and ask for its end."""
    flow, _, name = run.partition("/")
    os.environ.setdefault("METAFLOW_DEFAULT_METADATA", "local")
    from platform_cli.runner.pull import pull_run
    from platform_cli.runner.records import open_datastore

    try:
        pull_run(open_datastore(flow), name, Path.cwd())
    except NotFound:
        # No step ever began.
        return False
    from metaflow import Run

    return bool(Run(run, _namespace_check=False).successful)


if __name__ == "__main__":
    sys.exit(main())
