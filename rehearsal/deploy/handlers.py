"""Builds the Go Lambdas of a template for this machine, from the same source as the shipped arm64 binaries."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import zipfile
from collections import defaultdict
from pathlib import Path, PurePosixPath

from rehearsal.deploy.problems import DeployFailed
from rehearsal.deploy.types.functions import host_architecture

FLAGS = ("-trimpath", "-buildvcs=false", "-tags=lambda.norpc")


def build(import_paths: set[str], module: Path, out: Path) -> dict[str, bytes]:
    """Compile each import path in the context of the Go module around `module`; import path → zip with `bootstrap`.

    Packages with different last elements are compiled by one go command. Raises DeployFailed with the compiler's words.
    """
    rounds: dict[int, list[str]] = defaultdict(list)
    seen: dict[str, int] = defaultdict(int)
    for path in sorted(import_paths):
        name = PurePosixPath(path).name
        rounds[seen[name]].append(path)
        seen[name] += 1
    built = {}
    for number, paths in rounds.items():
        folder = out / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        _compile(paths, module, folder)
        for path in paths:
            built[path] = _zip((folder / PurePosixPath(path).name).read_bytes())
    return built


def _compile(paths: list[str], module: Path, folder: Path) -> None:
    machine = {"arm64": "arm64", "x86_64": "amd64"}[host_architecture()]
    environment = os.environ | {"GOOS": "linux", "GOARCH": machine, "CGO_ENABLED": "0"}
    command = ["go", "build", *FLAGS, "-o", f"{folder}{os.sep}", *paths]
    done = subprocess.run(command, cwd=module, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DeployFailed(f"cannot build {', '.join(paths)} for this machine in {module}:\n{done.stderr.strip()}")


def _zip(binary: bytes) -> bytes:
    """A reproducible archive: no times, and the mode that Lambda needs."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr, entry.compress_type = 0o755 << 16, zipfile.ZIP_DEFLATED
        archive.writestr(entry, binary)
    return buffer.getvalue()


def key(archive: bytes) -> str:
    """The object key under which a built archive is uploaded."""
    return f"host/{hashlib.sha256(archive).hexdigest()}.zip"
