"""Has Spark's tasks write the data files of a Hudi table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import pyarrow as pa
from pyspark import cloudpickle
from pyspark.rdd import PythonEvalType
from pyspark.sql import DataFrame
from pyspark.sql.udf import _create_udf

from lakejobs.tables import hudi_files
from lakejobs.tables.hudi_files import WRITTEN, Place, Written, write_anew, write_new

cloudpickle.register_pickle_by_value(hudi_files)


def new_files(rows: DataFrame, place: Place) -> list[Written]:
    """Writes the rows to file groups of their own, one for each partition that has any.

    They have RECORD_KEY beside the table's columns, or all that Hudi keeps of each row, which then stays.
    """
    return _run(rows, partial(write_new, place))


def files_anew(files: DataFrame, columns: Mapping[str, str], place: Place) -> list[Written]:
    """Writes files as new slices of their groups: `files` has name and positions, those of rows that are left out.

    The new files have these columns (Spark's simple strings), NULL where the one before lacks them.
    """
    return _run(files, partial(write_anew, place, dict(columns)))


def _run(frame: DataFrame, work: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]) -> list[Written]:
    """Has each partition's task work on its batches, as DataFrame.mapInArrow does, which asks for pandas beside it."""
    function = _create_udf(work, WRITTEN, PythonEvalType.SQL_MAP_ARROW_ITER_UDF)
    expression = function(*[frame[name] for name in frame.columns])._jc.expr()
    found = DataFrame(frame._jdf.pythonMapInArrow(expression, False), frame.sparkSession)
    return [Written(**row.asDict()) for row in found.collect()]
