"""Protections against plain Python: each value as its column stores it."""

from __future__ import annotations

import hashlib
import hmac
import math
import random
import struct
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

import pytest
from lakejobs.declared import Column
from lakejobs.protections import HASH, NULL, Bucket, Mask, NamedHash, Prefix, Protection, Tokenise, Truncate, vault_key
from lakejobs.refine.protect import HashKey, protected, with_pads
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

KEY, OTHER = HashKey(b"a secret", "1"), HashKey(b"x" * 64, "2")
KEYS = {"": KEY, "2027": OTHER, vault_key("v"): OTHER}
EXACT = Context(prec=100)

# What trips code that counts bytes, UTF-16 units or what a reader takes for one character.
PIECES = [
    *"aZ0 *#-\t\"'\\", "ä", "ß", "é", "e\u0301", "שָׁ", "漢", "\u200d", "\ufeff", "\u0000", "😀",
    "👩\u200d👩\u200d👧", "𝐀", "\U0010ffff",
]  # fmt: skip


def hashed(text: str, key: HashKey) -> str:
    return hmac.new(key.secret, text.encode(), hashlib.sha256).hexdigest()


def masked(value: str, by: Mask) -> str:
    if len(value) <= by.first + by.last:
        return by.rest * len(value)
    shown = range(by.first, len(value) - by.last)
    return "".join(by.rest if i in shown else c for i, c in enumerate(value))


def lower_bound(value: int | Decimal | float, width: str) -> Fraction:
    return Fraction(value) // Fraction(width) * Fraction(width)


def whole_bucket(bits: int) -> Callable[[int, Bucket], int]:
    return lambda value, by: max(int(lower_bound(value, by.width)), -(1 << (bits - 1)))


def decimal_bucket(precision: int, scale: int) -> Callable[[Decimal, Bucket], Decimal]:
    lowest = Decimal(-(10**precision - 1)).scaleb(-scale, EXACT)

    def bucket(value: Decimal, by: Bucket) -> Decimal:
        bound = lower_bound(value, by.width)
        return max(EXACT.divide(Decimal(bound.numerator), Decimal(bound.denominator)), lowest)

    return bucket


