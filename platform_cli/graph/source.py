"""
Where things stand in a flow's source: the line of each decorator, step and parameter.

In: the text of Python files. Out: line numbers; 0 where the source does not say (a decorator added by a mutator).

Metaflow keeps the line of a step but of nothing on it, and a finding without the line of its decorator is a riddle.
"""

from __future__ import annotations

import ast
from functools import cached_property
from pathlib import Path


class Source:
    """One parsed file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _classes(self) -> dict[str, ast.ClassDef]:
        tree = ast.parse(self.path.read_text(encoding="utf-8"))
        return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}

    def class_line(self, name: str) -> int:
        return self._classes[name].lineno if name in self._classes else 0

    def flow_decorators(self, class_name: str) -> list[tuple[str, int]]:
        """Names and lines of the decorators above a class, in the order of the file."""
        node = self._classes.get(class_name)
        return _decorators(node.decorator_list) if node else []

    def step_decorators(self, class_name: str, step: str) -> list[tuple[str, int]]:
        """Names and lines of the decorators above a step, in the order of the file."""
        node = self._classes.get(class_name)
        for member in node.body if node else ():
            if isinstance(member, (ast.FunctionDef, ast.AsyncFunctionDef)) and member.name == step:
                return _decorators(member.decorator_list)
        return []

    def attribute_line(self, class_name: str, attribute: str) -> int:
        """Line where a class sets one of its attributes, which is where a parameter is declared."""
        node = self._classes.get(class_name)
        for member in node.body if node else ():
            targets = member.targets if isinstance(member, ast.Assign) else []
            targets = [member.target] if isinstance(member, ast.AnnAssign) else targets
            if any(isinstance(target, ast.Name) and target.id == attribute for target in targets):
                return member.lineno
        return 0

    def artifact_lines(self, class_name: str, names: frozenset[str]) -> list[tuple[str, int]]:
        """Assignments to `self.<name>` inside a class, for the names asked for."""
        node = self._classes.get(class_name)
        found = {
            (inner.attr, inner.lineno)
            for inner in (ast.walk(node) if node else ())
            if isinstance(inner, ast.Attribute)
            and isinstance(inner.ctx, ast.Store)
            and inner.attr in names
            and getattr(inner.value, "id", "") == "self"
        }
        return sorted(found, key=lambda pair: pair[1])


def _decorators(nodes: list[ast.expr]) -> list[tuple[str, int]]:
    found = []
    for node in nodes:
        called = node.func if isinstance(node, ast.Call) else node
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        found.append((name, node.lineno))
    return found
