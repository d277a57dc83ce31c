"""Reads a scenario file and reports everything that is wrong with it at once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA = Path(__file__).with_name("schema.json")


class ScenarioError(ValueError):
    """A scenario file that cannot be used; one line per problem, each with its path in the file."""

    def __init__(self, file: Path, problems: list[str]):
        head = f"{file}: {len(problems)} problem{'s' if len(problems) > 1 else ''}"
        super().__init__("\n".join([head, *(f"  {p}" for p in problems)]))
        self.problems = problems


@dataclass(frozen=True)
class Step:
    """One step: its verb (`deliver`, `settle`, …) and its argument as the file has it."""

    verb: str
    argument: Any

    def __str__(self) -> str:
        return f"{self.verb} {self.argument}" if isinstance(self.argument, str) else self.verb


@dataclass(frozen=True)
class DatabaseSpec:
    """A PostgreSQL database that the app replicates from: its name, and the secret with which the app finds it."""

    name: str
    secret: str


@dataclass(frozen=True)
class Scenario:
    """A valid scenario. `folder` is where its relative paths start."""

    name: str
    folder: Path
    steps: tuple[Step, ...]
    alarms: tuple[str, ...]
    failed_batches: tuple[tuple[str, str], ...]
    databases: tuple[DatabaseSpec, ...] = ()

    def argument(self, verb: str) -> Any:
        """The argument of the only step with this verb; None without one."""
        return next((s.argument for s in self.steps if s.verb == verb), None)


def load(file: Path) -> Scenario:
    """Read and check a scenario. Raises ScenarioError with every problem."""
    try:
        found = json.loads(file.read_text())
    except OSError as error:
        raise ScenarioError(file, [f"cannot be read: {error.strerror}; give the path of a scenario file"]) from error
    except json.JSONDecodeError as error:
        raise ScenarioError(file, [f"line {error.lineno}, column {error.colno}: no JSON: {error.msg}"]) from error
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    problems = [_problem(e) for e in sorted(validator.iter_errors(found), key=lambda e: [str(p) for p in e.path])]
    problems = problems or _order_problems(found)
    if problems:
        raise ScenarioError(file, list(dict.fromkeys(problems)))
    expect = found.get("expect", {})
    return Scenario(
        name=found["name"],
        folder=file.resolve().parent,
        steps=tuple(Step(verb, argument) for step in found["steps"] for verb, argument in step.items()),
        alarms=tuple(sorted(expect.get("alarms", []))),
        failed_batches=tuple(sorted((b["dataset"], b["code"]) for b in expect.get("failed_batches", []))),
        databases=tuple(DatabaseSpec(d["name"], d["secret"]) for d in found.get("databases", [])),
    )


def _problem(error: jsonschema.ValidationError) -> str:
    where = "/".join(str(p) for p in error.absolute_path) or "the file"
    got = json.dumps(error.instance, ensure_ascii=False)
    got = got if len(got) <= 80 else got[:77] + "…"
    if error.validator == "additionalProperties":
        allowed = ", ".join(error.schema.get("properties", {}))
        unknown = ", ".join(k for k in error.instance if k not in error.schema.get("properties", {}))
        return f"{where}: unknown {unknown}; allowed: {allowed}"
    if error.validator == "enum":
        return f"{where}: got {got}; allowed: {', '.join(map(str, error.validator_value))}"
    if error.validator == "const":
        return f"{where}: got {got}; allowed: {json.dumps(error.validator_value)}"
    if error.validator is None:
        return f"{where}: {got} is not used with this kind; remove it"
    if error.validator == "required":
        return f"{where}: {error.message}"
    return f"{where}: got {got}; {error.validator} must be {json.dumps(error.validator_value)}"


def _order_problems(found: dict[str, Any]) -> list[str]:
    """What a schema cannot say: deliveries exist, each is delivered once, in their order."""
    problems, order, at = [], [], -1
    for i, step in enumerate(found["steps"]):
        ((verb, argument),) = step.items()
        if verb == "generate":
            if order:
                problems.append(f"steps/{i}: a second generate; one is allowed")
            order = ["initial", *(f"increment-{n + 1}" for n in range(argument["increments"]))]
            order += [f["delivery"] for f in argument["faults"] if f["delivery"] not in order]
            order = list(dict.fromkeys(order))
        if verb == "deliver":
            if argument not in order:
                known = ", ".join(order) or "none before this step"
                problems.append(f"steps/{i}/deliver: got {argument!r}; deliveries made: {known}")
            elif order.index(argument) <= at:
                problems.append(f"steps/{i}/deliver: {argument!r} out of order; the order is {', '.join(order)}")
            else:
                at = order.index(argument)
    return problems
