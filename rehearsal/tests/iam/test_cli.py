"""`python -m rehearsal iam`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rehearsal.iam.cli import main

ROLE = "arn:aws:iam::111122223333:role/app"
STATEMENT = {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}
ENTRY = {"kind": "identity", "of": ROLE, "policy": {"Version": "2012-10-17", "Statement": STATEMENT}}
REQUEST = {"principal": ROLE, "action": "s3:GetObject", "resource": "arn:aws:s3:::b/k"}


def run(folder: Path, policies: Any, requests: Any) -> int:
    (folder / "policies").mkdir(exist_ok=True)
    (folder / "policies" / "app.json").write_text(json.dumps(policies))
    (folder / "requests.json").write_text(json.dumps(requests))
    return main(["--policies", str(folder / "policies"), "--requests", str(folder / "requests.json")])


def test_each_decision_is_printed_with_its_statement(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    put = {**REQUEST, "action": "s3:PutObject", "expect": "deny"}
    assert run(tmp_path, ENTRY, [{**REQUEST, "expect": "allow"}, put]) == 0
    assert capsys.readouterr().out == (
        f"ALLOW {ROLE} s3:GetObject arn:aws:s3:::b/k\n      statement 1 (Read) of app allows it\n"
        f"DENY  {ROLE} s3:PutObject arn:aws:s3:::b/k\n      no statement of app allows it\n"
    )


def test_an_expectation_that_is_not_met_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(tmp_path, ENTRY, [{**REQUEST, "expect": "deny"}]) == 1
    printed = capsys.readouterr()
    assert "EXPECTED deny" in printed.out and "1 of 1 decisions" in printed.err


@pytest.mark.parametrize(
    "policies,requests,says",
    [
        ({**ENTRY, "kind": "group"}, [REQUEST], ["app.json kind: must be one of identity"]),
        ([ENTRY, {"policy": {}}], [REQUEST], ["app.json[2]: must be an object of kind, of, policy"]),
        ({**ENTRY, "of": "app"}, [REQUEST], ["app.json of: must be an ARN"]),
        (
            {**ENTRY, "policy": {"Statement": {**STATEMENT, "Effect": "Yes", "Action": "get"}}},
            [{**REQUEST, "principal": "app"}],
            ["Effect: must be Allow or Deny", "Action: must be", "requests.json[1] principal: must be a role"],
        ),
        ([{**ENTRY, "kind": "boundary"}, {**ENTRY, "kind": "boundary"}], [REQUEST], ["has a boundary policy already"]),
        (ENTRY, {}, ["must be a list of requests"]),
        (ENTRY, [{**REQUEST, "contxt": {}}], ["must be an object of the texts"]),
        (ENTRY, [{**REQUEST, "expect": "yes"}], ["must be allow or deny"]),
    ],
)
def test_unusable_input_is_said_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], policies: Any, requests: Any, says: list[str]
):
    assert run(tmp_path, policies, requests) == 2
    said = capsys.readouterr().err
    assert all(text in said for text in says), said
    assert all(line.startswith("iam: ") for line in said.splitlines())


def test_missing_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--policies", str(tmp_path / "no"), "--requests", str(tmp_path / "no.json")]) == 2
    said = capsys.readouterr().err
    assert "is no folder" in said and "cannot be read as JSON" in said
    assert run(tmp_path, ENTRY, [REQUEST]) == 0
    (tmp_path / "policies" / "app.json").unlink()
    assert main(["--policies", str(tmp_path / "policies"), "--requests", str(tmp_path / "requests.json")]) == 2
    assert "holds no *.json file" in capsys.readouterr().err


def test_the_module_is_the_command():
    answer = subprocess.run(
        [sys.executable, "-m", "rehearsal", "iam", "--help"], capture_output=True, text=True, check=True
    )
    assert "--policies DIR" in answer.stdout and "Exit code 0" in answer.stdout
