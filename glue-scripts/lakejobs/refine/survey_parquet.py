"""The survey of Parquet, that of DMS included: the file's own footer tells rows, columns and types."""

from __future__ import annotations

import io
from typing import Any

import pyarrow
import pyarrow.parquet

from lakejobs.refine.landed import RangedObject, Unreadable

_CHUNK = 1 << 20
# What a declared type is read from. Text is judged like text in a CSV file.
_WHOLE = ("tinyint", "smallint", "int", "bigint")
# Begins what is told of a column in place of a type, where it has none that is read.
UNREAD = "!"
READ_AS = {
    "string": ("string", "binary", "time_millis", "time_micros"),
    "boolean": ("boolean", "string"),
    "int": (*_WHOLE, "decimal", "string"),
    "bigint": (*_WHOLE, "decimal", "string"),
    "double": (*_WHOLE, "float", "double", "string"),
    "decimal": (*_WHOLE, "decimal", "string"),
    "date": ("date", "string"),
    "timestamp": ("timestamp", "timestamp_ntz", "date", "string"),
}


def survey_parquet(s3: Any, item: dict[str, Any], form: dict[str, Any]) -> dict[str, Any]:
    """Reads an object's footer and finds the columns that are read. Raises Unreadable."""
    try:
        reader = pyarrow.parquet.ParquetFile(io.BufferedReader(RangedObject(s3, item), _CHUNK))
        schema, metadata = reader.schema_arrow, reader.metadata
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise Unreadable(f"is no whole Parquet file: {' '.join(str(error).split())[:200]}") from error
    leaves = [metadata.schema.column(i) for i in range(metadata.num_columns)]
    physical = {leaf.path: leaf.physical_type for leaf in leaves}
    names = schema.names
    lacking = [name for name in form["needed"] if name not in names]
    if lacking:
        raise Unreadable(f"has no column {' and no column '.join(lacking)}, which the changes of a database need")
    layout = []
    for name, declared in form["columns"]:
        if name in names:
            alike = [n for n in names if n.lower() == name.lower()]
            if len(alike) > 1:
                raise Unreadable(f"has columns that differ in case only: {', '.join(alike)}")
            stored = _spark_type(name, schema.field(name).type, physical.get(name))
            if stored == "binary" and name in form.get("no_bytes", ()):
                raise Unreadable(
                    f"its column {name} holds bytes, and nobody says how DMS writes them into transaction files:"
                    " declare the column with Protect: Drop, or replicate without PreserveTransactions"
                )
            if stored.split("(")[0] not in READ_AS[declared.split("(")[0]]:
                raise Unreadable(f"its column {name} holds {stored}, which cannot be read as {declared}")
            layout.append((name, stored))
    more = _undeclared(schema, physical, {name for name, _ in form["columns"]}) if form.get("evolves") else []
    return {"records": metadata.num_rows, "names": names, "layout": layout, "more": more}


def _undeclared(schema: pyarrow.Schema, physical: dict[str, str], declared: set[str]) -> list[tuple[str, str]]:
    """The other columns with their types. One that holds nothing but NULL has no type, and is left out."""
    found = []
    for field in schema:
        if field.name in declared or pyarrow.types.is_null(field.type):
            continue
        try:
            found.append((field.name, _spark_type(field.name, field.type, physical.get(field.name))))
        except Unreadable as fault:
            found.append((field.name, UNREAD + str(fault)))
    return found


def damage(s3: Any, item: dict[str, Any]) -> str | None:
    """Reads an object to its end: what is wrong inside it, which its footer does not tell. None for a whole one."""
    try:
        for _ in pyarrow.parquet.ParquetFile(io.BufferedReader(RangedObject(s3, item), _CHUNK)).iter_batches():
            continue
    except Unreadable as fault:
        return str(fault)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        return f"is a damaged Parquet file: {' '.join(str(error).split())[:200]}"
    return None


def _spark_type(name: str, kind: pyarrow.DataType, physical: str | None) -> str:
    types = pyarrow.types
    simple = {
        pyarrow.bool_(): "boolean", pyarrow.int8(): "tinyint", pyarrow.int16(): "smallint", pyarrow.int32(): "int",
        pyarrow.int64(): "bigint", pyarrow.uint8(): "smallint", pyarrow.uint16(): "int", pyarrow.uint32(): "bigint",
        pyarrow.uint64(): "decimal(20,0)", pyarrow.float32(): "float", pyarrow.float64(): "double",
        pyarrow.date32(): "date", pyarrow.string(): "string", pyarrow.large_string(): "string",
        pyarrow.binary(): "binary", pyarrow.large_binary(): "binary",
    }  # fmt: skip
    if kind in simple:
        return simple[kind]
    if types.is_decimal(kind) and kind.precision <= 38:
        return f"decimal({kind.precision},{kind.scale})"
    if types.is_timestamp(kind) and (physical == "INT96" or kind.unit in ("ms", "us")):
        # Java's writers mark INT96 in no zone, and Spark reads it as an instant.
        return "timestamp" if physical == "INT96" or kind.tz is not None else "timestamp_ntz"
    if types.is_time(kind) and kind.unit in ("ms", "us"):
        return "time_millis" if kind.unit == "ms" else "time_micros"
    if types.is_null(kind):
        return "string" if physical == "BYTE_ARRAY" else "int"
    if types.is_dictionary(kind):
        return _spark_type(name, kind.value_type, physical)
    raise Unreadable(f"its column {name} is of type {kind}, which is not read")
