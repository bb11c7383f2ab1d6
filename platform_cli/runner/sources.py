"""
`--code` -> the flow's files in the working folder.

In: `<address of a store>/<sha256>.tar`; empty where the code is in the image. Out: the files, or CodeRefused: the pod
runs the bytes that were submitted, or nothing.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from platform_cli.code.package import unpack
from platform_cli.errors import CodeRefused, NotFound, UsageError
from platform_cli.store import open_store


def bring_code(address: str, folder: Path) -> None:
    """
    Fetch, check and unpack a package.

    Raises:
        CodeRefused: no such package, or not the bytes that its name promises. Unreachable: the store does not answer.
    """
    match = re.fullmatch(r"(.+)/([0-9a-f]{64})\.tar", address)
    if not match:
        raise UsageError(f'platform-step: --code is "{address}"', wanted="<address of a store>/<sha256>.tar")
    store = open_store(match[1], s3_endpoint=os.environ.get("METAFLOW_S3_ENDPOINT_URL", ""))
    try:
        body = store.read(f"{match[2]}.tar")
    except NotFound as error:
        raise CodeRefused(f"there is no code package {address}", fix="Submit the flow again.") from error
    unpack(body, match[2], folder)