def truncated(value: Any, by: Truncate) -> Any:
    months = {"month": value.month, "quarter": (value.month - 1) // 3 * 3 + 1, "year": 1}
    start = value if by.unit == "day" else value.replace(month=months[by.unit], day=1)
    midnight = {"hour": 0, "minute": 0, "second": 0, "microsecond": 0} if isinstance(value, datetime) else {}
    return start.replace(**midnight)


def texts(r: random.Random) -> str:
    return "".join(r.choices(PIECES, k=r.choice([0, 1, 2, 3, 4, 5, 12])))


def whole(bits: int) -> Callable[[random.Random], int]:
    edge = 1 << (bits - 1)
    return lambda r: r.choice([r.randint(-edge, edge - 1), r.randint(-25, 25), -edge + r.randint(0, 12), edge - 1])


def decimals(precision: int, scale: int) -> Callable[[random.Random], Decimal]:
    units = whole_numbers = 10**precision - 1
    near = min(units, 3000)

    def draw(r: random.Random) -> Decimal:
        unscaled = r.choice([r.randint(-units, whole_numbers), r.randint(-near, near), -units + r.randint(0, 9), 0])
        return Decimal(unscaled).scaleb(-scale, EXACT)

    return draw


def doubles(r: random.Random) -> float:
    """Finite and below 2^53, where a bucket is exact: with neighbours of multiples, on both sides."""
    near = math.nextafter(r.randint(-100, 100) * r.choice([1, 3, 7, 10]), r.choice([-math.inf, math.inf]))
    small = struct.unpack("<d", r.randbytes(8))[0]
    small = small if abs(small) < 1 << 53 else r.uniform(-1e15, 1e15)
    return r.choice([near, small, r.uniform(-50, 50), r.uniform(-1e15, 1e15), float(r.randint(-40, 40))]) + 0.0


def dates(r: random.Random) -> date:
    return r.choice([date.min, date.max, date.min + timedelta(days=r.randrange(date.max.toordinal()))])


def moments(r: random.Random) -> datetime:
    start = datetime(1, 1, 1) + timedelta(days=r.randrange(date.max.toordinal() - 1))
    within = [timedelta(0), timedelta(microseconds=r.randrange(86_400_000_000)), timedelta(days=1, microseconds=-1)]
    return start + r.choice(within)


CASES: list[tuple[str, Protection, Callable[[random.Random], Any], Callable[[Any, Any], Any]]] = [
    *[("string", Mask(f, n, c), texts, masked) for f, n, c in ((0, 0, "*"), (2, 0, "#"), (0, 3, "•"), (1, 2, "😀"))],
    *[("string", Prefix(n), texts, lambda v, by: v[: by.length]) for n in (1, 3)],
    ("string", HASH, texts, lambda v, by: hashed(v, KEY)),
    ("string", NamedHash("2027"), texts, lambda v, by: hashed(v, OTHER)),
    ("int", NamedHash("2027"), whole(32), lambda v, by: hashed(str(v), OTHER)),
    ("string", Tokenise("v"), texts, lambda v, by: "tok_" + hashed(v, OTHER)[:32]),
    ("bigint", Tokenise("v"), whole(64), lambda v, by: "tok_" + hashed(str(v), OTHER)[:32]),
    ("timestamp", NULL, moments, lambda v, by: None),
    ("decimal(9,2)", NULL, decimals(9, 2), lambda v, by: None),
    *[("int", Bucket(w), whole(32), whole_bucket(32)) for w in ("10", "7", "2147483647")],
    *[("bigint", Bucket(w), whole(64), whole_bucket(64)) for w in ("10", "9223372036854775807")],
    *[("double", Bucket(w), doubles, lambda v, by: float(lower_bound(v, by.width))) for w in ("1", "10", "2147483647")],
    *[("decimal(9,2)", Bucket(w), decimals(9, 2), decimal_bucket(9, 2)) for w in ("0.05", "10", "0.50", "9999999.99")],
    *[("decimal(37,18)", Bucket(w), decimals(37, 18), decimal_bucket(37, 18)) for w in ("0.000000000000000003", "7")],
    ("decimal(37,37)", Bucket("0.3"), decimals(37, 37), decimal_bucket(37, 37)),
    ("decimal(1,0)", Bucket("4"), decimals(1, 0), decimal_bucket(1, 0)),
    *[("date", Truncate(u), dates, truncated) for u in ("month", "quarter", "year")],
    *[("timestamp", Truncate(u), moments, truncated) for u in ("day", "month", "quarter", "year")],
]  # fmt: skip


@pytest.mark.parametrize("seed", [random.SystemRandom().randrange(1 << 32)])
def test_protections_agree_with_plain_python(spark: SparkSession, seed: int) -> None:
    """The seed of a failure is in the test's name."""
    r = random.Random(seed)
    drawn = [[None, *(draw(r) for _ in range(300))] for _, _, draw, _ in CASES]
    # Timestamps go in and out as text: between Python and Spark they pass through the machine's zone.
    given = [[str(v) if isinstance(v, datetime) else v for v in values] for values in drawn]
    schema = ", ".join(f"c{i} {'string' if kind == 'timestamp' else kind}" for i, (kind, *_) in enumerate(CASES))
    rows = with_pads(spark.createDataFrame(list(zip(*given, strict=True)), schema), KEYS)
    columns = [Column(f"c{i}", kind, "", False, "personal", by, ()) for i, (kind, by, *_) in enumerate(CASES)]
    frame = rows.select(*[protected(rows[c.name].cast(c.type), c).alias(c.name) for c in columns])
    hashes = (HASH, NamedHash("2027"), Tokenise("v"))
    assert [kind for _, kind in frame.dtypes] == ["string" if by in hashes else kind for kind, by, *_ in CASES]
    shown = [F.col(c.name).cast("string") if c.type == "timestamp" else F.col(c.name) for c in columns]
    found = list(zip(*frame.select(*shown).collect(), strict=True))
    for (kind, by, _, model), values, got in zip(CASES, drawn, found, strict=True):
        want = [None if v is None else model(v, by) for v in values]
        want = [str(w) if isinstance(w, datetime) else w for w in want]
        wrong = [(v, g, w) for v, g, w in zip(values, got, want, strict=True) if g != w]
        assert not wrong, f"{kind} {by}: {len(wrong)} differ, such as (value, stored, wanted) {wrong[:3]}"


def test_doubles_beyond_exact_buckets_stay_near(spark: SparkSession) -> None:
    """Beyond 2^53 a multiple is what a double can hold of it."""
    values = [1e300, -1e300, 2.0**53 + 2, -(2.0**53) - 2, 1.7976931348623157e308, -1.7976931348623157e308]
    rows = spark.createDataFrame([(v,) for v in values], "v double")
    by = Column("v", "double", "", False, "internal", Bucket("10"), ())
    found = [row[0] for row in rows.select(protected(rows.v, by)).collect()]
    assert all(math.isfinite(f) and abs(f - v) <= 10 + 2 * math.ulp(v) for v, f in zip(values, found, strict=True))
