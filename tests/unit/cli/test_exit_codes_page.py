"""The page of exit codes is written from the errors, and says what they say today."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_page_of_exit_codes_is_what_the_errors_say():
    written = subprocess.run(
        [sys.executable, ROOT / "scripts" / "exit_codes_page.py", "--print"], capture_output=True, text=True, check=True
    ).stdout
    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    assert page == written, "run: python scripts/exit_codes_page.py"


def test_the_page_names_the_codes_that_callers_rely_on():
    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    for code in (0, 1, 2, 3, 4, 5, 6, 7, 8, 65, 130, 143):
        assert f"| {code} |" in page
