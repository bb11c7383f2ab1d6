"""
What can be said about a flow file without running it.

In: a path. Out: the flow's class name and, where they are plain to see, its parameters; or the error that says why not.

The file is parsed, never imported: importing one costs as much as a step and may do anything. A class that inherits
from something else than FlowSpec may have parameters that only Metaflow can know; there, Metaflow's own check decides.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from platform_cli.errors import NotFound, UsageError, did_you_mean

_PARAMETER_CLASSES = {"Parameter", "IncludeFile", "JSONType"}


@dataclass(frozen=True, kw_only=True)
class FlowFile:
    """A flow's file; `parameters` is None where only running it would tell."""

    path: Path
    flow: str
    parameters: tuple[str, ...] | None


def read_flow_file(path: Path) -> FlowFile:
    """
    Find the flow in a file.

    Raises:
        NotFound: no such file.
        UsageError: a folder, not Python, or no flow in it; names the file and the line.
    """
    tree = _parse(path)
    flows = [node for node in tree.body if isinstance(node, ast.ClassDef) and _is_flow(node)]
    if not flows:
        raise UsageError(f"{path} has no flow", wanted="a class that inherits from metaflow.FlowSpec")
    if len(flows) > 1:
        names = ", ".join(flow.name for flow in flows)
        raise UsageError(f"{path} has {len(flows)} flows, {names}", wanted="one flow in a file")
    [flow] = flows
    plain = [_last_name(base) for base in flow.bases] == ["FlowSpec"] and not flow.decorator_list
    return FlowFile(path=path, flow=flow.name, parameters=_parameters(flow) if plain else None)


def check_parameters(file: FlowFile, given: dict[str, str]) -> None:
    """
    Refuse parameters that the flow does not have.

    Raises:
        UsageError: names the parameter and the one that was probably meant.
    """
    if file.parameters is None:
        return
    for name in given:
        if name not in file.parameters:
            fix = did_you_mean(name, list(file.parameters)) or "It takes none."
            raise UsageError(f'flow {file.flow} has no parameter "{name}"', fix=fix)


def _parse(path: Path) -> ast.Module:
    if path.is_dir():
        inside = sorted(file.name for file in path.glob("*.py"))
        fix = f"Name a file in it: {', '.join(inside[:6])}." if inside else ""
        raise UsageError(f"{path} is a folder", wanted="a flow's file", fix=fix)
    try:
        return ast.parse(path.read_bytes(), filename=str(path))
    except FileNotFoundError as error:
        near = [str(file) for file in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise NotFound(f"there is no file {path}", fix=did_you_mean(str(path), near)) from error
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise UsageError(f"{path}{line} is not Python: {reason}", wanted="a flow's file") from error


def _is_flow(node: ast.ClassDef) -> bool:
    # A base class from elsewhere usually keeps the word: FlowSpec, RiskFlow, BaseFlow.
    return any("Flow" in _last_name(base) for base in node.bases)


def _parameters(flow: ast.ClassDef) -> tuple[str, ...] | None:
    names = []
    for node in flow.body:
        value = node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None
        if not isinstance(value, ast.Call):
            continue
        if _last_name(value.func) not in _PARAMETER_CLASSES:
            continue
        given = [*value.args[:1], *(word.value for word in value.keywords if word.arg == "name")]
        if not given or not isinstance(given[0], ast.Constant) or not isinstance(given[0].value, str):
            return None
        names.append(given[0].value)
    return tuple(names)


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
