"""Tombstones that no change can meet any more.

Once a table holds the load of a generation, every change of an earlier one is stale, whatever the table holds, and
every change of that generation or a later one comes after what is older than it. So a tombstone from before the load
decides nothing. One of a later place stays: it is what keeps an old insert, run again, from bringing its row back.
"""

from __future__ import annotations

from pyspark.sql import functions as F

from lakejobs.declared import Dataset
from lakejobs.refine.changes import DELETED, SEQUENCE
from lakejobs.refine.record import GENERATION
from lakejobs.refine.target import LOADED_PROPERTY, loaded_generation
from lakejobs.tables.interface import Fence, Store
from lakejobs.tables.places import FILE, POSITION, Replaced, by_file, places_of

PURGED_PROPERTY = "strata.purged-generation"


def purge(store: Store, dataset: Dataset, tag: str, fence: Fence) -> int:
    """Removes them, once for each generation that is loaded. Returns how many. Raises Moved if another writer has come
    in between.
    """
    table = store.load()
    if not dataset.is_cdc or table is None or table.main is None:
        return 0
    loaded = loaded_generation(table)
    if not loaded or table.properties.get(PURGED_PROPERTY) == str(loaded):
        return 0
    earlier = (F.col(GENERATION) < loaded) | ((F.col(GENERATION) == loaded) & (F.col(SEQUENCE) == ""))
    gone = table.read(table.main, placed=True).where(F.col(DELETED) & earlier)
    gone = gone.select(*dataset.keys, FILE, POSITION).persist()
    try:
        groups = places_of(gone)
        count = sum(group["rows"] for group in groups)
        over = Replaced((gone,), tuple(dataset.keys), by_file(groups))
        staged = table.write(None, over, tag, {}) if count else None
        fence()
        guard = {LOADED_PROPERTY: str(loaded)}
        table.publish(staged, table.main, {PURGED_PROPERTY: str(loaded)}, guard)
    finally:
        gone.unpersist()
    return count
