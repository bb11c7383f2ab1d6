"""
Help drawn by rich-click, for a terminal alone.

In: the table of verbs. Out: the same group whose pages, and those of its verbs, rich draws.

Imported only when a page of help goes to a terminal: rich costs more than all the rest of such a call. A pipe and CI
get click's plain text.
"""

from __future__ import annotations

from rich_click import RichGroup
from rich_click.patch import patch

from platform_cli.cli.verbs import VerbTable

# Verbs are written with plain click; this makes the classes rich before a verb's module is imported.
patch()


class RichVerbTable(VerbTable, RichGroup):  # type: ignore[misc] # rich-click's classes differ from click's in types
    """The root of the command line, drawn by rich."""
