"""Synthesis: prerequisites, the app's own errors, reading a cloud assembly, and host builds of handlers."""

from __future__ import annotations

import io
import json
import os
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from rehearsal.deploy import DeployFailed, SynthFailed, TemplateRefused, handlers, read, synth, synthesise


def write(folder: Path, manifest: dict[str, Any], **files: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps({"artifacts": manifest}))
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def stack(template: str, *dependencies: str) -> dict[str, Any]:
    properties = {"templateFile": f"{template}.json", "stackName": template.title()}
    return {"type": "aws:cloudformation:stack", "properties": properties, "dependencies": list(dependencies)}


def assets(name: str) -> dict[str, Any]:
    return {"type": "cdk:asset-manifest", "properties": {"file": f"{name}.json"}}


def test_reads_stacks_in_dependency_order(tmp_path: Path) -> None:
    manifest = {"A": stack("a", "Z"), "Z": stack("z"), "Tree": {"type": "cdk:tree", "properties": {}}}
    found = read(write(tmp_path / "out", manifest, a={"Resources": {"One": {}}}, z={}))
    assert [item.name for item in found.stacks] == ["Z", "A"]
    assert found.stacks[1].template == {"Resources": {"One": {}}}


def test_reads_file_assets_but_for_the_template(tmp_path: Path) -> None:
    place = {"bucketName": "b-${AWS::AccountId}", "objectKey": "k.zip"}
    listing = {
        "files": {
            "t": {"source": {"path": "a.json", "packaging": "file"}, "destinations": {"x": place}},
            "l": {"source": {"path": "asset.l", "packaging": "zip"}, "destinations": {"x": place}},
        }
    }
    out = write(tmp_path / "out", {"A": stack("a", "A.assets"), "A.assets": assets("m")}, a={}, m=listing)
    asset = read(out).stacks[0].assets
    assert [(item.path, item.packaging, item.bucket, item.key) for item in asset] == [
        (out / "asset.l", "zip", "b-${AWS::AccountId}", "k.zip")
    ]


def test_refuses_images_stages_and_empty_apps(tmp_path: Path) -> None:
    listing = {"dockerImages": {"img": {"source": {"directory": "d"}}}, "files": {}}
    manifest = {
        "A": stack("a", "A.assets"),
        "A.assets": assets("m"),
        "Stage": {"type": "cdk:cloud-assembly", "properties": {}},
    }
    with pytest.raises(TemplateRefused) as error:
        read(write(tmp_path / "out", manifest, a={}, m=listing))
    assert [problem.path for problem in error.value.problems] == ["dockerImages", "type"]
    with pytest.raises(TemplateRefused, match="the app has no stack"):
        read(write(tmp_path / "none", {}))


@pytest.mark.parametrize(
    ("files", "want"),
    [
        (None, "no such folder; give the folder of a CDK app"),
        ({}, "no cdk.json in it or above it"),
        ({"cdk.json": "{}"}, '"app" is missing'),
    ],
)
def test_says_in_one_line_what_is_missing(tmp_path: Path, files: dict[str, str] | None, want: str) -> None:
    app = tmp_path / "app"
    if files is not None:
        app.mkdir()
        for name, content in files.items():
            (app / name).write_text(content)
    with pytest.raises(SynthFailed, match=want) as error:
        synthesise(app, tmp_path / "out")
    assert "\n" not in str(error.value)


def test_says_that_go_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cdk.json").write_text('{"app": "true"}')
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SynthFailed, match="go is missing from PATH: install Go 1.26"):
        synthesise(tmp_path, tmp_path / "out")


def test_passes_the_apps_own_errors_on(tmp_path: Path) -> None:
    lines = "two problems:\n  Datasets[0].Keys: is missing\n  Name: too long"
    (tmp_path / "app.sh").write_text(f"#!/bin/sh\ncat >&2 <<'X'\n{lines}\nX\nexit 1\n")
    (tmp_path / "cdk.json").write_text('{"app": "sh app.sh"}')
    with pytest.raises(SynthFailed) as error:
        synthesise(tmp_path, tmp_path / "out")
    assert lines in str(error.value)
    assert "Subprocess exited" not in str(error.value)


def test_gives_the_app_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "leak")
    monkeypatch.setenv("CDK_DEFAULT_ACCOUNT", "111111111111")
    script = 'env > seen; mkdir -p "$CDK_OUTDIR"; cp out.json "$CDK_OUTDIR/manifest.json"; cp a.json "$CDK_OUTDIR/"'
    (tmp_path / "cdk.json").write_text(json.dumps({"app": script, "versionReporting": False, "notices": False}))
    (tmp_path / "out.json").write_text(json.dumps({"version": "36.0.0", "artifacts": {"A": full_stack()}}))
    (tmp_path / "a.json").write_text('{"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}')
    found = synthesise(tmp_path, tmp_path / "cdk.out")
    seen = (tmp_path / "seen").read_text()
    assert [stack.name for stack in found.stacks] == ["A"]
    assert found.app == tmp_path
    assert "leak" not in seen and "111111111111" not in seen


def full_stack() -> dict[str, Any]:
    return {
        "type": "aws:cloudformation:stack",
        "environment": "aws://unknown-account/unknown-region",
        "properties": {"templateFile": "a.json", "stackName": "A"},
    }


def test_runs_a_folder_of_the_module_by_the_cdk_json_above(tmp_path: Path) -> None:
    (tmp_path / "cdk.json").write_text('{"app": "go run ./other"}')
    app = tmp_path / "examples" / "one"
    app.mkdir(parents=True)
    (app / "main.go").write_text("package main\n")
    assert synth._command(app) == (["--app", "go run ./examples/one"], tmp_path)


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A Go module with two commands of the same last name, and one that does not compile."""
    (tmp_path / "go.mod").write_text("module example.com/m\n\ngo 1.26\n")
    for path, body in {"a/run": 'println("a")', "b/run": 'println("b")', "broken": "nothing"}.items():
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / "main.go").write_text(f"package main\n\nfunc main() {{ {body} }}\n")
    return tmp_path


def test_builds_handlers_for_this_machine(module: Path, tmp_path: Path) -> None:
    built = handlers.build({"example.com/m/a/run", "example.com/m/b/run"}, module, tmp_path / "bin")
    for path, want in {"example.com/m/a/run": "a", "example.com/m/b/run": "b"}.items():
        archive = zipfile.ZipFile(io.BytesIO(built[path]))
        assert archive.namelist() == ["bootstrap"]
        binary = tmp_path / f"run-{want}"
        binary.write_bytes(archive.read("bootstrap"))
        os.chmod(binary, archive.getinfo("bootstrap").external_attr >> 16)
        assert subprocess.run([binary], capture_output=True, text=True, check=True).stderr == f"{want}\n"
    assert handlers.build({"example.com/m/a/run"}, module, tmp_path / "again") == {
        "example.com/m/a/run": built["example.com/m/a/run"]
    }


def test_says_why_a_handler_does_not_build(module: Path, tmp_path: Path) -> None:
    with pytest.raises(DeployFailed, match="undefined: nothing"):
        handlers.build({"example.com/m/broken"}, module, tmp_path / "bin")
