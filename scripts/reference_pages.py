"""
Write the pages of docs/reference that follow from the code itself.

In: errors, signals, the contracts beside the flows. Out: one page each; with --check, the names of those that differ.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from platform_cli import errors, signals
from platform_cli.scoring.contract import Column, Contract, load_contract

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"


def exit_codes() -> str:
    classes: dict[int, list[str]] = {}
    for thing in vars(errors).values():
        if isinstance(thing, type) and issubclass(thing, errors.PlatformError):
            classes.setdefault(int(thing.exit_code), []).append(f"`{thing.__name__}`")
    rows = [
        (int(code), meaning, ", ".join(sorted(classes.get(int(code), []))) or "-")
        for code, meaning in errors.MEANINGS.items()
    ]
    text = (
        "What every command of the platform tells its caller. `platform run` and `platform-step` take the code from\n"
        "the class of the exception that ended the failed step; a flow that `python` alone runs ends as Metaflow does."
    )
    return _page("Exit codes", text, _table(("code", "meaning", "errors"), rows), "platform_cli/errors.py")


def all_signals() -> str:
    rows = [
        (f"`{s.name}`", s.kind, s.unit, ", ".join(s.labels), s.meaning, s.emitted_by) for s in signals.SIGNALS.values()
    ]
    headings = ("signal", "kind", "unit", "labels", "meaning", "emitted by")
    text = "Every metric that the platform emits. `platform metrics` prints what flows left on this machine."
    return _page("Signals", text, _table(headings, rows), "platform_cli/signals.py")


def contract_page(path: Path) -> str:
    contract = load_contract(path)
    columns = [(f"`{c.name}`", c.role, c.type, c.unit, _values(c), f"{c.max_null_rate:.0%}") for c in contract.columns]
    derived = [(f"`{d.name}`", f"`{d.formula}`") for d in contract.derived]
    lower = [0.0, *(band.below for band in contract.bands)]
    bands = [(band.name, f"{low:g} to {band.below:g}") for low, band in zip(lower, contract.bands, strict=False)]
    parts = [
        _table(("column", "role", "type", "unit", "values", "nulls, at most"), columns),
        "Derived features, computed the same way in training and in scoring:",
        _table(("feature", "formula"), derived),
        f"Risk bands:\n\n{_table(('band', 'probability'), bands)}",
        _limits(contract),
    ]
    text = (
        f"What one row about one customer holds, in the order of the file. Fingerprint `{contract.fingerprint[:12]}`."
    )
    return _page(f"The data contract of {contract.name}", text, "\n\n".join(parts), str(path.relative_to(ROOT)))


def _limits(contract: Contract) -> str:
    low, high = contract.limits.score_mean
    return (
        f"A day is refused where its rows differ from the day before by more than a factor of "
        f"{contract.limits.rows_ratio:g},\nwhere the mean score is outside {low:g} to {high:g}, or where the scores' "
        f"population stability index against training is\nabove {contract.limits.score_psi:g}."
    )


def _values(column: Column) -> str:
    if column.categories:
        return ", ".join(map(str, column.categories))
    bounds = [f"{bound:,.0f}" if bound is not None else "" for bound in (column.min, column.max)]
    return " to ".join(bounds).strip() if any(bounds) else "any"


def _table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def _page(title: str, text: str, body: str, source: str) -> str:
    end = f"Written from `{source}` by `python scripts/reference_pages.py`; a test compares the two."
    return f"# {title}\n\n{text}\n\n{body}\n\n{end}\n"


def pages() -> dict[str, Callable[[], str]]:
    """Each page's file name with what writes it."""
    contracts = {
        f"contract-{path.parent.name}.md": lambda path=path: contract_page(path)
        for path in sorted((ROOT / "flows").glob("*/contract.toml"))
    }
    return {"exit-codes.md": exit_codes, "signals.md": all_signals, **contracts}


def main() -> int:
    stale = []
    for name, write in pages().items():
        path, text = FOLDER / name, write()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
    print("\n".join(stale), end="\n" if stale else "")
    return 3 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
