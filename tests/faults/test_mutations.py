"""Tests of the tests: without the safeguard that it is there for, a fault test turns red."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.mutations import MUTATIONS, Mutation

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the product and its tests, in which anything may be broken; whole, every test named here is green."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("platform_cli", "tests", "tools", "flows"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    status, output = run_tests(folder, *(mutation.test for mutation in MUTATIONS))
    assert status == 0, f"red before anything was broken:\n{output[-3000:]}"
    return folder


def run_tests(folder: Path, *tests: str) -> tuple[int, str]:
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_without_its_safeguard_the_product_fails_the_test(mutation: Mutation, copy: Path) -> None:
    file = copy / mutation.file
    whole = file.read_text(encoding="utf-8")
    count = whole.count(mutation.old)
    assert count == 1, f"{mutation.file} has {mutation.old!r} {count} times"
    try:
        file.write_text(whole.replace(mutation.old, mutation.new), encoding="utf-8")
        status, output = run_tests(copy, mutation.test)
    finally:
        file.write_text(whole, encoding="utf-8")
    assert status == 1, f"still green without {mutation.name}:\n{output[-3000:]}"
    assert "1 failed" in output
