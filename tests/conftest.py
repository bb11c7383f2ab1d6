"""What every test may use: the real customers' file, and an environment that holds nothing of the caller's."""

import os
from pathlib import Path

import pytest

pytest_plugins = ["tests.s3_server"]

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files instead of comparing")


@pytest.fixture(autouse=True)
def _nothing_of_the_callers_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, credentials and Metaflow's configuration of the developer's shell must not decide a test."""
    for name in list(os.environ):
        if name.startswith(("PLATFORM_", "METAFLOW_", "MLFLOW_", "AWS_")) and name != "AWS_CA_BUNDLE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("METAFLOW_USER", "tester")
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture(scope="session")
def real_customers() -> Path:
    """The public UCI file of 30,000 credit card customers; absent, the test skips; in CI it fails."""
    path = Path(os.environ.get("CREDIT_DEFAULT_CSV", ROOT.parent / "shared" / "data" / "credit_default.csv"))
    if path.is_file():
        return path
    reason = f"the real customers' file is not at {path}; set CREDIT_DEFAULT_CSV (docs/data.md says where to get it)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
