"""A real S3 server on loopback: versitygw over a folder, built on first use, stopped by its process id."""

import contextlib
import os
import socket
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tools.build import build

ACCESS_KEY = "tester"
SECRET_KEY = "only-on-loopback"


@dataclass(frozen=True)
class S3Server:
    """Where the server listens, its process, and the folder that it serves."""

    endpoint: str
    pid: int
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to use the server."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self) -> Any:
        """A plain boto3 client, for what a test does behind the product's back."""
        import boto3  # noqa: PLC0415 # every test loads this module, few need half a second of boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )

    def new_bucket(self) -> str:
        """Make a bucket that nobody else uses."""
        name = f"bucket-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name


@contextlib.contextmanager
def run_s3_server(folder: Path, port: int = 0) -> Iterator[S3Server]:
    """Start the server over a folder, on this port or a free one; it is gone after the block, its folder is not."""
    binary = build("versitygw")
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    endpoint = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
    command = [str(binary), "--port", f"127.0.0.1:{port}", "--health", "/health", "--quiet", "posix", str(data)]
    with (
        (folder / "log.txt").open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL) as process,
    ):
        try:
            _wait_until_healthy(endpoint, process, folder / "log.txt")
            yield S3Server(endpoint, process.pid, data)
        finally:
            process.kill()


def free_port() -> int:
    """Return a port of the loopback interface on which nothing listens now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_until_healthy(endpoint: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"the S3 server ended with {process.returncode}:\n{log.read_text()}")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{endpoint}/health", timeout=1):  # noqa: S310 # http
            return
        time.sleep(0.05)
    raise RuntimeError(f"the S3 server did not answer:\n{log.read_text()}")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One server for all tests of this process; each test takes a bucket of its own."""
    with run_s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server, with its credentials in the environment of the test."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server
