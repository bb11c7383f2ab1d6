"""How the tests of the command line run it."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = "import sys; from platform_cli.cli.main import main; sys.exit(main())"


def platform(*words: str, folder: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run `platform WORDS` in a process of its own, in `folder`."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        capture_output=True, text=True, cwd=folder, env={**os.environ, **environ}, check=False,
    )  # fmt: skip
