"""
A store on S3, AWS's or any server that honours `If-None-Match: *` on PUT.

In: a bucket, a prefix, keys, bodies. Out: objects that the server has checked by their SHA-256.

A conditional create is sent exactly once. Where no answer says whether it happened the caller gets Unclear: the
library's own retry would meet our own success and report it as a refusal. Reads are repeated; they are harmless.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

import base64
import builtins
import hashlib
import io
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from platform_cli.errors import AlreadyExists, NotAllowed, NotFound, PlatformError, Unclear, Unreachable
from platform_cli.store import probe_by_creating_twice
from platform_cli.store.glance import any_below
from platform_cli.store.keys import check_key, check_prefix

CONNECT_SECONDS = 3
ANSWER_SECONDS = 20
_READ_PAUSES = (0.3, 1.0)
_CHUNK_BYTES = 1 << 20

# The server did not act, or will not say: SlowDown, InternalError, a clash with another conditional write.
# Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList
_UNCLEAR_CODES = frozenset({"ConditionalRequestConflict", "OperationAborted", "RequestTimeout", "SlowDown"})


Answer = TypeVar("Answer")


def _failures() -> tuple[type[Exception], ...]:
    """Name what botocore raises, and what it lets through where a connection breaks inside an answer."""
    from botocore.exceptions import BotoCoreError, ClientError
    from urllib3.exceptions import HTTPError

    return BotoCoreError, ClientError, HTTPError


class S3Store:
    """Objects below one prefix of a bucket that exists. Credentials come from AWS's own chain."""

    def __init__(self, bucket: str, prefix: str, *, endpoint: str = "") -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._endpoint = endpoint

    @property
    def url(self) -> str:
        """`s3://bucket/prefix`."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def create(self, key: str, body: bytes) -> None:
        """Make an object with these bytes; AlreadyExists where the key exists, Unclear where nobody can say."""
        self._put(key, io.BytesIO(body))

    def create_from_file(self, key: str, path: Path) -> None:
        """Make an object with a file's bytes, streamed; AlreadyExists, Unclear as for `create`."""
        with path.open("rb") as file:
            self._put(key, file)

    def read(self, key: str) -> bytes:
        """Return the object's bytes; NotFound where there is none."""
        sink = io.BytesIO()
        self._get(key, sink)
        return sink.getvalue()

    def fetch(self, key: str, folder: Path) -> Path:
        """Copy the object into a folder; NotFound where there is none."""
        path = folder / check_key(key).replace("/", "__")[-200:]
        with path.open("w+b") as file:
            self._get(key, file)
        return path

    def list(self, prefix: str) -> builtins.list[str]:
        """Return the keys below a folder of keys, sorted."""
        below = check_prefix(prefix)
        start = f"{self._prefix}{below}/" if below else self._prefix

        def ask() -> builtins.list[str]:
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=start)
            return [item["Key"] for page in pages for item in page.get("Contents", ())]

        found = self._asked_again(ask, f"list s3://{self._bucket}/{start}")
        return sorted(key.removeprefix(self._prefix) for key in found)

    def holds(self, prefix: str) -> bool:
        """Whether there is any object below a folder of keys."""
        below = f"{self._prefix}{check_prefix(prefix)}/"
        if self._endpoint:
            found = any_below(self._endpoint, self._bucket, below)
            if found is not None:
                return found

        def ask() -> int:
            page = self._client.list_objects_v2(Bucket=self._bucket, Prefix=below, MaxKeys=1)
            return int(page.get("KeyCount", 0))

        return self._asked_again(ask, f"list s3://{self._bucket}/{below}") > 0

    def probe(self, prefix: str = "") -> None:
        """Return only where the server refuses a second create of one key; StoreUnsafe otherwise."""
        probe_by_creating_twice(self, check_prefix(prefix))

    @cached_property
    def _client(self) -> Any:
        """One client that sends each request once; a client is safe to share between threads."""
        from boto3.session import Session
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=ANSWER_SECONDS,
            retries={"total_max_attempts": 1, "mode": "standard"},
            signature_version="s3v4",
            s3={"addressing_style": "path" if self._endpoint else "auto"},
        )
        # A server of one's own has no regions, but the signature needs the name of one.
        region = "us-east-1" if self._endpoint else None
        return Session().client("s3", endpoint_url=self._endpoint or None, region_name=region, config=config)

    def _put(self, key: str, body: io.BytesIO | io.BufferedReader) -> None:
        name = self._prefix + check_key(key)
        digest = hashlib.file_digest(body, "sha256").digest()
        body.seek(0)
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=name,
                Body=body,
                IfNoneMatch="*",
                ChecksumSHA256=base64.b64encode(digest).decode(),
            )
        except _failures() as error:
            raise self._explain(error, f"create s3://{self._bucket}/{name}", writes=True) from error

    def _get(self, key: str, sink: BinaryIO) -> None:
        """Copy an object's bytes; an answer that was cut is asked for again from the start."""
        name = self._prefix + check_key(key)

        def ask() -> None:
            sink.seek(0)
            sink.truncate()
            answer = self._client.get_object(Bucket=self._bucket, Key=name)
            for chunk in answer["Body"].iter_chunks(_CHUNK_BYTES):
                sink.write(chunk)

        self._asked_again(ask, f"read s3://{self._bucket}/{name}")

    def _asked_again(self, ask: Callable[[], Answer], act: str) -> Answer:
        """Read, and read again where the server was unreachable: a read changes nothing."""
        for pause in (*_READ_PAUSES, None):
            try:
                return ask()
            except _failures() as error:
                failure = self._explain(error, act, writes=False)
                if pause is None or not isinstance(failure, Unreachable):
                    raise failure from error
                time.sleep(pause)
        raise AssertionError("the last round returns or raises")

    def _explain(self, error: Exception, act: str, *, writes: bool) -> PlatformError:
        """Say in the platform's words what a failed request means for the caller."""
        from botocore.exceptions import ClientError

        if isinstance(error, ClientError):
            return self._explain_answer(error, act, writes=writes)
        return self._explain_silence(error, act, writes=writes)

    def _explain_answer(self, error: Any, act: str, *, writes: bool) -> PlatformError:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code == "NoSuchBucket":
            return NotFound(
                f'the bucket "{self._bucket}" does not exist on {self._server}',
                fix="Create it, or choose another store with PLATFORM_SCORES.",
            )
        if status == 412:
            return AlreadyExists(f"cannot {act}: it exists already")
        if status >= 500 or status == 429 or code in _UNCLEAR_CODES:
            cls = Unclear if writes else Unreachable
            return cls(f"cannot {act}: {self._server} answered {status} {code}", fix="Run again; nothing is doubled.")
        if status in (401, 403):
            return NotAllowed(
                f"cannot {act}: {self._server} answered {status} {code}",
                fix="Check the AWS credentials, and that this account may use the prefix.",
            )
        if status == 404:
            return NotFound(f"cannot {act}: it does not exist")
        return PlatformError(f"cannot {act}: {self._server} answered {status} {code} ({error})")

    def _explain_silence(self, error: Exception, act: str, *, writes: bool) -> PlatformError:
        from botocore import exceptions

        not_set_up = (
            exceptions.NoCredentialsError,
            exceptions.PartialCredentialsError,
            exceptions.CredentialRetrievalError,
            exceptions.ProfileNotFound,
        )
        if isinstance(error, not_set_up):
            return NotAllowed(
                f"cannot {act}: AWS is not set up for this process ({error})",
                fix="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
            )
        never_sent = isinstance(error, exceptions.EndpointConnectionError | exceptions.ConnectTimeoutError)
        cls = Unclear if writes and not never_sent else Unreachable
        return cls(
            f"cannot {act}: no answer from {self._server} ({error})",
            fix="Check that the server runs and PLATFORM_S3_ENDPOINT names it, then run again; nothing is doubled.",
        )

    @property
    def _server(self) -> str:
        return self._endpoint or "AWS S3"
