"""A stand-in for the deployer's tests, and short ways to write templates."""

from __future__ import annotations

import copy
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal.cloud import Cloud, services
from rehearsal.deploy import Assembly, FileAsset, Stack

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
BUCKET = "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"


class Account:
    """An account that must not be called: templates are refused before anything is made."""

    account, region, workdir = "111122223333", "eu-west-1", Path("unused")

    def client(self, service: str, role_arn: str | None = None) -> Any:
        raise AssertionError(f"{service} was called although the template is refused")


def policy(action: str, resource: Any = "*") -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}


def assembly(resources: dict[str, Any], name: str = "Test", **sections: Any) -> Assembly:
    """An assembly of one stack, without assets."""
    return Assembly(Path("."), (stack(resources, name, **sections),))


def stack(resources: dict[str, Any], name: str = "Test", **sections: Any) -> Stack:
    return Stack(name, {"Resources": copy.deepcopy(resources), **sections}, ())


def bucket(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::S3::Bucket", "Properties": properties}


def queue(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    started = Cloud(tmp_path_factory.mktemp("cloud"))
    services.install(started)
    with started:
        yield started


@pytest.fixture
def code(tmp_path: Path) -> FileAsset:
    """A Lambda archive under the key that `every_type` uses."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("bootstrap", "#!/bin/sh\n")
    path = tmp_path / "bootstrap.zip"
    path.write_bytes(buffer.getvalue())
    return FileAsset("code", path, "file", BUCKET, "bootstrap.zip")
