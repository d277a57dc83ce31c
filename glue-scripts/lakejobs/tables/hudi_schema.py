"""What Hudi says of a table: its columns as an Avro schema, its properties file, the text of a record's key."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F

from lakejobs.tables.hudi_files import META
from lakejobs.tables.interface import Change, ColumnSpec

_PLAIN = {"string": "string", "boolean": "boolean", "int": "int", "bigint": "long", "double": "double"}
_LOGICAL = {
    "date": {"type": "int", "logicalType": "date"},
    "timestamp": {"type": "long", "logicalType": "timestamp-micros"},
}
_SPARK_NAMES = {avro: spark for spark, avro in _PLAIN.items()} | {
    kind["logicalType"]: spark for spark, kind in _LOGICAL.items()
}


def avro_schema(table: str, columns: Mapping[str, str]) -> str:
    """The columns (Spark's simple strings) as the Avro schema of a table of that name, as JSON."""
    record, namespace = f"{table}_record", f"hoodie.{table}"
    fields = [
        {"name": name, "type": ["null", _avro_type(kind, f"{namespace}.{record}.{name}")], "default": None}
        for name, kind in columns.items()
    ]
    schema = {"type": "record", "name": record, "namespace": namespace, "fields": fields}
    return json.dumps(schema, separators=(",", ":"))


def columns_of(schema: str) -> dict[str, str]:
    """The columns of an Avro schema, in order; Hudi's own left out."""
    fields = json.loads(schema)["fields"]
    return {field["name"]: _spark_type(field["type"]) for field in fields if field["name"] not in META}


def changed_columns(columns: Mapping[str, str], change: Change) -> dict[str, str]:
    """The columns with those of the change added in their places, and widened."""
    types = {column.name: column.type for column in change.widened}
    found = [(name, types.get(name, kind)) for name, kind in columns.items()]
    for column, previous in change.added:
        places = [i + 1 for i, (name, _) in enumerate(found) if name == previous]
        found.insert(places[0] if places else 0, (column.name, column.type))
    return dict(found)


def properties_file(name: str, keys: Sequence[str], columns: Sequence[ColumnSpec]) -> bytes:
    """`hoodie.properties` of a table `catalog.database.table`. It is the same whoever writes it, and never changes."""
    _, database, table = name.split(".")
    values = {
        "hoodie.table.name": table,
        "hoodie.database.name": database,
        "hoodie.table.type": "COPY_ON_WRITE",
        "hoodie.table.version": "6",
        "hoodie.timeline.layout.version": "1",
        "hoodie.table.timeline.timezone": "UTC",
        "hoodie.archivelog.folder": "archived",
        "hoodie.table.base.file.format": "PARQUET",
        "hoodie.table.recordkey.fields": ",".join(keys),
        "hoodie.table.partition.fields": "",
        "hoodie.table.keygenerator.class": "org.apache.hudi.keygen.NonpartitionedKeyGenerator",
        "hoodie.populate.meta.fields": "true",
        "hoodie.datasource.write.hive_style_partitioning": "false",
        "hoodie.datasource.write.partitionpath.urlencode": "false",
        "hoodie.datasource.write.drop.partition.columns": "false",
        "hoodie.partition.metafile.use.base.format": "false",
        "hoodie.table.cdc.enabled": "false",
        "hoodie.table.create.schema": avro_schema(table, {c.name: c.type for c in columns}),
        "hoodie.table.checksum": str(zlib.crc32(f"{database}.{table}".encode())),
    }
    return "".join(f"{key}={_escaped(value)}\n" for key, value in values.items()).encode()


def record_key(keys: Sequence[str], columns: Mapping[str, str]) -> Column:
    """A row's key as Hudi's NonpartitionedKeyGenerator writes it. Keys are never NULL."""
    if len(keys) == 1:
        return _key_text(keys[0], columns[keys[0]])
    parts = [
        F.concat(F.lit(f"{key}:"), F.when(_key_text(key, columns[key]) == "", "__empty__").otherwise(
            _key_text(key, columns[key])
        ))
        for key in keys
    ]  # fmt: skip
    return F.concat_ws(",", *parts)


def _key_text(key: str, kind: str) -> Column:
    return (F.unix_micros(key) if kind == "timestamp" else F.col(key)).cast("string")


def _avro_type(kind: str, namespace: str) -> Any:
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind in _LOGICAL:
        return _LOGICAL[kind]
    precision, scale = _shape(kind)
    # As many bytes as the largest number of that many digits needs, in two's complement.
    size = (10**precision).bit_length() // 8 + 1
    return {"type": "fixed", "name": "fixed", "namespace": namespace, "size": size, "logicalType": "decimal",
            "precision": precision, "scale": scale}  # fmt: skip


def _spark_type(kind: Any) -> str:
    if isinstance(kind, list):
        (kind,) = [branch for branch in kind if branch != "null"]
    if isinstance(kind, str):
        return _SPARK_NAMES.get(kind, kind)
    if kind.get("logicalType") == "decimal":
        return f"decimal({kind['precision']},{kind['scale']})"
    name = kind.get("logicalType", kind["type"])
    return _SPARK_NAMES.get(name, str(name))


def _shape(kind: str) -> tuple[int, int]:
    precision, scale = kind.removeprefix("decimal(").removesuffix(")").split(",")
    return int(precision), int(scale)


def _escaped(value: str) -> str:
    """As a properties file of Java takes it; everything here is ASCII."""
    return value.replace("\\", "\\\\")
