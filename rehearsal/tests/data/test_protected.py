"""What a cleaned table has to hold, by example."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from decimal import Decimal
from typing import Any

import pytest

from rehearsal.data.declared import Column, _protection
from rehearsal.data.protected import kept, stored


def column(kind: str, protect: Any) -> Column:
    name, form = _protection(protect)
    return Column("c", kind, False, name, (), form)


MASK = {"kind": "mask", "first": 1, "last": 2, "rest": "•"}
DAY, MOMENT = dt.date(2024, 5, 17), dt.datetime(2024, 12, 31, 23, 59, 59, 999999)


@pytest.mark.parametrize(
    ("kind", "protect", "value", "want"),
    [
        ("string", "none", "x", "x"),
        ("int", "null", 7, None),
        ("string", MASK, "1234", "1•34"),
        ("string", MASK, "123", "•••"),
        ("string", MASK, "", ""),
        ("string", MASK, "😀b😀d", "😀•😀d"),
        ("string", {"kind": "mask", "first": 0, "last": 0, "rest": "*"}, "ab", "**"),
        ("string", {"kind": "prefix", "length": 2}, "äöü", "äö"),
        ("int", {"kind": "bucket", "width": "10"}, -1, -10),
        ("int", {"kind": "bucket", "width": "10"}, -(2**31), -(2**31)),
        ("double", {"kind": "bucket", "width": "10"}, 39.9, 30.0),
        ("decimal(5,2)", {"kind": "bucket", "width": "0.05"}, Decimal("1.29"), Decimal("1.25")),
        ("decimal(3,2)", {"kind": "bucket", "width": "5"}, Decimal("-9.99"), Decimal("-9.99")),
        ("decimal(37,1)", {"kind": "bucket", "width": "0.2"}, Decimal("9" * 36 + ".9"), Decimal("9" * 36 + ".8")),
        ("date", {"kind": "truncate", "unit": "quarter"}, DAY, dt.date(2024, 4, 1)),
        ("timestamp", {"kind": "truncate", "unit": "year"}, MOMENT, dt.datetime(2024, 1, 1)),
        ("timestamp", {"kind": "truncate", "unit": "day"}, MOMENT, dt.datetime(2024, 12, 31)),
    ],
)
def test_the_part_that_is_kept(kind: str, protect: Any, value: Any, want: Any) -> None:
    by = column(kind, protect)
    assert kept(value, by) == want == stored(value, by, {})
    assert kept(None, by) is None


def test_tokens_are_made_with_the_key_of_the_vault() -> None:
    by = column("decimal(5,2)", {"kind": "tokenise", "vault": "crm"})
    digits = hmac.new(b"new", b"7.50", hashlib.sha256).hexdigest()
    assert stored(Decimal("7.5"), by, {"vault crm": b"new", "crm": b"other"}) == "tok_" + digits[:32]
    assert (stored(None, by, {}), kept(Decimal(1), by)) == (None, Decimal(1))
    with pytest.raises(ValueError, match="c is tokenised, but the stack has no secret of key 'vault crm'"):
        stored(Decimal(1), by, {"crm": b"other"})


def test_hashes_are_made_with_the_key_of_the_column() -> None:
    secrets = {"": b"own", "2027": b"new"}
    for protect, key in (("hash", b"own"), ({"kind": "hash", "key": "2027"}, b"new")):
        by = column("int", protect)
        assert stored(7, by, secrets) == hmac.new(key, b"7", hashlib.sha256).hexdigest()
        assert (stored(None, by, secrets), kept(7, by)) == (None, 7)
    with pytest.raises(ValueError, match="c is hashed, but the stack has no secret of key '2027'"):
        stored(7, column("int", {"kind": "hash", "key": "2027"}), {"": b"own"})
