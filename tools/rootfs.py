"""
Make Debian root file systems, each once, as tar files outside the repository.

In: a name and a list of packages. Out: the path of the tar file.

Packages come from Debian's mirror by mmdebstrap, so that an image needs no registry below it. A file's key is its list
of packages, not their versions: to take Debian's updates, delete the file.
"""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tools.compile import cache_home, locked, say
from tools.pins import key_of

SUITE = "bookworm"
COMMON = (
    "--variant=minbase",
    # some mirrors mix up answers to requests that were sent ahead
    '--aptopt=Acquire::http::Pipeline-Depth "0"',
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    # a file that a hook below put there first stays
    "--dpkgopt=force-confold",
    '--customize-hook=rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/var/log/*',
)


@dataclass(frozen=True, kw_only=True)
class Rootfs:
    """A root file system: the packages on top of Debian's minimum, and commands that finish it."""

    name: str
    packages: tuple[str, ...]
    before: tuple[str, ...] = ()
    """Shell commands after the minimum is there, before the packages; `$1` is the root."""
    after: tuple[str, ...] = ()
    """The same, after the packages."""

    @property
    def key(self) -> str:
        """Name what it is made from."""
        return key_of(SUITE, *COMMON, *self._arguments())

    def build(self) -> Path:
        """Return the tar file, made now where there is none."""
        file = cache_home() / "rootfs" / f"{self.name}-{self.key}.tar"
        if not file.exists():
            with locked(file.parent):
                if not file.exists():
                    self._make(file)
        return file

    def _make(self, file: Path) -> None:
        started = time.monotonic()
        say(f"making the {self.name} root file system of Debian {SUITE}")
        incoming = file.with_suffix(f".{os.getpid()}.part")
        command = ["mmdebstrap", *COMMON, *self._arguments(), "--format=tar", SUITE, str(incoming)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                last = "\n".join(done.stderr.splitlines()[-20:])
                raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{last}")
            incoming.replace(file)
        except FileNotFoundError:
            raise SystemExit("mmdebstrap is not installed: `scripts/machine.sh cluster` does it on Debian") from None
        finally:
            incoming.unlink(missing_ok=True)
        say(f"made the {self.name} root file system in {time.monotonic() - started:.0f} s")

    def _arguments(self) -> list[str]:
        return [
            f"--include={','.join(self.packages)}",
            *(f"--essential-hook={command}" for command in self.before),
            *(f"--customize-hook={command}" for command in self.after),
        ]


# what a kind node runs: systemd, the container runtime of Debian and what kubelet and kube-proxy call
NODE = Rootfs(
    name="node",
    packages=(
        *("systemd", "systemd-sysv", "dbus", "bash", "util-linux", "mount", "kmod", "procps", "e2fsprogs", "pigz"),
        *("conntrack", "iptables", "nftables", "iproute2", "ethtool", "socat", "ca-certificates", "curl", "jq"),
        *("containerd", "runc", "libseccomp2", "containernetworking-plugins"),
    ),
)

# a shell and what kube-proxy calls
SLIM = Rootfs(name="slim", packages=("iptables", "nftables", "conntrack", "kmod", "ca-certificates"))

# stands in for python:3.11-slim-bookworm, with `python` and a pip that installs, as there
PYTHON = Rootfs(
    name="python",
    packages=("python3", "python-is-python3", "python3-pip", "python3-venv", "ca-certificates", "tzdata"),
    after=('rm -f "$1"/usr/lib/python3.*/EXTERNALLY-MANAGED',),
)

# 15 is bookworm's. The user has a fixed number, because pods name users by number. Compiled queries are left out with
# the 120 MB of LLVM that they need: PostgreSQL does without where the library is absent.
POSTGRES = Rootfs(
    name="postgres",
    packages=("postgresql-15", "ca-certificates", "tzdata"),
    before=(
        'echo "postgres:x:999:999::/var/lib/postgresql:/bin/sh" >> "$1"/etc/passwd',
        'echo "postgres:x:999:" >> "$1"/etc/group',
        'mkdir -p "$1"/etc/postgresql-common',
        'echo "create_main_cluster = false" > "$1"/etc/postgresql-common/createcluster.conf',
    ),
    after=(
        'rm -rf "$1"/usr/lib/*/libLLVM-*.so* "$1"/usr/lib/llvm-*',
        'rm -rf "$1"/usr/lib/postgresql/15/lib/llvmjit* "$1"/usr/lib/postgresql/15/lib/bitcode',
        'install -d -o 999 -g 999 -m 0700 "$1"/var/lib/postgresql/data',
    ),
)
