"""What tells the rows of a table without a key apart: the id of the record, stored beside the declared columns.

Of an append it is the place of the record: the object it landed in, and its row there, or its bytes and which of alike
lines it is. So a batch that runs again finds its own rows, under whatever declaration, and no other's. Of a snapshot it
is what the table holds of the record, and which of alike ones it is: two snapshots with the same rows, in any order,
have the same ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from lakejobs.declared import RECORD_ID, Dataset
from lakejobs.refine.conform import REASONS
from lakejobs.refine.grammar import text_of
from lakejobs.refine.record import COPY, LINE, OBJECT, ROW, Readable
from lakejobs.refine.target import stored_type
from lakejobs.session import literal_table

# Objects whose rows a scan is asked for one by one; of more it is asked for all from the first id to the last.
_RANGES = 100


def with_record_id(rows: DataFrame, dataset: Dataset, objects: Sequence[Readable]) -> DataFrame:
    """Adds the id of each conformed record, NULL of a refused one; nothing if the dataset has keys."""
    if dataset.keys:
        return rows
    return _by_content(rows, dataset) if dataset.load == "snapshot" else _by_place(rows, objects)


def predicate(dataset: Dataset, objects: Iterable[Readable]) -> str | None:
    """SQL that holds for the ids of records of these objects, of which there is one at least, as ranges; None for
    another identity than that of places."""
    if dataset.keys or dataset.load != "append":
        return None
    hashes = sorted({item.object.hash for item in objects})
    ranges = [(h, h) for h in hashes] if len(hashes) <= _RANGES else [(hashes[0], hashes[-1])]
    # The character after the slash that ends a hash.
    return " OR ".join(f"({RECORD_ID} >= '{low}/' AND {RECORD_ID} < '{high}0')" for low, high in ranges)


def _by_place(rows: DataFrame, objects: Sequence[Readable]) -> DataFrame:
    hashes = literal_table(
        rows.sparkSession, {"_position": "int", "_hash": "string"}, [(o.position, o.object.hash) for o in objects]
    )
    if ROW in rows.columns:
        place = F.col(ROW).cast("string")
    else:
        alike = Window.partitionBy(OBJECT, LINE).orderBy(OBJECT)
        nth = F.row_number().over(alike)
        if COPY in rows.columns:  # copies of a line that was corrected are numbered already
            nth = F.coalesce(F.col(COPY), nth)
        place = F.concat_ws("-", _digest(F.col(LINE)), nth.cast("string"))
    placed = rows.withColumn("_place", place)
    located = placed.join(F.broadcast(hashes), on=F.col(OBJECT) == F.col("_position"), how="inner")
    found = _accepted(F.concat_ws("/", F.col("_hash"), F.col("_place")))
    return located.withColumn(RECORD_ID, found).drop("_position", "_hash", "_place", ROW)


def _by_content(rows: DataFrame, dataset: Dataset) -> DataFrame:
    """A NULL adds nothing to the content, so that a column that is declared anew makes no other rows of them."""
    names = sorted(c.name for c in dataset.stored)
    texts = F.struct(*[text_of(F.col(name), stored_type(dataset, name)).alias(name) for name in names])
    content = _accepted(_digest(F.to_json(texts)))
    alike = Window.partitionBy("_content").orderBy(OBJECT, LINE)
    counted = rows.withColumn("_content", content).withColumn("_nth", F.row_number().over(alike).cast("string"))
    return counted.withColumn(RECORD_ID, _accepted(F.concat_ws("-", "_content", "_nth"))).drop("_content", "_nth", ROW)


def _accepted(value: Column) -> Column:
    return F.when(F.size(REASONS) == 0, value)


def _digest(value: Column) -> Column:
    return F.substring(F.sha2(value, 256), 1, 32)
