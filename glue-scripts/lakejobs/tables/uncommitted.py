"""Writing with Spark to an Iceberg table as this process holds it, loaded or inside a transaction, past any catalog."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession

from lakejobs.jvm import java_class


def table_cache(spark: SparkSession) -> Any:
    """Iceberg's cache of tables that Spark reads and writes by a key, here such a table.

    Its static `get()` hides behind an instance method of the same name, so that only reflection calls it.
    """
    gateway = spark.sparkContext._gateway
    declared = java_class(spark, "org.apache.iceberg.spark.SparkTableCache")._java_lang_class
    nothing = gateway.new_array(java_class(spark, "java.lang.Class"), 0)
    return declared.getMethod("get", nothing).invoke(None, gateway.new_array(java_class(spark, "java.lang.Object"), 0))
