"""Changes of a database through refine: order, tombstones, reloads, against Iceberg on the Glue catalog."""

from __future__ import annotations

import base64
import itertools
import json
from decimal import Decimal

import pyarrow as pa
from dms import Change, change, file, seq
from formats import every_format, soak_format
from lake import Lake
from parts import ID, PARTS, TYPES, delete, insert, part, state, update
from specs import column, replicated


@every_format
def test_a_stream_of_changes(lake: Lake) -> None:
    """One table from its load on: each rule once, and what is run twice changes nothing."""
    lake.declare(PARTS)
    load = lake.changes(ID, part(insert(None, 1, "a"), insert(None, 2, "b"), insert(None, 3, "c")), load=True)
    lake.refine([load])
    record = lake.batch(load)
    assert (record["state"], lake.counts(record), record["absent"]) == ("applied", {"read": 3, "inserted": 3}, 0)
    table = lake.cleaned(ID)
    assert [f"{n} {t}" for n, t in lake.frame(table).dtypes] == [
        "id bigint", "name string", "price decimal(10,2)", "_batch_id string", "_generation int", "_sequence string",
        "_is_deleted boolean"
    ]  # fmt: skip
    first = lake.changes(
        ID,
        part(
            update(10, 1, "a2"), update(10, 1, "a2"), delete(11, 2), update(12, 3, "bad", price=-1),
            insert(13, 4, "d"), update(14, 5, "moved", old=4), delete(15, 9), insert(16, 2, "again"), delete(17, 2),
        ),
        part(update(18, 7, "x", price=-5, old=1), change("X", 19, id=8), insert(None, 8, "no order")),
    )  # fmt: skip
    lake.refine([first])
    record = lake.batch(first)
    # Of key 2 only the last change writes; of key 4 only its end, in a unit with the start of key 5.
    assert lake.counts(record) == {
        "read": 12, "updated": 2, "duplicate": 1, "superseded": 3, "deleted": 2, "quarantined": 4
    }  # fmt: skip
    assert record["reasons"] == {"range:price": 2, "required:AR_H_CHANGE_SEQ": 1, "type:Op": 1}
    assert state(lake) == {1: (1, 10, "a2"), 2: (1, 17, "-"), 3: (1, 0, "c"), 4: (1, 14, "-"), 5: (1, 14, "moved"),
                           9: (1, 15, "-")}  # fmt: skip
    raw = {r[0]: json.loads(r[1]) for r in lake.rows(lake.quarantine(ID), "record_key", "raw")}
    assert raw['{"id":"7"}'] == {"Op": "U", "AR_H_CHANGE_SEQ": seq(18), "BI_id": "1", "id": "7", "name": "x",
                                 "price": "-5.00"}  # fmt: skip
    tombstone = lake.frame(table).where("id = 2").first()
    assert (tombstone["name"], tombstone["price"], tombstone["_batch_id"]) == (None, None, first["batch"])

    late = lake.changes(ID, part(update(5, 1, "late"), insert(2, 9, "late"), update(6, 5, "late"), delete(16, 2),
                                 delete(30, 4), insert(31, 9, "back"), update(32, 1, "a2")))  # fmt: skip
    lake.refine([late])
    assert lake.counts(lake.batch(late)) == {"read": 7, "superseded": 2, "stale": 2, "unchanged": 2, "inserted": 1}
    wanted = {1: (1, 32, "a2"), 2: (1, 17, "-"), 3: (1, 0, "c"), 4: (1, 30, "-"), 5: (1, 14, "moved"),
              9: (1, 31, "back")}  # fmt: skip
    assert state(lake) == wanted

    before = lake.snapshots(table), lake.snapshots(lake.quarantine(ID))
    for item in (load, first, late):
        once, twice = lake.batch(item), lake.again(item)
        assert (twice["counts"], twice["snapshot"]) == (once["counts"], once["snapshot"])
        assert twice["rerun"]["rows_changed"] == 0
    assert (lake.snapshots(table), lake.snapshots(lake.quarantine(ID))) == before
    assert state(lake) == wanted


