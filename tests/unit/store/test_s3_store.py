"""S3: what a person reads when the server, the bucket or the credentials are not there."""

import re
import threading
from pathlib import Path

import pytest

from platform_cli.errors import AlreadyExists, NotAllowed, NotFound, Unclear, Unreachable, UsageError
from platform_cli.store import open_store
from platform_cli.store.s3 import S3Store
from tests.s3_server import S3Server, free_port

pytestmark = pytest.mark.s3


def test_a_missing_bucket_is_one_sentence(s3: S3Server) -> None:
    store = open_store("s3://no-such-bucket/x", s3_endpoint=s3.endpoint)
    sentence = f'the bucket "no-such-bucket" does not exist on {s3.endpoint}.\n  Create it, or choose another store'
    for act in (lambda: store.create("a", b""), lambda: store.read("a"), lambda: store.list(""), store.probe):
        with pytest.raises(NotFound, match=re.escape(sentence)):
            act()


def test_a_dead_server_is_unreachable_and_nothing_was_sent(s3: S3Server) -> None:
    store = open_store("s3://bucket", s3_endpoint=f"http://127.0.0.1:{free_port()}")
    for act in (lambda: store.create("a", b""), lambda: store.read("a"), lambda: store.list("")):
        with pytest.raises(Unreachable, match=r"no answer from http://127\.0\.0\.1") as caught:
            act()
        assert type(caught.value) is Unreachable


def test_wrong_credentials_are_not_allowed(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = s3.new_bucket()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(NotAllowed, match=r"answered 403 SignatureDoesNotMatch.\n  Check the AWS credentials"):
        open_store(f"s3://{bucket}", s3_endpoint=s3.endpoint).create("a", b"")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("AWS_ACCESS_KEY_ID", ""), ("AWS_PROFILE", "nobody")],
    ids=["no credentials", "unknown profile"],
)
def test_a_process_without_aws_settings_is_told_which(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, value: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(variable, value)
    store = open_store("s3://bucket", s3_endpoint=s3.endpoint)
    with pytest.raises(NotAllowed, match=r"AWS is not set up for this process.*\n  Set AWS_ACCESS_KEY_ID"):
        store.create("a", b"")


def test_an_endpoint_that_is_no_address_is_refused() -> None:
    with pytest.raises(UsageError, match='the S3 endpoint is "localhost:7070"; wanted http://host:port'):
        open_store("s3://bucket", s3_endpoint="localhost:7070")


def test_a_key_below_another_keys_object_is_an_error_and_no_refusal(s3: S3Server) -> None:
    store = open_store(f"s3://{s3.new_bucket()}", s3_endpoint=s3.endpoint)
    store.create("a", b"")
    with pytest.raises(Exception, match="409 ObjectParentIsFile") as caught:
        store.create("a/b", b"")
    assert not isinstance(caught.value, AlreadyExists | Unclear)


def test_every_object_carries_the_hash_that_the_server_checked(s3: S3Server) -> None:
    bucket = s3.new_bucket()
    open_store(f"s3://{bucket}", s3_endpoint=s3.endpoint).create("a", b"abc")
    head = s3.client().head_object(Bucket=bucket, Key="a", ChecksumMode="ENABLED")
    # printf abc | sha256sum | xxd -r -p | base64
    assert head["ChecksumSHA256"] == "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="


def test_more_keys_than_one_page_are_all_listed(s3: S3Server) -> None:
    bucket = s3.new_bucket()
    folder = s3.folder / bucket / "p"
    folder.mkdir()
    for number in range(1005):
        (folder / f"{number:04d}").touch()
    keys = open_store(f"s3://{bucket}", s3_endpoint=s3.endpoint).list("p")
    assert (len(keys), keys[0], keys[-1]) == (1005, "p/0000", "p/1004")


def test_a_create_is_sent_once(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own retry would meet our own success and call it a refusal."""
    store = S3Store(s3.new_bucket(), "", endpoint=s3.endpoint)
    sent = threading.Semaphore(0)
    store._client.meta.events.register("before-send.s3.PutObject", lambda **_: sent.release())
    store.create("a", b"")
    with pytest.raises(AlreadyExists):
        store.create("a", b"")
    assert sent._value == 2
