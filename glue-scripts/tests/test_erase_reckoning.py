"""When S3 removes what is left, and what a request may ask for."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from lakejobs.erase.lifecycle import Rules, latest
from lakejobs.erase.request import Request, identifier
from lakejobs.manifest import Manifest
from lakejobs.shapes import ShapeError
from specs import column, dataset

CAME = datetime(2026, 1, 1, 10, 30, tzinfo=UTC)
A_DAY = {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}}


def rules(*found: dict[str, Any]) -> Rules:
    return Rules("bucket", [{"Status": "Enabled", **rule} for rule in found])


def test_an_expired_object_is_a_noncurrent_version_for_a_while() -> None:
    kept = rules(
        {"Filter": {"Prefix": ""}, "Expiration": {"Days": 3}, "NoncurrentVersionExpiration": {"NoncurrentDays": 3}}
    )
    found = kept.current("a", CAME)
    assert found.at == datetime(2026, 1, 9, tzinfo=UTC), "expired at midnight of the 5th, noncurrent from then on"
    assert found.rule == "expires 3 days after it came; then removed 3 days after it became noncurrent"
    assert kept.noncurrent("a", CAME).at == datetime(2026, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("found", "current", "noncurrent"),
    [
        ([], None, None),
        ([{"Filter": {"Prefix": "b/"}, "Expiration": {"Days": 1}}], None, None),
        ([{"Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}], None, None),
        ([{"Prefix": "a", **A_DAY}], None, 3),
        ([{"Filter": {"And": {"Prefix": "a", "Tags": []}}, **A_DAY}], None, None),
        ([{"NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 2}}], None, None),
        ([{"Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 9}},
          {"Filter": {"Prefix": "a"}, "Expiration": {"Days": 1}, **A_DAY}], 5, 3),
        ([{"Filter": {}, "Expiration": {"Date": datetime(2026, 1, 20, tzinfo=UTC)}, **A_DAY}], 22, 3),
    ],
)  # fmt: skip
def test_rules(found: list[dict], current: int | None, noncurrent: int | None) -> None:
    """Days of January, None for never."""
    kept = rules(*found)
    for got, want in ((kept.current("a", CAME), current), (kept.noncurrent("a", CAME), noncurrent)):
        assert (got.at and got.at.day) == want, got


def test_the_latest_is_never_if_one_never_goes() -> None:
    kept = rules({"Filter": {"Prefix": "a"}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}})
    assert latest([kept.noncurrent("a", CAME), kept.noncurrent("b", CAME)]).at is None
    assert latest([]) is None


MANIFEST = Manifest.from_json(json.dumps({
    "schema_version": 1, "lake": "l", "operations_database": "l_operations", "landing": [], "models": [], "datasets": [
        dataset("a", [column("id", "int")], ["id"], subject={"name": "customer", "column": "id"}),
        dataset("b", [column("who", "bigint")], [], subject={"name": "customer", "column": "who"}),
        dataset("c", [column("mail")], [], subject={"name": "reader", "column": "mail"}),
    ]}))  # fmt: skip


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "request: is no JSON"),
        ("[]", "request.values: is no list"),
        ('{"subject": "nobody", "values": ["1"]}', "request.subject: is 'nobody'; allowed: customer, reader"),
        ('{"subject": "customer", "values": "secret"}', "request.values: is no list"),
        ('{"subject": "customer", "values": []}', "request.values: has 0; allowed: 1 to 100"),
        ('{"subject": "customer", "values": [42]}', r"request.values\[0\]: a text is needed"),
        ('{"subject": "customer", "values": ["1", "secret"]}', r"values\[1\]: is no value that a column"),
        ('{"subject": "customer", "values": ["1"], "force": true}', "unknown fields force"),
    ],
)  # fmt: skip
def test_requests_that_make_no_sense(body: str, message: str) -> None:
    with pytest.raises(ShapeError, match=message) as refused:
        Request.parse(body.encode(), MANIFEST)
    assert "secret" not in str(refused.value), "what identifies somebody is in no message"


def test_a_request_tells_no_value() -> None:
    request = Request.parse(b'{"subject": "customer", "values": ["007", "9999999999", "007"]}', MANIFEST)
    assert request.values == ("007", "9999999999")
    assert repr(request) == "Request(subject='customer', 2 values)"
    assert [identifier("007", kind) for kind in ("int", "bigint", "string")] == ["7", "7", "007"]
    assert [identifier("9999999999", kind) for kind in ("int", "bigint")] == [None, "9999999999"]
    assert identifier("-0", "int") == "0"
