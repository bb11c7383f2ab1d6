"""
Run a flow file the way `python flow.py` does, up to the moment where Metaflow would read the command line.

In: a flow file. Out: the flow object, handed to a callback in place of Metaflow's command line.

The file's code runs in the real `__main__`, because Metaflow pickles some of its own types as members of `__main__`:
as an imported module, or through runpy, artifacts would not load again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from platform_cli.errors import NotFound, UsageError


def run_flow_file(file: Path, turn: Callable[[Any], None]) -> None:
    """
    Execute the file once; `turn` gets the flow object when the file starts its flow.

    Raises:
        NotFound: no such file. UsageError: the file starts no flow. Whatever the file or `turn` raises.
    """
    from metaflow import FlowSpec, parameters

    if not file.is_file():
        raise NotFound(f"there is no flow file {file}", fix="Look at the image's or the package's content.")
    started = []
    original = FlowSpec.__init__

    def in_place_of_the_command_line(flow: Any, use_cli: bool = True) -> None:
        original(flow, use_cli=False)
        if use_cli:
            started.append(flow)
            # Metaflow builds its command line on the first import of metaflow.cli, from the flow of this context.
            with parameters.flow_context(type(flow)):
                turn(flow)

    module = sys.modules["__main__"]
    module.__file__, module.__spec__ = str(file), None
    if sys.path[0] != str(file.parent):
        sys.path.insert(0, str(file.parent))
    sys.argv = [str(file)]
    FlowSpec.__init__ = in_place_of_the_command_line
    try:
        exec(compile(file.read_bytes(), str(file), "exec"), module.__dict__)  # noqa: S102 # the flow is what we run
    finally:
        FlowSpec.__init__ = original
    if not started:
        raise UsageError(
            f"{file} starts no flow",
            wanted="a flow that the file starts",
            fix='End it with `if __name__ == "__main__": TheFlow()`.',
        )


def metaflow_command(flow: Any, datastore: str, arguments: list[str]) -> Any:
    """
    Let Metaflow do one of its own commands (`init`, `step`) with a flow object, in this process.

    Args:
        datastore: Metaflow's name for the kind of store, `local` or `s3`.
    Returns:
        Metaflow's state of the command: its metadata provider, its datastore.
    """
    import metaflow.cli

    _leave_git_alone()
    top = ["--quiet", "--no-pylint", "--metadata=local", "--environment=local", f"--datastore={datastore}"]
    top += ["--event-logger=nullSidecarLogger", "--monitor=nullSidecarMonitor"]
    # Cards are rendered by a process of their own, which starts sys.argv[0].
    sys.argv = [sys.argv[0], *top, *arguments]
    state = metaflow.cli.CliState(flow)
    state.entrypoint = [sys.executable, sys.argv[0]]
    metaflow.cli.start(args=sys.argv[1:], obj=state, auto_envvar_prefix="METAFLOW", standalone_mode=False)
    return state


def _leave_git_alone() -> None:
    """
    Answer what Metaflow would start git for, several times per task: its own version, and the repository around the
    flow file. A pod has neither git nor a repository; the commit is a label of the run.
    """
    import metaflow
    from metaflow import metaflow_git, metaflow_version

    metaflow_git._git_info_cache = {}
    if not metaflow.__ext_tl_modules__:
        metaflow_version._version_cache.update({True: metaflow.__version__, False: metaflow.__version__})
