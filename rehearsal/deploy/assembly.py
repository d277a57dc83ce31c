"""Reads a cloud assembly (`cdk.out`): stacks in dependency order, their templates and file assets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal.deploy.problems import Problem, TemplateRefused, shorten

STACK, ASSETS, TREE = "aws:cloudformation:stack", "cdk:asset-manifest", "cdk:tree"
SYNTHESIZER = "cdk:feature-flag-report"


@dataclass(frozen=True)
class FileAsset:
    """A file or folder that a template refers to. packaging: `file` (as it is) or `zip` (the folder, zipped)."""

    id: str
    path: Path
    packaging: str
    bucket: str
    key: str


@dataclass(frozen=True)
class Stack:
    """One stack: its CloudFormation name, template and assets. Bucket names of assets still hold `${AWS::…}`."""

    name: str
    template: dict[str, Any]
    assets: tuple[FileAsset, ...]


@dataclass(frozen=True)
class Assembly:
    """A synthesised app. `stacks` are in dependency order; `app` is the folder whose Go module built it."""

    directory: Path
    stacks: tuple[Stack, ...]
    app: Path | None = None


def read(directory: Path, app: Path | None = None) -> Assembly:
    """Read `cdk.out`. Raises TemplateRefused for container assets, nested stacks and assemblies (stages)."""
    manifest = json.loads((directory / "manifest.json").read_text())
    artifacts: dict[str, Any] = manifest.get("artifacts", {})
    known = {STACK, ASSETS, TREE, SYNTHESIZER}
    problems = [
        Problem(f"manifest.json {name}", "type", shorten(artifact["type"]), f"handled: {', '.join(sorted(known))}")
        for name, artifact in artifacts.items()
        if artifact["type"] not in known
    ]
    stacks = []
    for name in _ordered(artifacts):
        artifact = artifacts[name]
        template = json.loads((directory / artifact["properties"]["templateFile"]).read_text())
        assets = []
        for dependency in artifact.get("dependencies", []):
            if artifacts[dependency]["type"] == ASSETS:
                listing = directory / artifacts[dependency]["properties"]["file"]
                assets += _assets(directory, listing, artifact["properties"]["templateFile"], problems)
        stacks.append(Stack(artifact["properties"].get("stackName", name), template, tuple(assets)))
    if not stacks and not problems:
        problems.append(Problem("manifest.json", "artifacts", "", "the app has no stack"))
    if problems:
        raise TemplateRefused(problems)
    return Assembly(directory, tuple(stacks), app)


def _ordered(artifacts: dict[str, Any]) -> list[str]:
    """Stack artifacts, each after those it depends on (the CLI writes a graph without cycles)."""
    order: list[str] = []

    def visit(name: str) -> None:
        if name in order or artifacts[name]["type"] != STACK:
            return
        for dependency in sorted(artifacts[name].get("dependencies", [])):
            visit(dependency)
        order.append(name)

    for name in sorted(artifacts):
        visit(name)
    return order


def _assets(directory: Path, listing: Path, template: str, problems: list[Problem]) -> list[FileAsset]:
    manifest = json.loads(listing.read_text())
    for asset_id, image in manifest.get("dockerImages", {}).items():
        message = "container image assets are not handled; handled: file and zip assets"
        problems.append(Problem(f"{listing.name} {asset_id}", "dockerImages", shorten(image.get("source")), message))
    found = []
    for asset_id, asset in manifest.get("files", {}).items():
        source = asset["source"]
        if "path" not in source:
            message = "assets made by a command are not handled; handled: file and zip assets"
            problems.append(Problem(f"{listing.name} {asset_id}", "source", shorten(source), message))
            continue
        if source["path"] == template:
            continue
        for destination in asset["destinations"].values():
            path, packaging = directory / source["path"], source.get("packaging", "file")
            found.append(FileAsset(asset_id, path, packaging, destination["bucketName"], destination["objectKey"]))
    return found
