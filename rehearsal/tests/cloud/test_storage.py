"""S3: versions, conditional writes, encryption."""

from __future__ import annotations

import threading

import pytest
from botocore.exceptions import ClientError

from rehearsal.tests.cloud.conftest import Account

pytestmark = pytest.mark.cloud


def test_versions_are_listed_by_key_and_from_the_newest(account: Account) -> None:
    bucket = account.bucket()
    written = [account.s3.put_object(Bucket=bucket, Key="a", Body=f"{n}".encode())["VersionId"] for n in range(3)]
    other = account.s3.put_object(Bucket=bucket, Key="b", Body=b"x")["VersionId"]
    listed = account.s3.list_object_versions(Bucket=bucket)["Versions"]
    assert [(v["Key"], v["VersionId"]) for v in listed] == [*(("a", v) for v in reversed(written)), ("b", other)]
    assert [v["IsLatest"] for v in listed] == [True, False, False, True]
    bodies = [account.s3.get_object(Bucket=bucket, Key="a", VersionId=v)["Body"].read() for v in written]
    assert bodies == [b"0", b"1", b"2"]


def test_versions_are_listed_in_pages(account: Account) -> None:
    bucket = account.bucket()
    for n in range(5):
        account.s3.put_object(Bucket=bucket, Key=f"k{n // 2}", Body=b"")
    whole = account.s3.list_object_versions(Bucket=bucket)["Versions"]
    pages = account.s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    found = [v for page in pages for v in page.get("Versions", [])]
    assert [(v["Key"], v["VersionId"]) for v in found] == [(v["Key"], v["VersionId"]) for v in whole]


def test_a_deleted_key_keeps_its_versions(account: Account) -> None:
    bucket = account.bucket()
    version = account.s3.put_object(Bucket=bucket, Key="a", Body=b"x")["VersionId"]
    account.s3.delete_object(Bucket=bucket, Key="a")
    with pytest.raises(ClientError, match="NoSuchKey"):
        account.s3.get_object(Bucket=bucket, Key="a")
    assert account.s3.get_object(Bucket=bucket, Key="a", VersionId=version)["Body"].read() == b"x"
    listed = account.s3.list_object_versions(Bucket=bucket)
    assert [m["IsLatest"] for m in listed["DeleteMarkers"]] == [True]
    assert [v["IsLatest"] for v in listed["Versions"]] == [False]


def test_of_many_puts_if_none_match_one_wins(account: Account) -> None:
    bucket = account.bucket()
    outcomes: list[str] = []

    def put(n: int) -> None:
        try:
            account.s3.put_object(Bucket=bucket, Key="once", Body=f"{n}".encode(), IfNoneMatch="*")
            outcomes.append("written")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=put, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["PreconditionFailed"] * 5 + ["written"]
    assert len(account.s3.list_object_versions(Bucket=bucket)["Versions"]) == 1


def test_a_customer_key_is_kept(account: Account) -> None:
    bucket = account.bucket()
    key = account.kms.create_key()["KeyMetadata"]["Arn"]
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    account.s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    account.s3.put_object(Bucket=bucket, Key="default", Body=b"x")
    account.s3.put_object(Bucket=bucket, Key="asked", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    for name in ("default", "asked"):
        head = account.s3.head_object(Bucket=bucket, Key=name)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)


def test_ranges_and_missing_versions(account: Account) -> None:
    bucket = account.bucket()
    account.s3.put_object(Bucket=bucket, Key="a", Body=b"0123456789")
    assert account.s3.get_object(Bucket=bucket, Key="a", Range="bytes=2-4")["Body"].read() == b"234"
    with pytest.raises(ClientError, match="NoSuchVersion|Invalid version"):
        account.s3.get_object(Bucket=bucket, Key="a", VersionId="nope")
