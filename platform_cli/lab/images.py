"""
The images of the platform: where they come from, and into the node with them.

In: `public` or `local`, and a checkout. Out: name -> reference of an image in this machine's Docker, the same names
whatever the source. Every tag says what is in it, so an image that is there is never looked at again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from platform_cli.errors import NotFound, PlatformError
from platform_cli.lab.engine import Node, run

ROOT = Path(__file__).resolve().parents[2]
Tell = Callable[[str], None]

# What platform.toml's images say: one name for whatever this checkout holds, so that compiling needs no Docker.
FLOW_TAG = "platform/flow:local"
_ASKED = "https://registry-1.docker.io/v2/"
_ASK_SECONDS = 3
# Ours; each is made of its Dockerfile and of what that copies.
_OURS = ("mlflow", "flow")
_CERTIFICATES = "certificates.pem"


def tool(*words: str) -> str:
    """
    Run one of the programs of tools/ and return what it printed; its talk goes to our own stderr.

    Raises:
        NotFound: this installation has no tools beside it.
    """
    script = ROOT / "tools" / words[0]
    if not script.is_file():
        raise NotFound(
            f"there is no {script}", wanted="a checkout of the project", fix="Run the command of a checkout's .venv."
        )
    done = subprocess.run([sys.executable, str(script), *words[1:]], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise PlatformError(f"tools/{' '.join(words)} ended with {done.returncode}")
    return done.stdout.strip()


def choose_source(wanted: str) -> str:
    """Return `public` or `local`; `auto` asks the best known registry whether it answers."""
    if wanted != "auto":
        return wanted
    try:
        with urllib.request.urlopen(_ASKED, timeout=_ASK_SECONDS):
            return "public"
    except urllib.error.HTTPError:
        return "public"  # it answers, though not to strangers
    except OSError:
        return "local"


def prepare_images(source: str, tell: Tell) -> dict[str, str]:
    """Return all images by name, pulled or built now where this machine lacks them."""
    images = _pulled(tell) if source == "public" else _built(tell)
    for name in _OURS:
        images[name] = _make(name, images["python-base"], tell)
    if "kwok" not in images:
        images["kwok"] = _make_kwok(tell)
    run(["docker", "tag", images["flow"], FLOW_TAG])
    return images


def load_images(node: Node, cluster: str, images: Iterable[str], tell: Tell) -> list[str]:
    """Load into the node what it does not have, and return what that was."""
    there = node.images()
    missing = sorted({image for image in images if image not in there})
    if missing:
        tell(f"loading into the node: {', '.join(missing)}")
        run([tool("build.py", "kind"), "load", "docker-image", "--name", cluster, *missing])
    return missing


def key_of(paths: Iterable[Path], *more: str) -> str:
    """Hash files and folders by name and content, and some words."""
    found = hashlib.sha256("\0".join(more).encode())
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                found.update(f"\0{file.relative_to(path.parent)}\0".encode() + file.read_bytes())
    return found.hexdigest()[:12]


def copied_by(dockerfile: str, root: Path) -> list[Path]:
    """Return the files and folders of a checkout that a Dockerfile copies, in its order."""
    found: list[Path] = []
    for line in dockerfile.splitlines():
        words = line.split()
        if words[:1] == ["COPY"] and not words[1].startswith("--from"):
            for pattern in words[1:-1]:
                found += sorted(root.glob(pattern)) if pattern != _CERTIFICATES else []
    return found


def build_arguments(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the package index that this machine uses, as arguments of a build; none where it uses the public one."""
    names = {"PIP_INDEX_URL": "index-url", "UV_INDEX": "extra-index-url"}
    found = {}
    for name, setting in names.items():
        value = environ.get(name) or _pip_setting(setting)
        if value:
            found[name] = value
    if "PIP_INDEX_URL" in found:
        found["UV_DEFAULT_INDEX"] = environ.get("UV_DEFAULT_INDEX") or found["PIP_INDEX_URL"]
    return found


def _pip_setting(name: str) -> str:
    # The interpreter below this virtual environment: uv's environments have no pip of their own.
    words = [f"{sys.base_prefix}/bin/python3", "-m", "pip", "config", "get", f"global.{name}"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


def _pulled(tell: Tell) -> dict[str, str]:
    references: dict[str, str] = tomllib.loads((ROOT / "k8s/kind/images.toml").read_text(encoding="utf-8"))
    images = {}
    for name, reference in references.items():
        # The node's own tag is kept, which says its Kubernetes; no pod names it.
        images[name] = reference if name == "kind-node" else f"platform/{name}:public-{key_of([], reference)}"
        if not _is_there(images[name]):
            tell(f"pulling {reference}")
            run(["docker", "pull", "--quiet", reference])
            if images[name] != reference:
                run(["docker", "tag", reference, images[name]])
    return images


def _built(tell: Tell) -> dict[str, str]:
    images: dict[str, str] = json.loads(tool("images.py", "--list"))
    absent = [name for name, image in images.items() if not _is_there(image)]
    if absent:
        tell(f"building from source, which takes minutes the first time: {', '.join(absent)}")
        images = json.loads(tool("images.py"))
    return images


def _is_there(image: str) -> bool:
    done = subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False)
    return done.returncode == 0


def _make(name: str, base: str, tell: Tell) -> str:
    dockerfile = ROOT / "images" / name / "Dockerfile"
    parts = copied_by(dockerfile.read_text(encoding="utf-8"), ROOT)
    image = f"platform/{name}:{key_of([dockerfile, *parts], base)}"
    if _is_there(image):
        return image
    tell(f"building {image}")
    with tempfile.TemporaryDirectory(prefix=f"platform-{name}-") as context:
        folder = Path(context)
        for part in parts:
            target = folder / part.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            if part.is_dir():
                shutil.copytree(part, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
            else:
                shutil.copy(part, target)
        bundle = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
        (folder / _CERTIFICATES).write_bytes(Path(bundle).read_bytes() if bundle else b"")
        arguments = {"BASE": base, **build_arguments(os.environ)}
        words = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
        # The host's network: an index that only this machine may reach is reached in the build, too.
        _build(["--network", "host", *words, "-f", str(dockerfile), "-t", image, context])
    return image


def _make_kwok(tell: Tell) -> str:
    dockerfile = ROOT / "images" / "kwok.Dockerfile"
    image = f"platform/kwok:{key_of([dockerfile, ROOT / 'tools/kwok'])}"
    if not _is_there(image):
        tell(f"building {image}")
        with tempfile.TemporaryDirectory(prefix="platform-kwok-") as context:
            shutil.copy(tool("build.py", "kwok"), Path(context) / "kwok")
            _build(["-f", str(dockerfile), "-t", image, context])
    return image


def _build(words: list[str]) -> None:
    # The classic builder is in every Docker; BuildKit's front end would be one more thing to pull.
    run(["docker", "build", "--quiet", *words], environ={**os.environ, "DOCKER_BUILDKIT": "0"})
