"""What is asked of Spark's JVM from Python, in as few questions as there can be.

py4j asks for every part of a class's full name in turn, and for each the JVM searches all jars of its class path; a map
it brings over key by key. In a driver that builds small plans all day, that is a noticeable part of its time.
"""

from __future__ import annotations

import json
from typing import Any

from pyspark.sql import SparkSession

_NAMES_OF_EXPRESSIONS = ("functions", "PythonUtils")


def java_class(spark: SparkSession, name: str) -> Any:
    """The Java class of that full name."""
    return getattr(spark._jvm, name)


def strings(spark: SparkSession, held: Any) -> dict[str, str]:
    """A Java map of strings as a dict."""
    return json.loads(java_class(spark, "com.fasterxml.jackson.databind.ObjectMapper")().writeValueAsString(held))


def keep_names(spark: SparkSession) -> None:
    """Remembers the names that PySpark would look up for every column expression."""
    jvm = spark._jvm
    for name in _NAMES_OF_EXPRESSIONS:
        if name not in vars(jvm):
            setattr(jvm, name, getattr(jvm, name))
