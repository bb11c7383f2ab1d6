"""
Write docs/reference/exit-codes.md from the errors themselves.

In: platform_cli.errors. Out: the page; with --print, on stdout.
"""

import sys
from pathlib import Path

from platform_cli import errors

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "exit-codes.md"


def page() -> str:
    """Make the page's text."""
    classes: dict[int, list[str]] = {}
    for thing in vars(errors).values():
        if isinstance(thing, type) and issubclass(thing, errors.PlatformError):
            classes.setdefault(int(thing.exit_code), []).append(f"`{thing.__name__}`")
    rows = [
        f"| {int(code)} | {meaning} | {', '.join(sorted(classes.get(int(code), []))) or '-'} |"
        for code, meaning in errors.MEANINGS.items()
    ]
    return "\n".join(
        [
            "# Exit codes",
            "",
            "What every command of the platform tells its caller. `platform run` and `platform-step` take the code",
            "from the class of the exception that ended the failed step; a flow that `python` alone runs ends as",
            "Metaflow ends it.",
            "",
            "| code | meaning | errors |",
            "|---:|---|---|",
            *rows,
            "",
            "Written from `platform_cli/errors.py` by `python scripts/exit_codes_page.py`; a test compares the two.",
            "",
        ]
    )


if __name__ == "__main__":
    if "--print" in sys.argv:
        print(page(), end="")
    else:
        PAGE.write_text(page(), encoding="utf-8")
