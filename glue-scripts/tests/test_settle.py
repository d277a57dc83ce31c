"""Copies of versions that are no longer current: the version's bytes, and no permission beyond reading and putting."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from lakejobs.lists import Object
from lakejobs.refine.record import Readable
from lakejobs.refine.source import Source, settle

# What GrantReadVersions on raw and GrantPut on artifacts allow, by the name of the call.
ALLOWED = {"HeadObject", "CopyObject", "CreateMultipartUpload", "UploadPartCopy", "CompleteMultipartUpload"}
PART = 8 << 20


def readable(bucket: str, version: str, size: int) -> Readable:
    return Readable(
        object=Object(bucket=bucket, key="in/a b.csv", version=version, etag="e", size=size, noticed_at=""),
        position=0,
        uri="",
        direct=False,
        records=1,
        header=None,
        repeats=0,
        names=(),
        layout=(),
        utf8=True,
    )


@pytest.mark.parametrize(("size", "copies"), [(10, "CopyObject"), (PART + 1, "UploadPartCopy")])
def test_an_overwritten_version_is_copied_without_its_tags(aws: str, size: int, copies: str) -> None:
    s3 = boto3.client("s3", endpoint_url=aws)
    raw, artifacts = f"raw-{size}", f"artifacts-{size}"
    for bucket in (raw, artifacts):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_bucket_versioning(Bucket=raw, VersioningConfiguration={"Status": "Enabled"})
    listed = s3.put_object(Bucket=raw, Key="in/a b.csv", Body=b"l" * size, Tagging="sender=shop")["VersionId"]
    s3.put_object(Bucket=raw, Key="in/a b.csv", Body=b"other")
    calls: list[tuple[str, dict[str, Any]]] = []
    s3.meta.events.register(
        "provide-client-params.s3", lambda params, model, **_: calls.append((model.name, dict(params)))
    )
    (item,) = settle(s3, Source((readable(raw, listed, size),), (), ()), artifacts, "b1").readable
    made = {name for name, _ in calls}
    assert copies in made and made <= ALLOWED
    directives = [params.get("TaggingDirective") for name, params in calls if name == "CopyObject"]
    assert directives == (["REPLACE"] if copies == "CopyObject" else [])
    assert all(params["CopySource"]["VersionId"] == listed for name, params in calls if "Copy" in name)
    key = item.uri.removeprefix(f"s3://{artifacts}/")
    assert s3.get_object(Bucket=artifacts, Key=key)["Body"].read() == b"l" * size
    assert s3.get_object_tagging(Bucket=artifacts, Key=key)["TagSet"] == []
