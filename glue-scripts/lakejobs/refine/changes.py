"""Judges the changes of a database: what each does to which key, and in what order.

Out come the columns of `conform` and `_generation`, `_sequence` and `_is_deleted`, one row for each effect. A change of
the key has two: it deletes the old key (`_half` is `old`) and writes the new one (`new`); every other record has one
(`row`). A refused record has one, whatever it is. `_record` numbers the records; `_line` and `_key` are NULL but for
refused ones, which alone are kept as they landed.
"""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakejobs.declared import Dataset
from lakejobs.refine.conform import (
    KEY,
    REASONS,
    condition_faults,
    rule_faults,
    shape_faults,
    sorted_reasons,
    whole_faults,
)
from lakejobs.refine.erased import keeps_place
from lakejobs.refine.grammar import parse
from lakejobs.refine.protect import HashKeys, plain, protected, with_pads
from lakejobs.refine.quality.checks import marks
from lakejobs.refine.record import (
    CHANGE_SEQUENCE,
    ERASED,
    ERASED_BEFORE,
    GENERATION,
    LAYOUT,
    LINE,
    LOADED,
    MALFORMED,
    OBJECT,
    OPERATION,
    before,
    change_columns,
    passed_on,
    raw_line,
    text_column,
)

SEQUENCE, DELETED, HALF, RECORD = "_sequence", "_is_deleted", "_half", "_record"
ROW, OLD, NEW = "row", "old", "new"

# The columns of the cleaned table beside the declared ones and the batch, with their types.
STORED_CHANGE = {GENERATION: "int", SEQUENCE: "string", DELETED: "boolean"}

# Sequences are compared as text, which is right as long as all have one length.
_SEQUENCE_FORM = r"\A[0-9]{35}\z"


def conform_changes(rows: DataFrame, dataset: Dataset, keys: HashKeys) -> DataFrame:
    """One row per effect. `keys` are those that the dataset's protections need."""
    texts = [F.col(text_column(name)) for name, _ in change_columns(dataset)]
    texts += [F.col(text_column(c.name)) for c in dataset.columns]
    values = [parse(text_column(c.name), c.type).alias(c.name) for c in dataset.columns]
    types = {c.name: c.type for c in dataset.columns}
    values += [parse(text_column(before(k)), types[k]).alias(before(k)) for k in dataset.keys]
    typed = rows.select(OBJECT, LINE, GENERATION, LOADED, MALFORMED, LAYOUT, *passed_on(rows), *texts, *values)
    typed = typed.withColumn(REASONS, _reasons(dataset))
    refused = F.size(REASONS) > 0
    line = F.when(refused, raw_line(dataset))
    typed = typed.withColumns({LINE: line, RECORD: F.monotonically_increasing_id()})
    halves = F.when(~refused & _moves(dataset), F.array(F.lit(OLD), F.lit(NEW)))
    typed = typed.withColumn(HALF, F.explode(halves.otherwise(F.array(F.lit(ROW)))))
    typed = typed.withColumn(DELETED, _deletes() | (F.col(HALF) == OLD))
    typed = with_pads(_erased(typed, dataset), keys)
    record_key = F.struct(*[F.col(text_column(k)).alias(k) for k in dataset.keys])
    return typed.select(
        OBJECT,
        LINE,
        *passed_on(rows),
        RECORD,
        REASONS,
        F.when(refused, record_key).alias(KEY),
        HALF,
        *_stored(dataset),
        GENERATION,
        _sequence().alias(SEQUENCE),
        DELETED,
        *marks(dataset),
    )


def _erased(effects: DataFrame, dataset: Dataset) -> DataFrame:
    """Whose key is somebody erased is told of each effect; of who is so by another column the row is deleted."""
    if ERASED not in effects.columns:
        return effects
    if keeps_place(dataset):
        return effects.withColumn(DELETED, F.col(DELETED) | F.col(ERASED))
    return effects.withColumn(ERASED, F.when(F.col(HALF) == OLD, F.col(ERASED_BEFORE)).otherwise(F.col(ERASED)))


def _operation() -> Column:
    return F.col(text_column(OPERATION))


def _deletes() -> Column:
    return _operation().eqNullSafe("D")


def _sequence() -> Column:
    """Lowest for what was loaded, whatever DMS writes there."""
    return F.when(F.col(LOADED), F.lit("")).otherwise(F.coalesce(F.col(text_column(CHANGE_SEQUENCE)), F.lit("")))


def _old_key(name: str) -> Column:
    """A key column before the change; DMS leaves it out where nothing changed."""
    return F.coalesce(F.col(before(name)), F.col(name))


def _moves(dataset: Dataset) -> Column:
    """Whether the record changes its key."""
    differs = reduce(Column.__or__, [_old_key(k) != F.col(k) for k in dataset.keys])
    return _operation().eqNullSafe("U") & F.coalesce(differs, F.lit(False))


def _reasons(dataset: Dataset) -> Column:
    """Of a delete only order and key are judged: it carries nothing else that is kept."""
    sequence, text = _sequence(), F.col(text_column(CHANGE_SEQUENCE))
    found = [
        (f"type:{OPERATION}", ~F.coalesce(_operation().isin("I", "U", "D"), F.lit(False))),
        (f"required:{CHANGE_SEQUENCE}", ~F.col(LOADED) & (sequence == "")),
        (f"type:{CHANGE_SEQUENCE}", (sequence != "") & ~F.coalesce(text.rlike(_SEQUENCE_FORM), F.lit(False))),
    ]
    written = []
    for column in dataset.columns:
        shape, rules = shape_faults(column), rule_faults(column)
        if column.name in dataset.keys:
            found += shape
            old = F.col(text_column(before(column.name))).isNotNull() & F.col(before(column.name)).isNull()
            written.append((f"type:{before(column.name)}", old & _operation().eqNullSafe("U")))
        else:
            written += shape
        written += rules
    written += condition_faults(dataset)
    found += [(reason, fault & ~_deletes()) for reason, fault in written]
    judged = sorted_reasons([F.when(fault, F.lit(reason)) for reason, fault in found])
    return whole_faults({"malformed": MALFORMED, "layout": LAYOUT}, judged)


def _stored(dataset: Dataset) -> list[Column]:
    """The stored columns of an effect: the key it is about, and nothing else if it deletes; and `_plain` of these."""
    columns, values = [], {}
    for column in dataset.stored:
        value = F.col(column.name)
        if column.name in dataset.keys:
            values[column.name] = F.when(F.col(HALF) == OLD, _old_key(column.name)).otherwise(value)
            columns.append(protected(values[column.name], column).alias(column.name))
        else:
            values[column.name] = F.when(~F.col(DELETED), value)
            columns.append(F.when(~F.col(DELETED), protected(value, column)).alias(column.name))
    return columns + plain(values, dataset)
