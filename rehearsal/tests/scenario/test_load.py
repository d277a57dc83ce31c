"""Scenario files: every problem is reported at once, by its path."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from rehearsal.scenario.load import SCHEMA, ScenarioError, load

EXAMPLES = Path(__file__).parents[3] / "examples"
FILES_ONLY = EXAMPLES / "files-only" / "scenario.json"
VALID = json.loads(FILES_ONLY.read_text())


def problems(tmp_path: Path, scenario: Any) -> list[str]:
    file = tmp_path / "scenario.json"
    file.write_text(scenario if isinstance(scenario, str) else json.dumps(scenario))
    with pytest.raises(ScenarioError) as caught:
        load(file)
    return caught.value.problems


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(SCHEMA.read_text()))


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*/scenario.json")), ids=lambda file: file.parent.name)
def test_the_examples_are_valid(file: Path) -> None:
    scenario = load(file)
    assert scenario.argument("generate")["tool"] == "tpch"
    assert [s.verb for s in scenario.steps].count("deliver") >= 3


def test_all_problems_are_listed(tmp_path: Path) -> None:
    bad = deepcopy(VALID)
    del bad["name"]
    bad["steps"][0]["generate"]["scale"] = 5
    bad["steps"][0]["generate"]["faults"][0] = {"kind": "explosion", "delivery": "initial"}
    bad["steps"][1] = {"deliver": "initial", "settle": {}}
    bad["steps"].append({"redeliver": "some"})
    bad["steps"].append({"dance": 1})
    found = problems(tmp_path, bad)
    assert any("'name' is a required property" in p for p in found)
    assert any("generate/scale: got 5; maximum must be 1" in p for p in found)
    assert any(p.startswith('steps/0/generate/faults/0/kind: got "explosion"; allowed: too_few_fields') for p in found)
    assert any(p.startswith("steps/1: got") and "maxProperties" in p for p in found)
    assert any(p == 'steps/15/redeliver: got "some"; allowed: "all"' for p in found)
    assert any(p.startswith("steps/16: unknown dance; allowed: generate, deliver") for p in found)


@pytest.mark.parametrize(
    ("fault", "want"),
    [
        ({"kind": "truncated", "delivery": "initial", "dataset": "a.b", "count": 3}, "not used with this kind"),
        ({"kind": "unroutable", "delivery": "initial"}, "'keys' is a required property"),
        (
            {"kind": "bad_value", "delivery": "initial", "dataset": "a.b", "count": 1},
            "'columns' is a required property",
        ),
        ({"kind": "late", "delivery": "initial", "count": 1}, "'dataset' is a required property"),
        ({"kind": "late", "delivery": "initial", "dataset": "ab", "count": 1}, "pattern must be"),
    ],
)
def test_faults_take_what_their_kind_uses(tmp_path: Path, fault: dict[str, Any], want: str) -> None:
    bad = deepcopy(VALID)
    bad["steps"][0]["generate"]["faults"] = [fault]
    bad["steps"] = bad["steps"][:1]
    assert any(want in p for p in problems(tmp_path, bad)), problems(tmp_path, bad)


@pytest.mark.parametrize(
    ("steps", "want"),
    [
        ([{"deliver": "initial"}], "deliveries made: none before this step"),
        ([VALID["steps"][0], {"deliver": "increment-9"}], "got 'increment-9'; deliveries made: initial, increment-1"),
        ([VALID["steps"][0], {"deliver": "increment-1"}, {"deliver": "initial"}], "out of order"),
        ([VALID["steps"][0], VALID["steps"][0]], "a second generate"),
    ],
)
def test_deliveries_exist_and_come_in_order(tmp_path: Path, steps: list[dict[str, Any]], want: str) -> None:
    assert any(want in p for p in problems(tmp_path, {"name": "x", "steps": steps}))


def test_files_that_are_no_scenario(tmp_path: Path) -> None:
    assert "line 1, column 2: no JSON" in problems(tmp_path, "{nope")[0]
    with pytest.raises(ScenarioError, match="cannot be read"):
        load(tmp_path / "missing.json")