@soak_format
def test_the_current_view(lake: Lake) -> None:
    """Made with the table, brought up to date with its declaration, and otherwise left alone."""
    declared = lake.declare(PARTS)
    lake.apply_changes(ID, part(insert(1, 1, "a"), delete(2, 2)))

    def view() -> tuple[dict, dict]:
        found = lake.glue.get_table(DatabaseName=declared["cleaned_database"], Name="parts_current")["Table"]
        text = found["ViewOriginalText"].removeprefix("/* Presto View: ").removesuffix(" */")
        return found, json.loads(base64.b64decode(text))

    found, definition = view()
    assert (found["TableType"], found["ViewExpandedText"]) == ("VIRTUAL_VIEW", "/* Presto View */")
    assert found["Parameters"]["presto_view"] == "true"
    database = declared["cleaned_database"]
    assert definition == {
        "originalSql": f'SELECT "id", "name", "price" FROM "{database}"."parts" WHERE NOT "_is_deleted"',
        "catalog": "awsdatacatalog",
        "schema": database,
        "columns": [{"name": "id", "type": "bigint"}, {"name": "name", "type": "varchar"},
                    {"name": "price", "type": "decimal(10,2)"}],
    }  # fmt: skip
    assert [c["Type"] for c in found["StorageDescriptor"]["Columns"]] == ["bigint", "string", "decimal(10,2)"]
    lake.apply_changes(ID, part(insert(3, 3, "c")))
    assert view()[0]["VersionId"] == found["VersionId"]

    # A column is added in the middle of the stream: reported while undeclared, NULL in files that lack it.
    wider = TYPES | {"size": pa.int32()}
    newer = file([insert(4, 4, "d")[:3] + ({"id": 4, "name": "d", "size": 7},)], wider)
    record = lake.apply_changes(ID, newer)
    assert record["undeclared"] == ["size"]
    lake.declare(PARTS | {"columns": [*PARTS["columns"], column("size", "int")]})
    newest = file([change("I", 6, id=6, name="f", size=9), change("U", 7, {"id": 1}, id=1, name="a", size=8)], wider)
    record = lake.apply_changes(ID, newest, part(insert(5, 5, "e"), update(6, 1, "older")))
    assert (record["undeclared"], lake.counts(record)) == (
        [],
        {"read": 4, "inserted": 2, "updated": 1, "superseded": 1},
    )
    assert [(r[0], r[3]) for r in lake.live(ID)] == [(1, 8), (3, None), (4, None), (5, None), (6, 9)]
    changed, definition = view()
    assert int(changed["VersionId"]) == int(found["VersionId"]) + 1
    assert definition["columns"][-1] == {"name": "size", "type": "integer"}


@soak_format
def test_a_reload(lake: Lake) -> None:
    """Rows a reload no longer has go, in its one commit; a refused row stays; what is older is stale for good."""
    lake.declare(PARTS)
    lake.apply_changes(ID, part(insert(None, 1, "a"), insert(None, 2, "b"), insert(None, 3, "c")), load=True)
    lake.apply_changes(ID, part(update(10, 1, "a2"), insert(11, 4, "d"), delete(12, 3)))
    before = len(lake.snapshots(lake.cleaned(ID)))
    load = lake.changes(ID, part(insert(None, 1, "a2"), insert(None, 2, "bad", price=-1)), part(insert(None, 5, "e")),
                        generation=2, load=True)  # fmt: skip
    lake.refine([load])
    record = lake.batch(load)
    assert lake.counts(record) == {"read": 3, "unchanged": 1, "inserted": 1, "quarantined": 1}
    assert record["absent"] == 1
    wanted = {1: (2, 0, "a2"), 2: (1, 0, "b"), 3: (1, 12, "-"), 4: (2, 0, "-"), 5: (2, 0, "e")}
    assert state(lake) == wanted
    assert len(lake.snapshots(lake.cleaned(ID))) == before + 1
    late = lake.apply_changes(ID, part(update(90, 2, "late"), insert(91, 8, "late"), update(92, 4, "late")))
    assert (late["state"], lake.counts(late)) == ("empty", {"read": 3, "stale": 3})
    again = lake.again(load)
    assert (again["rerun"]["rows_changed"], again["rerun"]["absent"]) == (0, 0)
    assert state(lake) == wanted
    newer = lake.apply_changes(ID, part(update(3, 1, "new"), update(4, 2, "mended")), generation=2)
    assert lake.counts(newer) == {"read": 2, "updated": 2}

    emptied = lake.changes(ID, generation=3, load=True)
    lake.refine([emptied])
    record = lake.batch(emptied)
    assert (record["state"], record["objects_read"], lake.counts(record), record["absent"]) == ("applied", 0, {}, 3)
    assert lake.live(ID) == []


