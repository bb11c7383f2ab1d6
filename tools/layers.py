"""
Put the layers of an image together.

In: an image as the catalogue describes it. Out: tar files, lowest first, for as long as they are read.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools.archive import Entry, write_layer
from tools.build import build_all
from tools.catalogue import ROOT_CERTIFICATES, Image

USERS = b"root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n"
GROUPS = b"root:x:0:\nnonroot:x:65532:\n"


@contextlib.contextmanager
def layers_of(image: Image) -> Iterator[list[Path]]:
    """Yield the image's layers; programs and root file systems that are absent are built."""
    programs = build_all(image.programs)
    entries = {f"usr/local/bin/{name}": Entry(content=path, mode=0o755) for name, path in programs.items()}
    entries |= {path: Entry(content=file, mode=0o755) for path, file in image.files.items()}
    folders = {}
    if image.rootfs is None:
        # what a static program may look for: whom it trusts, who it is, where it may write
        entries["etc/ssl/certs/ca-certificates.crt"] = Entry(content=ROOT_CERTIFICATES)
        entries["etc/passwd"] = Entry(content=USERS)
        entries["etc/group"] = Entry(content=GROUPS)
        folders["tmp"] = 0o1777
    with tempfile.TemporaryDirectory(prefix="platform-layer-") as work:
        top = Path(work) / "layer.tar"
        write_layer(top, entries, folders)
        below = [image.rootfs.build()] if image.rootfs else []
        yield [*below, top] if entries else below
