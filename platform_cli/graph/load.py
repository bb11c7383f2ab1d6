"""
The path of a flow file -> FlowGraph, in this process and with nothing of the caller's environment.

In: a path. Out: FlowGraph; FlowRefused with a line when the file cannot be loaded.

A flow file is code. While it runs, the environment holds fixed values only, the standard output is the standard error,
no bytecode is written, and afterwards everything is put back. In one process, because another interpreter costs more
than the whole compile.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from platform_cli.errors import FlowRefused, NotFound
from platform_cli.graph.values import Finding, FlowGraph, Where, refuse

# What a flow file sees while it is read. METAFLOW_HOME: a folder that cannot exist, so that no profile is read.
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "METAFLOW_USER": "platform",
    "METAFLOW_HOME": "/nonexistent",
}
_MODULE = "_platform_flow"


def load_graph(file: Path, *, root: Path) -> FlowGraph:
    """
    Read a flow file.

    Args:
        file: the flow file.
        root: the project's folder: current folder while the file runs, and what paths in findings are relative to.
    Raises:
        NotFound: there is no such file.
        FlowRefused: it cannot be loaded, or it can and says something that cannot run here.
    """
    file, root = file.resolve(), root.resolve()
    if not file.is_file():
        raise NotFound(f"there is no flow file {file}", fix="See the folders below flows/.")
    shown = shown_path(file, root)
    with _nothing_of_the_callers(file, root):
        import metaflow  # noqa: F401 # before the flow's own imports, so that its bytecode is kept

        from platform_cli.graph.read import read_graph

        flow = _flow_class(_execute(file, shown), shown)
        graph = read_graph(flow, file=file, root=root)
    refuse(graph.findings)
    return graph


def shown_path(file: Path, root: Path) -> str:
    """Write a path the same on every machine: relative to the project where it lies inside it."""
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name


@contextlib.contextmanager
def _nothing_of_the_callers(file: Path, root: Path) -> Iterator[None]:
    environ, arguments, path, folder = dict(os.environ), sys.argv, sys.path, Path.cwd()
    modules = set(sys.modules)
    try:
        os.environ.clear()
        os.environ.update(ENVIRONMENT)
        sys.argv, sys.path = [str(file)], [str(file.parent), *path]
        os.chdir(root)
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.chdir(folder)
        sys.argv, sys.path = arguments, path
        os.environ.clear()
        os.environ.update(environ)
        # Two flows may each have a neighbour called `features`; the second must not get the first's.
        for name in set(sys.modules) - modules:
            if _lies_below(sys.modules[name], file.parent):
                del sys.modules[name]


def _lies_below(module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return bool(file) and Path(str(file)).is_relative_to(folder)


def _execute(file: Path, shown: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(_MODULE, file)
    if spec is None or spec.loader is None:
        raise FlowRefused(f"{shown} is not a Python file", wanted="a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise FlowRefused(f"{shown}:{error.lineno}: {error.msg}") from error
    except (Exception, SystemExit) as error:
        line = next(
            (f.lineno for f in reversed(traceback.extract_tb(error.__traceback__)) if f.filename == str(file)), 1
        )
        raise FlowRefused(f"{shown}:{line}: {type(error).__name__}: {_one_line(error)}") from error
    finally:
        sys.dont_write_bytecode = before
    return module


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".") or "no message"


def _flow_class(module: ModuleType, shown: str) -> Any:
    from metaflow import FlowSpec

    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, FlowSpec) and value.__module__ == _MODULE
    ]
    leaves = [flow for flow in own if not any(other is not flow and issubclass(other, flow) for other in own)]
    if len(leaves) != 1:
        names = ", ".join(sorted(flow.__name__ for flow in leaves)) or "none"
        finding = Finding(
            where=Where(file=shown, line=1),
            rule="one-flow",
            problem=f"{len(leaves)} flows in one file ({names})",
            fix="Keep each flow in a file of its own.",
        )
        refuse([finding])
    return leaves[0]
