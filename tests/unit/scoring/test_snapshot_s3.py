"""A day's input on S3, and its snapshot there."""

import hashlib

import pytest

from platform_cli.errors import ContractBroken, NotFound, UsageError
from platform_cli.names import Channel
from platform_cli.scoring.snapshot import Place, take_snapshot
from platform_cli.store import open_store
from tests.s3_server import S3Server

pytestmark = pytest.mark.s3


@pytest.fixture
def bucket(s3: S3Server) -> str:
    return s3.new_bucket()


@pytest.fixture
def s3_place(s3: S3Server, bucket: str) -> Place:
    store = open_store(f"s3://{bucket}/scores", s3_endpoint=s3.endpoint)
    return Place(store=store, channel=Channel("local"), flow="riskiness-score", s3_endpoint=s3.endpoint)


def test_a_file_on_s3_gives_the_same_snapshot_as_the_file_itself(s3, bucket, s3_place, place, *, contract, customers):
    path = customers(suffix=".csv")
    s3.client().upload_file(path, bucket, "incoming/2026-11-22/customers.csv")
    remote = take_snapshot(s3_place, contract, f"s3://{bucket}/incoming/2026-11-22/customers.csv")
    assert remote.input == take_snapshot(place, contract, path).input
    body = s3.client().get_object(Bucket=bucket, Key=f"scores/{remote.input.key}")["Body"].read()
    assert hashlib.sha256(body).hexdigest() == remote.input.sha256


def test_a_breach_names_the_file_as_its_owner_does(s3, bucket, s3_place, contract):
    s3.client().put_object(Bucket=bucket, Key="incoming/customers.csv", Body=b"customer_id\n1\n")
    with pytest.raises(ContractBroken, match=f"s3://{bucket}/incoming/customers.csv: 23 findings"):
        take_snapshot(s3_place, contract, f"s3://{bucket}/incoming/customers.csv")
    assert s3_place.store.list("") == []


def test_an_input_that_is_not_there_is_not_found(bucket, s3_place, contract):
    with pytest.raises(NotFound, match="nobody"):
        take_snapshot(s3_place, contract, f"s3://{bucket}/nobody.csv")


def test_a_bucket_alone_is_no_input(bucket, s3_place, contract):
    with pytest.raises(UsageError, match=f'the input is "s3://{bucket}"; wanted s3://bucket/key'):
        take_snapshot(s3_place, contract, f"s3://{bucket}")
