"""The bootstrap bucket of the stand-in and the assets in it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from rehearsal.deploy.assembly import FileAsset
from rehearsal.deploy.resource import Account, partition

QUALIFIER = "hnb659fds"


def bootstrap_bucket(cloud: Account) -> str:
    """The name of the bucket that `cdk bootstrap` makes."""
    return f"cdk-{QUALIFIER}-assets-{cloud.account}-{cloud.region}"


def location(region: str) -> dict[str, Any]:
    """The parameter that says where a new bucket is; us-east-1 takes none."""
    return {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}


def ensure_bucket(cloud: Account) -> bool:
    """Make the bootstrap bucket; False if it was there."""
    s3, bucket = cloud.client("s3"), bootstrap_bucket(cloud)
    try:
        s3.head_bucket(Bucket=bucket)
        return False
    except ClientError:
        s3.create_bucket(Bucket=bucket, **location(cloud.region))
        return True


def upload(cloud: Account, asset: FileAsset) -> None:
    """Put one asset where the template looks for it."""
    names = {
        "${AWS::AccountId}": cloud.account,
        "${AWS::Region}": cloud.region,
        "${AWS::Partition}": partition(cloud.region),
    }
    bucket, key = asset.bucket, asset.key
    for name, value in names.items():
        bucket, key = bucket.replace(name, value), key.replace(name, value)
    body = zipped(asset.path) if asset.packaging == "zip" else asset.path.read_bytes()
    cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=body)


def zipped(folder: Path) -> bytes:
    """The folder's files as a reproducible archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(item for item in folder.rglob("*") if item.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix())
            entry.external_attr, entry.compress_type = (path.stat().st_mode & 0o777) << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()
