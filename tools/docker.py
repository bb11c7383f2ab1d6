"""
Talk to the Docker daemon of this machine.

In: arguments of the docker command. Out: what it says, or an exit that says what failed and what to do.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from tools.archive import Config, write_image


def docker(*arguments: str, stdin: IO[bytes] | int | None = None) -> str:
    """Return what a docker command prints."""
    try:
        done = subprocess.run(["docker", *arguments], stdin=stdin, capture_output=True, check=False)
    except FileNotFoundError:
        raise SystemExit("docker is not installed: `scripts/machine.sh cluster` does it on Debian") from None
    if done.returncode:
        last = "\n".join(done.stderr.decode(errors="replace").splitlines()[-10:])
        raise SystemExit(f"docker {' '.join(arguments)} ended with {done.returncode}:\n{last}")
    return done.stdout.decode()


def present_images() -> set[str]:
    """Return the images that the daemon has, as name:tag."""
    return set(docker("images", "--format", "{{.Repository}}:{{.Tag}}").split())


def remove_images(references: Iterable[str]) -> None:
    """Give their space back; what a container uses, a running cluster's node for one, stays."""
    for reference in references:
        subprocess.run(["docker", "image", "rm", reference], capture_output=True, check=False)


def load_image(reference: str, layers: Sequence[Path], config: Config) -> None:
    """Give the daemon an image."""
    pipe_image(["docker", "load", "--quiet"], reference, layers, config)


def pipe_image(command: list[str], reference: str, layers: Sequence[Path], config: Config) -> None:
    """Write an image's archive into a command that reads one."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101,PT018 # both are pipes
        broken = False
        try:
            write_image(process.stdin, reference, layers, config)
            process.stdin.close()
        except BrokenPipeError:
            broken = True
        said = process.stdout.read().decode(errors="replace")
    if process.returncode or broken:
        raise SystemExit(f"{' '.join(command)} refused {reference}:\n{said[-2000:]}")
