"""Curated models: rebuilt when something changed, refused when their result could change by itself."""

from __future__ import annotations

from typing import Any

import pytest
from formats import soak_format
from lake import Lake
from lakejobs.errors import JobFailed, LeaseLost
from lakejobs.publish.build import Builder
from lakejobs.replacement import Replacement
from lakejobs.tables.interface import Moved
from specs import column, dataset

ORDERS = dataset("orders", [column("id", "int", required=True), column("seq", "int", required=True),
                            column("city"), column("price", "decimal(10,2)")], ["id"], "seq")  # fmt: skip
CITIES = dataset("cities", [column("city", required=True), column("country")], ["city"])

BY_CITY = """
WITH totals AS (SELECT city, sum(price) AS total FROM {{ ref("sales.orders") }} o GROUP BY city)
SELECT t.city, c.country, t.total FROM totals t LEFT JOIN {{ref('sales.cities')}} AS c ON c.city = t.city
"""
BY_COUNTRY = 'SELECT country, sum(total) AS total FROM {{ ref("sales.by_city") }} GROUP BY country'


@pytest.fixture
def shop(lake: Lake) -> Lake:
    lake.declare(ORDERS)
    lake.declare(CITIES)
    lake.model("by_city", BY_CITY, ["sales.orders", "sales.cities"])
    lake.model("by_country", BY_COUNTRY, ["sales.by_city"])
    return lake


def outputs(lake: Lake) -> dict[str, Any]:
    return {m["id"]: lake.get(f"output#{m['id']}", "output") for m in lake.models}


@soak_format
def test_publish_skips_rebuilds_and_recovers(shop: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.apply("sales.orders", "id,seq,city,price\n1,1,Bern,1.50\n2,1,Ulm,2.00\n3,1,Bern,1.00\n")
    shop.publish()
    assert outputs(shop) == {"sales.by_city": None, "sales.by_country": None}
    shop.apply("sales.cities", "city,country\nBern,CH\nUlm,DE\n")
    shop.publish()
    rows = shop.rows(shop.curated("by_country"))
    assert [(c, str(t)) for c, t in rows] == [("CH", "2.50"), ("DE", "2.00")]
    first = outputs(shop)
    assert first["sales.by_city"]["rows"] == 2
    assert set(first["sales.by_city"]["inputs"]) == {"sales.orders", "sales.cities"}
    by_city = shop.snapshots(shop.curated("by_city"))
    assert first["sales.by_country"]["inputs"] == {"sales.by_city": str(by_city[-1])}

    shop.publish()
    assert outputs(shop) == first
    assert shop.snapshots(shop.curated("by_city")) == by_city

    shop.model("by_country", BY_COUNTRY + " HAVING sum(total) > 2", ["sales.by_city"])
    shop.publish()
    assert shop.rows(shop.curated("by_country"), "country") == [("CH",)]
    assert shop.snapshots(shop.curated("by_city")) == by_city

    shop.apply("sales.orders", "id,seq,city,price\n2,2,Bern,9.00\n")
    record = Builder._record

    def die(*_: Any) -> None:
        raise ConnectionError("killed")

    monkeypatch.setattr(Builder, "_record", die)
    with pytest.raises(
        JobFailed, match=r"sales.by_city: ConnectionError.*sales.by_country: its input sales.by_city failed"
    ):
        shop.publish()
    monkeypatch.setattr(Builder, "_record", record)
    committed = shop.spark.table(f"{shop.curated('by_city')}.snapshots").count()
    shop.publish()
    assert shop.spark.table(f"{shop.curated('by_city')}.snapshots").count() == committed
    assert [(c, str(t)) for c, t in shop.rows(shop.curated("by_country"))] == [("CH", "11.50")]
    assert shop.get("lease#!publish", "lease")["state"] == "free"


def test_a_failed_model_leaves_independent_ones_alone(shop: Lake) -> None:
    shop.apply("sales.orders", "id,seq,city,price\n1,1,Bern,1.50\n")
    shop.apply("sales.cities", "city,country\nBern,CH\n")
    shop.model("broken", 'SELECT nothing FROM {{ ref("sales.orders") }}', ["sales.orders"])
    shop.model("listed", 'SELECT city FROM {{ ref("sales.cities") }}', ["sales.cities"])
    with pytest.raises(JobFailed, match=r"models not published: sales.broken: AnalysisException: .*nothing"):
        shop.publish()
    assert shop.rows(shop.curated("listed")) == [("Bern",)]
    assert shop.rows(shop.curated("by_country"), "country") == [("CH",)]


REF = '{{ ref("sales.orders") }}'


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        (f"SELECT *, current_date() AS d FROM {REF}", "current_date"),
        (f"SELECT * FROM {REF} WHERE id < unix_timestamp()", "current_timestamp"),
        (f"SELECT * FROM {REF} WHERE id IN (SELECT id FROM {REF} WHERE seq < year(now()))", "now"),
        (f"SELECT *, rand() AS r FROM {REF}", "differs between calls"),
        (f"SELECT id, uuid() AS u FROM {REF}", "differs between calls"),
        (f"SELECT city, first(id) AS i FROM {REF} GROUP BY city", "first"),
        (f"SELECT city, collect_list(id) AS i FROM {REF} GROUP BY city", "collect_list"),
        (f"SELECT id FROM {REF} LIMIT 3", "limit without order by"),
        (f"SELECT * FROM {REF} JOIN other.table ON true", "reads other.table"),
        ("SELECT * FROM parquet.`s3://raw/x`", "reads parquet.s3://raw/x"),
        (f"DROP TABLE {REF}", "is no single query"),
        (f"SELECT 1 AS a FROM {REF}; SELECT 2", "is no single query"),
        (f"INSERT INTO other SELECT * FROM {REF}", "is no single query"),
        ('SELECT * FROM {{ ref("sales.cities") }}', "refers to 'sales.cities'; its inputs are sales.orders"),
    ],
)
def test_models_that_are_refused(shop: Lake, sql: str, complaint: str) -> None:
    shop.apply("sales.orders", "id,seq,city,price\n1,1,Bern,1.50\n")
    shop.models = []
    shop.model("refused", sql, ["sales.orders"])
    with pytest.raises(JobFailed, match="sales.refused") as failed:
        shop.publish()
    assert complaint in str(failed.value)
    assert not shop.spark.catalog.tableExists(shop.curated("refused"))


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT city, sort_array(collect_list(id)) AS ids, max_by(id, price) AS best FROM {REF} GROUP BY city",
        f"SELECT id, price FROM {REF} ORDER BY price, id LIMIT 2",
        f"SELECT orders.id, date_trunc('month', date'2024-01-05') AS m FROM {REF} orders",
        f"WITH a AS (SELECT * FROM {REF}), b AS (SELECT id FROM a) SELECT * FROM b UNION ALL SELECT id FROM A",
        f"SELECT id, rank() OVER (PARTITION BY city ORDER BY id) AS n FROM {REF} WHERE city NOT LIKE 'current_date%'",
    ],
)
def test_models_that_are_accepted(shop: Lake, sql: str) -> None:
    shop.apply("sales.orders", "id,seq,city,price\n1,1,Bern,1.50\n2,1,Bern,1.00\n")
    shop.models = []
    shop.model("accepted", sql, ["sales.orders"])
    shop.publish()
    assert shop.spark.table(shop.curated("accepted")).count() > 0


