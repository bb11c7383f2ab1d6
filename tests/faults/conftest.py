"""What the tests of faults share: the nursery of victims, and an arena per store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.kills import Arena, folder_arena, s3_arena
from tests.faults.nursery import Nursery, run_nursery


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    with run_nursery() as process:
        yield process


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.s3)])
def arena(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Arena]:
    if request.param == "folder":
        with folder_arena(tmp_path) as arena:
            yield arena
    else:
        with s3_arena(tmp_path, request.getfixturevalue("s3_server")) as arena:
            yield arena
