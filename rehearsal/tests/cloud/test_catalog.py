"""Glue Data Catalog: no lost updates."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rehearsal.tests.cloud.conftest import Account

pytestmark = pytest.mark.cloud


@pytest.fixture
def database(account: Account) -> str:
    name = account.name("db").replace("-", "_")
    account.glue.create_database(DatabaseInput={"Name": name})
    return name


def table(n: int) -> dict[str, Any]:
    return {"Name": "t", "Parameters": {"n": str(n)}, "StorageDescriptor": {"Columns": []}}


def test_an_update_of_an_old_version_is_refused(account: Account, database: str) -> None:
    account.glue.create_table(DatabaseName=database, TableInput=table(0))
    version = account.glue.get_table(DatabaseName=database, Name="t")["Table"]["VersionId"]
    account.glue.update_table(DatabaseName=database, TableInput=table(1), VersionId=version, SkipArchive=True)
    with pytest.raises(ClientError) as caught:
        account.glue.update_table(DatabaseName=database, TableInput=table(2), VersionId=version, SkipArchive=True)
    assert caught.value.response["Error"]["Code"] == "ConcurrentModificationException"
    assert account.glue.get_table(DatabaseName=database, Name="t")["Table"]["Parameters"] == {"n": "1"}


def test_read_update_loops_lose_nothing(account: Account, database: str) -> None:
    account.glue.create_table(DatabaseName=database, TableInput=table(0))

    def add() -> None:
        for _ in range(5):
            while True:
                found = account.glue.get_table(DatabaseName=database, Name="t")["Table"]
                given = table(int(found["Parameters"]["n"]) + 1)
                try:
                    account.glue.update_table(DatabaseName=database, TableInput=given, VersionId=found["VersionId"])
                    break
                except account.glue.exceptions.ConcurrentModificationException:
                    continue

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert account.glue.get_table(DatabaseName=database, Name="t")["Table"]["Parameters"] == {"n": "20"}


def test_errors_that_iceberg_tells_apart(account: Account, database: str) -> None:
    account.glue.create_table(DatabaseName=database, TableInput=table(0))
    cases = [
        (lambda: account.glue.create_table(DatabaseName=database, TableInput=table(1)), "AlreadyExistsException"),
        (lambda: account.glue.get_table(DatabaseName=database, Name="none"), "EntityNotFoundException"),
        (lambda: account.glue.get_database(Name="none"), "EntityNotFoundException"),
        (lambda: account.glue.delete_table(DatabaseName=database, Name="none"), "EntityNotFoundException"),
    ]
    for call, code in cases:
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == code