@soak_format
def test_an_empty_load_before_any_change(lake: Lake) -> None:
    lake.declare(PARTS)
    load = lake.apply_changes(ID, generation=2, load=True)
    assert (load["state"], load["absent"]) == ("empty", 0)
    older = lake.apply_changes(ID, part(insert(1, 1, "a")))
    assert lake.counts(older) == {"read": 1, "stale": 1}
    assert lake.counts(lake.apply_changes(ID, part(insert(1, 1, "b")), generation=2)) == {"read": 1, "inserted": 1}
    assert state(lake) == {1: (2, 1, "b")}


@soak_format
def test_a_load_is_applied_whole_or_not_at_all(lake: Lake) -> None:
    lake.declare(PARTS)
    lake.apply_changes(ID, part(insert(None, 1, "a")), load=True)
    torn = lake.apply_changes(ID, part(insert(None, 2, "b")), b"PAR1torn", generation=2, load=True)
    assert (torn["state"], torn["code"]) == ("failed", "unreadable")
    assert "1 of 2 objects of the load of generation 2 cannot be read" in torn["reason"]
    assert "Raise the source's Generation" in torn["reason"]
    mixed = lake.changes(ID, part(insert(None, 2, "b")), generation=3, load=True)
    stray = lake.freeze(ID, [lake.land("erp/g2/public/parts/LOAD00000009.parquet", part(insert(None, 2, "b")))], load=3)
    lost = lake.freeze(ID, [lake.land("erp/g9/public/parts/20260101-1.parquet", part(insert(1, 2, "b")))])
    lake.refine([stray, lost])
    assert "is the load of generation 3, but lists erp/g2/public/parts/LOAD00000009" in lake.batch(stray)["reason"]
    assert "lies under no landing of sales.parts" in lake.batch(lost)["reason"]
    assert lake.live(ID) == [(1, "a", Decimal("1.00"))]
    lake.refine([mixed])
    assert lake.live(ID) == [(2, "b", Decimal("1.00"))]


LINES = replicated(
    "lines",
    [column("id", "bigint", required=True, protect="hash"), column("line", "int", required=True), column("name")],
    ["id", "line"],
)


@soak_format
def test_changes_of_composite_and_hashed_keys(lake: Lake) -> None:
    lake.secret = lake.clients.secrets.create_secret(Name=f"key{next(_ids)}", SecretString="s")["ARN"]
    lake.declare(LINES)
    types = {"id": pa.int32(), "line": pa.int32(), "name": pa.string()}

    def lines(*changes: Change) -> bytes:
        return file(changes, types, ["id", "line"])

    def moved(n: int, old: tuple, new: tuple, name: str) -> Change:
        return change("U", n, {"id": old[0], "line": old[1]}, id=new[0], line=new[1], name=name)

    # Two rows swap their keys by way of a third.
    lake.apply_changes("sales.lines", lines(change("I", id=1, line=1, name="a"), change("I", id=1, line=2, name="b")))
    swap = lines(moved(1, (1, 1), (0, 0), "a"), moved(2, (1, 2), (1, 1), "b"), moved(3, (0, 0), (1, 2), "a"))
    record = lake.apply_changes("sales.lines", swap)
    # The way there is superseded; what it left behind at (0, 0) is part of the way back.
    assert lake.counts(record) == {"read": 3, "updated": 2, "superseded": 1}
    rows = lake.rows(lake.cleaned("sales.lines"), "line", "name", "_is_deleted", "id")
    assert [r[:3] for r in rows] == [(0, None, True), (1, "b", False), (2, "a", False)]
    assert rows[1][3] == rows[2][3] and len(rows[0][3]) == 64
    # Where DMS gives only part of the old key, the rest of it has not changed.
    part_of = lines(change("U", 4, {"line": 1}, id=1, line=9, name="b9"))
    assert lake.counts(lake.apply_changes("sales.lines", part_of)) == {"read": 1, "updated": 1}
    assert [r[:3] for r in lake.rows(lake.cleaned("sales.lines"), "line", "name", "_is_deleted")] == [
        (0, None, True), (1, None, True), (2, "a", False), (9, "b9", False)
    ]  # fmt: skip


_ids = itertools.count()