def test_the_publish_lease(shop: Lake) -> None:
    held = {"state": "held", "run": "other-1", "token": 4, "expires": 4_000_000_000}
    shop.put("lease#!publish", "lease", held)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            shop.put("lease#!publish", "lease", held | {"expires": 1})

    shop.publish(sleep=wait)
    assert len(waits) == 3
    lease = shop.get("lease#!publish", "lease")
    assert (lease["state"], int(lease["token"])) == ("free", 5)
    shop.put("lease#!publish", "lease", held)
    with pytest.raises(JobFailed, match="another run has held the lease"):
        shop.publish(sleep=lambda _: None)
    assert shop.get("lease#!publish", "lease")["run"] == "other-1"


@pytest.mark.parametrize("again", [False, True], ids=["create", "replace"])
def test_the_late_publish_of_a_dead_run_is_refused(shop: Lake, monkeypatch: pytest.MonkeyPatch, again: bool) -> None:
    """A run sleeps right before its commit; another takes the lease over and publishes; the sleeper wakes up."""
    shop.models = []
    shop.model("by_city", 'SELECT city, count(*) AS n FROM {{ ref("sales.orders") }} GROUP BY city', ["sales.orders"])
    shop.apply("sales.orders", "id,seq,city,price\n1,1,Bern,1.50\n")
    if again:
        shop.publish()
        shop.apply("sales.orders", "id,seq,city,price\n2,1,Bern,1.50\n")
    publish, calls = Replacement.publish, []

    def overtaken(self: Replacement) -> None:
        calls.append(self)
        if len(calls) == 1:
            shop.apply("sales.orders", "id,seq,city,price\n3,1,Bern,1.50\n4,1,Ulm,1.50\n")
            shop.put("lease#!publish", "lease", shop.get("lease#!publish", "lease") | {"expires": 1})
            shop.publish()
            # The commit itself refuses, though the lease was checked before the sleep.
            with pytest.raises(Moved):
                publish(self)
            raise Moved("late")
        publish(self)

    monkeypatch.setattr(Replacement, "publish", overtaken)
    with pytest.raises(LeaseLost):
        shop.publish()
    table = shop.curated("by_city")
    assert len(shop.snapshots(table)) == 1  # a replaced table has no ancestors
    assert shop.rows(table) == [("Bern", 3 if again else 2), ("Ulm", 1)]
    recorded = shop.get("output#sales.by_city", "output")
    assert (recorded["snapshot"], recorded["rows"]) == (str(shop.snapshots(table)[0]), 2)


def test_a_table_that_moves_is_built_again(shop: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.models = []
    shop.model("towns", 'SELECT city FROM {{ ref("sales.cities") }}', ["sales.cities"])
    shop.apply("sales.cities", "city,country\nBern,CH\n")
    shop.publish()
    shop.apply("sales.cities", "city,country\nUlm,DE\n")
    publish, times = Replacement.publish, []

    def meddled(self: Replacement) -> None:
        times.append(1)
        if len(times) <= limit:
            shop.spark.sql(f"INSERT INTO {shop.curated('towns')} VALUES ('theirs')")
        publish(self)

    monkeypatch.setattr(Replacement, "publish", meddled)
    limit = 1
    shop.publish()
    assert (len(times), shop.rows(shop.curated("towns"))) == (2, [("Bern",), ("Ulm",)])
    limit = 100
    shop.apply("sales.cities", "city,country\nLyon,FR\n")
    with pytest.raises(JobFailed, match="sales.towns: Moved: .*"):
        shop.publish()
    assert len(times) == 5
