"""A table of people and changes to it, as DMS delivers them; made by the benchmark, the same for every strategy."""

from __future__ import annotations

import io
from dataclasses import dataclass

import duckdb
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

VALUES = {
    "name": "string", "city": "string", "email": "string", "amount": "double", "age": "int", "updated_at": "timestamp"
}  # fmt: skip
# Of 100 changes a tenth deletes; each key has three on average, one in thirty-seven keys is new.
_PER_KEY = 3
_NEW_KEYS = 0.028

_ROW = """'customer-' || id || '-v{version}' AS name, ['Berlin', 'Paris', 'Oslo', 'Rome', 'Wien'][1 + (id % 5)] AS city,
    md5((id + {version})::VARCHAR) AS email, round(random() * 1000, 2)::DOUBLE AS amount, (id % 100)::INT AS age,
    TIMESTAMP '2026-01-01' + (id % 86400) * INTERVAL 1 second AS updated_at"""


@dataclass(frozen=True)
class Shape:
    """`rows` of the table, `changes` of the batch, and whether their keys are spread over all of it or lie together."""

    rows: int
    changes: int
    clustered: bool

    @property
    def name(self) -> str:
        keys = "clustered" if self.clustered else "uniform"
        return f"{self.rows // 1_000_000}M rows, {self.changes // 1000}k changes, {keys} keys"


def stored(spark: SparkSession, rows: int) -> DataFrame:
    """The table's rows, ids from 0, near each other by id."""
    return spark.range(0, rows, 1, 8).selectExpr(
        "id", "concat('customer-', id, '-v0') AS name",
        "element_at(array('Berlin', 'Paris', 'Oslo', 'Rome', 'Wien'), int(1 + id % 5)) AS city",
        "md5(string(id)) AS email", "round(rand(7) * 1000, 2) AS amount", "int(id % 100) AS age",
        "timestamp_seconds(1767225600 + id % 86400) AS updated_at",
    )  # fmt: skip


def change_file(shape: Shape, seed: float = 0.42, after: int = 0) -> bytes:
    """One Parquet file of changes in the order of their sequence, which begins after that number.

    The keys of changes are drawn anew per seed, which is from -1 to 1.
    """
    db = duckdb.connect()
    db.execute("SET threads = 2")
    db.execute("SELECT setseed(?)", [seed]).fetchall()
    keys, reach = shape.changes // _PER_KEY, int(shape.rows * (1 + _NEW_KEYS))
    low, width = (shape.rows - 2 * keys, 2 * keys + keys // 36) if shape.clustered else (0, reach)
    ids = f"SELECT DISTINCT ({low} + random() * {width})::BIGINT AS id FROM range({4 * keys}) LIMIT {keys}"
    table = db.sql(
        f"""SELECT CASE WHEN random() < 0.1 THEN 'D' ELSE 'U' END AS "Op",
            lpad(({after} + row_number() OVER ())::VARCHAR, 35, '0') AS "AR_H_CHANGE_SEQ", id, {_ROW.format(version=1)}
            FROM (SELECT k.id FROM ({ids}) k, range({_PER_KEY}) ORDER BY random())"""
    ).to_arrow_table()
    sink = io.BytesIO()
    pq.write_table(table, sink, version="1.0")
    return sink.getvalue()
