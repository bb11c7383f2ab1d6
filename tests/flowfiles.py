"""Small flow files for tests: written out, loaded by the product, with line numbers that a test can name."""

import textwrap
from pathlib import Path

from platform_cli.errors import FlowRefused
from platform_cli.graph import FlowGraph, load_graph

TWO_STEPS = """
@step
def start(self):
    self.next(self.end)

@step
def end(self):
    pass
"""


def flow_source(body: str, *, above: str = "", imports: str = "") -> str:
    """A flow file whose class begins in line 4 (plus the lines of `above`), its body in the line after."""
    return (
        f"from metaflow import *  # noqa\n{imports or '# nothing else'}\n\n{above}class TestFlow(FlowSpec):\n"
        + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
        + '\n\n\nif __name__ == "__main__":\n    TestFlow()\n'
    )


def load(folder: Path, body: str, *, above: str = "", imports: str = "") -> FlowGraph:
    """Write a flow below `folder` and read it."""
    return load_source(folder, flow_source(body, above=above, imports=imports))


def load_source(folder: Path, source: str) -> FlowGraph:
    file = folder / "flows" / "test" / "flow.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source, encoding="utf-8")
    return load_graph(file, root=folder)


def findings(folder: Path, body: str, *, above: str = "", imports: str = "") -> list[tuple[int, str, str]]:
    """(line, rule, problem) of everything that is refused."""
    try:
        load(folder, body, above=above, imports=imports)
    except FlowRefused as error:
        return [(finding.where.line, finding.rule, finding.problem) for finding in error.findings]
    return []
