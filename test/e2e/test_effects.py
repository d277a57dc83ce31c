"""Names of side effects, without a lake."""

from __future__ import annotations

import pytest
from effects import effect

from rehearsal.cloud.faults import Call, Caller

REFINE = Caller("job", "Shop-LakePipelineRefine19AFC77D-1", "key", "role")
CLEANED = "arn:aws:s3:::shop-lakecleanedbucketb732cf48-11a2515db623"


@pytest.mark.parametrize(
    "service,action,resource,detail,want",
    [
        ("s3", "DeleteObjects", CLEANED, "", None),
        ("s3", "PutObject", f"{CLEANED}/shop/items/metadata/1.json", "", None),
        ("s3", "PutObject", f"{CLEANED}/shop/items/data/1.parquet", "", "refine: cleaned data"),
        ("glue", "UpdateTable", "arn:aws:glue:r:1:table/shop_shop_cleaned/items", "", "refine: UpdateTable cleaned"),
        ("dynamodb", "TransactWriteItems", "t", "Update lease/lease#shop.items", None),
        ("dynamodb", "TransactWriteItems", "t", "Update batch/batch#1; ConditionCheck lease/l", "refine: ledger batch"),
    ],
)
def test_effect(service: str, action: str, resource: str, detail: str, want: str | None):
    assert effect(Call(1, REFINE, service, action, resource, detail)) == want


def test_calls_of_others_are_no_effect():
    caller = Caller("administrator", "administrator", "key", "administrator")
    assert effect(Call(1, caller, "s3", "PutObject", f"{CLEANED}/shop/items/data/1", "")) is None
