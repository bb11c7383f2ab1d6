"""
Build the platform's container images where no registry can be asked, and say what they are called.

In: names, or none for all. Out: JSON, one object, from name to image:tag.

    python tools/images.py
    python tools/images.py kind-node postgres
    python tools/images.py --list

Only what the Docker daemon does not have is built. A tag carries a key of everything in its image, so an image of that
name is that image. `kind-node` holds all the others but python-base, ready for the pods of a new cluster.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

if __name__ == "__main__":  # run as a file, Python sees this folder only
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from tools.build import build_all  # the path above comes first
from tools.catalogue import Image, control_plane_images, platform_images
from tools.compile import cache_home, drop_go_caches, locked, say
from tools.docker import load_image, present_images, remove_images
from tools.kind_node import PROGRAMS, make_node, node_reference
from tools.layers import layers_of
from tools.pins import TOOLS, Family, read_families

NODE_IMAGE = "kind-node"
ON_NO_NODE = {"python-base"}
"""Images that others are built on; no pod runs them."""


def references(families: dict[str, Family]) -> dict[str, str]:
    """Return what each image is called, built or not."""
    images = platform_images(families)
    return {NODE_IMAGE: node_reference(families, _inside(families, images)), **{i.name: i.reference for i in images}}


def build_images(families: dict[str, Family], names: Sequence[str]) -> dict[str, str]:
    """Return the images of these names, built now where the daemon has none."""
    known = references(families)
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"no image is called {', '.join(unknown)}; there are {', '.join(known)}")
    if {known[name] for name in names} - present_images():
        with locked(cache_home() / "images"):
            # asked again: another process may have built them while this one waited
            present = present_images()
            absent = [name for name in names if known[name] not in present]
            # one call for all, so that each family is compiled once
            build_all([tool for name in absent for tool in _programs(families, name)])
            for name in absent:
                _build(families, name)
                remove_images(outdated(known[name], present))
    return {name: known[name] for name in names}


def outdated(reference: str, present: Iterable[str]) -> list[str]:
    """Return the images that this one replaces: same name, another tag."""
    repository = reference.rpartition(":")[0]
    return sorted(other for other in present if other.rpartition(":")[0] == repository and other != reference)


def main(arguments: Sequence[str] | None = None) -> None:
    """Build what the command line names."""
    parser = argparse.ArgumentParser(description="Build the platform's container images and print their names.")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="say what they are called; build nothing")
    chosen = parser.parse_args(arguments)
    families = read_families(TOOLS)
    known = references(families)
    built = known if chosen.list else build_images(families, chosen.names or list(known))
    if not chosen.list:
        drop_go_caches(families)
    sys.stdout.write(f"{json.dumps(built, indent=2)}\n")


def _inside(families: dict[str, Family], images: Sequence[Image]) -> list[Image]:
    return [*control_plane_images(families), *(image for image in images if image.name not in ON_NO_NODE)]


def _programs(families: dict[str, Family], name: str) -> list[str]:
    images = platform_images(families)
    if name == NODE_IMAGE:
        return ["kind", *PROGRAMS, *(tool for image in _inside(families, images) for tool in image.programs)]
    return [tool for image in images if image.name == name for tool in image.programs]


def _build(families: dict[str, Family], name: str) -> None:
    started = time.monotonic()
    images = {image.name: image for image in platform_images(families)}
    if name == NODE_IMAGE:
        make_node(families, _inside(families, list(images.values())))
    else:
        with layers_of(images[name]) as layers:
            load_image(images[name].reference, layers, images[name].config)
    say(f"image {name} took {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
