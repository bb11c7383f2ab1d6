"""The reference pages say what the code says."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_reference_page_is_what_the_code_would_write_today() -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "scripts" / "reference_pages.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout) == (0, ""), f"run: python scripts/reference_pages.py\n{checked.stderr}"
