"""What both stores promise: created once, never overwritten, never half-visible. Each test runs on each store."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from platform_cli.errors import AlreadyExists, NotFound, UsageError
from platform_cli.store import Store, open_store


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.s3)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return open_store(str(tmp_path / "scores"))
    server = request.getfixturevalue("s3")
    return open_store(f"s3://{server.new_bucket()}/some/prefix", s3_endpoint=server.endpoint)


def test_what_was_created_is_read_back(store: Store) -> None:
    store.create("local/flow/a.json", b"one")
    assert store.read("local/flow/a.json") == b"one"


def test_a_second_create_of_a_key_is_refused_and_changes_nothing(store: Store) -> None:
    store.create("a", b"first")
    with pytest.raises(AlreadyExists, match="exists already"):
        store.create("a", b"second")
    assert store.read("a") == b"first"


def test_of_many_creates_of_one_key_at_once_one_succeeds(store: Store) -> None:
    def attempt(number: int) -> bytes | None:
        try:
            store.create("contended", body := b"%d" % number)
        except AlreadyExists:
            return None
        return body

    with ThreadPoolExecutor(16) as pool:
        winners = [body for body in pool.map(attempt, range(16)) if body is not None]
    assert winners == [store.read("contended")]


def test_a_file_arrives_with_all_its_bytes(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source.bin"
    source.write_bytes(bytes(range(256)) * 20_000)
    store.create_from_file("a/b/big.bin", source)
    fetched = store.fetch("a/b/big.bin", tmp_path)
    assert hashlib.sha256(fetched.read_bytes()).digest() == hashlib.sha256(source.read_bytes()).digest()


def test_a_file_is_not_put_over_an_existing_key(store: Store, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"second")
    store.create("a", b"first")
    with pytest.raises(AlreadyExists):
        store.create_from_file("a", tmp_path / "source")
    assert store.read("a") == b"first"


@pytest.mark.parametrize("act", ["read", "fetch"])
def test_what_does_not_exist_is_not_found(store: Store, tmp_path: Path, act: str) -> None:
    store.create("other", b"")
    with pytest.raises(NotFound, match=r"absent does not exist|absent: it does not exist"):
        store.read("absent") if act == "read" else store.fetch("absent", tmp_path)


def test_a_list_names_all_keys_below_a_folder_of_keys_in_order(store: Store) -> None:
    for key in ("a/2", "a/1", "a/b/3", "ab/4", "c"):
        store.create(key, b"")
    assert store.list("a") == ["a/1", "a/2", "a/b/3"]
    assert store.list("a/") == ["a/1", "a/2", "a/b/3"]
    assert store.list("") == ["a/1", "a/2", "a/b/3", "ab/4", "c"]


def test_a_list_of_nothing_is_empty(store: Store) -> None:
    assert store.list("nothing/here") == []


def test_a_store_that_keeps_its_promise_passes_the_probe_again_and_again(store: Store) -> None:
    store.probe()
    store.probe()


def test_a_probe_writes_only_where_its_caller_may(store: Store) -> None:
    """On a shared store an account may write its own channel and nothing else."""
    store.probe("adhoc/ann/riskiness-score")
    assert store.list("") == ["adhoc/ann/riskiness-score/probe/conditional-create"]


@pytest.mark.parametrize(
    "key",
    ["", "/absolute", "../up", "a/../b", "a//b", "a/", ".hidden", "a/.hidden", "a b", "a\n", "a\x00b", "ä", "a\\b"],
    ids=repr,
)
def test_a_key_that_could_leave_the_store_or_hide_in_it_is_refused(store: Store, key: str) -> None:
    with pytest.raises(UsageError, match="is not a key"):
        store.create(key, b"")


@pytest.mark.parametrize("key", ["a" * 201, "/".join(["abcd"] * 190)], ids=["segment", "whole"])
def test_a_key_that_no_file_system_or_bucket_takes_is_refused(store: Store, key: str) -> None:
    with pytest.raises(UsageError, match="characters; wanted at most 900, and 200 between two slashes"):
        store.create(key, b"")


def test_a_prefix_cannot_leave_the_store(store: Store) -> None:
    with pytest.raises(UsageError, match="is not a key"):
        store.list("../elsewhere")


@pytest.mark.parametrize("url", ["ftp://host/x", "s3://", "s3:///prefix", ""])
def test_an_address_of_no_known_kind_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="the store is"):
        open_store(url)
