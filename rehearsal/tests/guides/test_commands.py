"""The commands and queries of README, deploy guide and runbook, held to the AWS service models and to the template."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import botocore.session
import pytest
import sqlglot
from botocore import xform_name
from botocore.exceptions import UnknownServiceError
from sqlglot import exp

ROOT = Path(__file__).parents[3]
PAGES = ("README.md", "docs/deploy.md", "docs/runbook.md")
GLOBAL = {"query", "output", "cli-binary-format", "cli-read-timeout"}
"""Options of the AWS CLI itself."""
CDK = {"bootstrap": set(), "diff": set(), "deploy": {"-c", "--app"}, "destroy": {"-c"}}
COMMAND = re.compile(r"(?:^|(?<=`)) *(?:aws|npx cdk) [^`\n\\]*(?:\\[\s\S][^`\n\\]*)*", re.MULTILINE)
QUERY = re.compile(r"SELECT [^`;]*?FROM commerce_[^`;]*")
session = botocore.session.get_session()


def commands(text: str) -> list[list[str]]:
    """The commands in code blocks and in line, in words."""
    joined = [found[0].replace("\\\n", " ") for found in COMMAND.finditer(text)]
    return [shlex.split(line, comments=True) for line in joined]


def wrong(words: list[str]) -> str | None:
    """What is wrong with a command, if anything."""
    if words[:2] == ["npx", "cdk"]:
        options = {word for word in words[3:] if word.startswith("-")}
        return None if words[2] in CDK and options <= CDK[words[2]] else f"cdk has no {words[2:]}"
    service, name, rest = words[1], words[2], words[3:]
    if (service, name) == ("s3", "cp"):
        return None
    try:
        model = session.get_service_model(service)
    except UnknownServiceError:
        return f"there is no service {service}"
    if name == "wait":
        return waiter(service, rest[0])
    operations = {xform_name(operation, "-"): operation for operation in model.operation_names}
    if name not in operations:
        return f"{service} has no command {name}"
    shape = model.operation_model(operations[name]).input_shape
    members = {xform_name(member, "-"): member for member in (shape.members if shape else {})}
    members |= {f"no-{flag}": m for flag, m in members.items() if shape.members[m].type_name == "boolean"}
    given = {word.removeprefix("--") for word in rest if word.startswith("--")}
    if unknown := given - GLOBAL - members.keys():
        return f"{service} {name} has no option {sorted(unknown)}"
    missing = set(shape.required_members if shape else []) - {members[flag] for flag in given & members.keys()}
    return f"{service} {name} needs {sorted(missing)}" if missing else None


def waiter(service: str, name: str) -> str | None:
    names = {xform_name(known, "-") for known in session.get_waiter_model(service).waiter_names}
    return None if name in names else f"{service} has no waiter {name}"


@pytest.mark.parametrize("page", PAGES)
def test_commands_exist(page: str) -> None:
    found = commands((ROOT / page).read_text())
    assert found
    assert [f"{' '.join(words)}: {problem}" for words in found if (problem := wrong(words))] == []


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("aws lamda invoke", "there is no service lamda"),
        ("aws lambda call --function-name f", "lambda has no command call"),
        ("aws lambda invoke --function f", r"lambda invoke has no option \['function'\]"),
        ("aws lambda invoke --payload x", r"lambda invoke needs \['FunctionName'\]"),
        ("aws dynamodb wait table-gone --table-name t", "dynamodb has no waiter table-gone"),
        ("npx cdk deploy --force-it", "cdk has no"),
    ],
)
def test_wrong_commands_are_found(given: str, problem: str) -> None:
    assert re.match(problem, wrong(given.split()) or "")


def columns() -> dict[str, set[str]]:
    """The columns of each table that the guides query and the project knows."""
    template = json.loads((ROOT / "test/golden/quickstart.Commerce.json").read_text())
    tables = [r["Properties"]["TableInput"] for r in template["Resources"].values() if r["Type"] == "AWS::Glue::Table"]
    quarantine = re.search(r"Quarantine table: `([^`]+)`", (ROOT / "docs/contracts.md").read_text())
    assert quarantine
    return {
        **{table["Name"]: {column["Name"] for column in table["StorageDescriptor"]["Columns"]} for table in tables},
        "events": {pair.split()[0] for pair in quarantine[1].split(", ")},
    }


def test_queries_name_columns_that_exist() -> None:
    known, found = columns(), 0
    for page in PAGES:
        for text in QUERY.findall((ROOT / page).read_text()):
            query = sqlglot.parse_one(text.strip(), dialect="trino")
            (table,) = query.find_all(exp.Table)
            named = {column.name for column in query.find_all(exp.Column)}
            if table.name in known:
                found += 1
                assert named - {alias.alias for alias in query.find_all(exp.Alias)} <= known[table.name], text
    assert found >= 4
