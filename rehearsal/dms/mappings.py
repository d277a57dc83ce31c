"""Table mappings: which tables are replicated, and which columns are added to them.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TableMapping.SelectionTransformation.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from rehearsal.dms.problems import Problems, parse

HEADERS = ("AR_H_CHANGE_SEQ", "AR_H_STREAM_POSITION", "AR_H_COMMIT_TIMESTAMP", "AR_H_OPERATION")
"""Header variables that an added column may hold."""

MOST_EXPRESSION_LENGTH = 256
FILTERS = ("pk-only", "non-lob", "all")
_RULE = {"rule-type", "rule-id", "rule-name", "rule-action", "object-locator"}
_SELECTION = _RULE | {"filters", "load-order"}
_TRANSFORMATION = _RULE | {"rule-target", "value", "expression", "data-type", "before-image-def", "old-value"}


@dataclass(frozen=True)
class Locator:
    """Names of a schema and a table. Unless literal, `%`, `_` and `[…]` are wildcards."""

    schema: str
    table: str
    literal: bool = False

    def matches(self, schema: str, table: str) -> bool:
        if self.literal:
            return (self.schema, self.table) == (schema, table)
        return bool(_pattern(self.schema).fullmatch(schema) and _pattern(self.table).fullmatch(table))


@dataclass(frozen=True)
class Selection:
    """A selection rule. order: tables of a higher one are loaded first."""

    action: Literal["include", "exclude", "explicit"]
    where: Locator
    order: int = 0


@dataclass(frozen=True)
class AddedColumn:
    """A string column that holds a header variable. length: longer values are cut."""

    where: Locator
    name: str
    header: str
    length: int


@dataclass(frozen=True)
class BeforeImage:
    """Columns that hold the values from before an update. filter: of which columns."""

    where: Locator
    prefix: str
    suffix: str
    filter: Literal["pk-only", "non-lob", "all"]


@dataclass(frozen=True)
class Mappings:
    selections: tuple[Selection, ...]
    added: tuple[AddedColumn, ...]
    before_images: tuple[BeforeImage, ...]

    def selects(self, schema: str, table: str) -> bool:
        """Whether a table is replicated: some rule includes it, none excludes it."""
        found = [rule.action for rule in self.selections if rule.where.matches(schema, table)]
        return bool(found) and "exclude" not in found

    def order(self, schema: str, table: str) -> int:
        found = [r.order for r in self.selections if r.action != "exclude" and r.where.matches(schema, table)]
        return max(found, default=0)

    def added_columns(self, schema: str, table: str) -> list[AddedColumn]:
        return [column for column in self.added if column.where.matches(schema, table)]

    def before_image(self, schema: str, table: str) -> BeforeImage | None:
        return next((rule for rule in self.before_images if rule.where.matches(schema, table)), None)


def parse_mappings(document: str) -> Mappings:
    """The rules of a `TableMappings` document. Raises Refused with everything that is wrong or not modelled."""
    problems = Problems()
    given = parse(document, "TableMappings", problems)
    rules = given.get("rules") if isinstance(given, dict) else None
    if not isinstance(rules, list) or set(given) - {"rules"}:
        problems.add("TableMappings", given, 'an object with the one member "rules", a list, is expected')
        rules = []
    reader = _Reader(problems)
    for index, rule in enumerate(rules):
        reader.rule(f"TableMappings.rules[{index}]", rule)
    if not any(s.action != "exclude" for s in reader.selections):
        problems.add("TableMappings.rules", rules, "no selection rule includes a table")
    problems.settle()
    return Mappings(tuple(reader.selections), tuple(reader.added), tuple(reader.before))


class _Reader:
    def __init__(self, problems: Problems):
        self.problems = problems
        self.ids: set[Any] = set()
        self.names: set[Any] = set()
        self.selections: list[Selection] = []
        self.added: list[AddedColumn] = []
        self.before: list[BeforeImage] = []

    def rule(self, path: str, rule: Any) -> None:
        kinds = {"selection": _SELECTION, "transformation": _TRANSFORMATION}
        if not isinstance(rule, dict) or rule.get("rule-type") not in kinds:
            self.problems.add(path, rule, f"modelled rule types: {', '.join(kinds)}")
            return
        for key in sorted(set(rule) - kinds[rule["rule-type"]]):
            self.problems.add(f"{path}.{key}", rule[key], "this member is not modelled")
        for key in sorted(_RULE - set(rule)):
            self.problems.add(f"{path}.{key}", None, "this member is required")
        self._unique(f"{path}.rule-id", rule.get("rule-id"), self.ids, r"[0-9]+")
        self._unique(f"{path}.rule-name", rule.get("rule-name"), self.names, r".+")
        if rule["rule-type"] == "selection":
            self._selection(path, rule)
        else:
            self._transformation(path, rule)

    def _unique(self, path: str, value: Any, seen: set[Any], form: str) -> None:
        if not isinstance(value, str) or not re.fullmatch(form, value):
            self.problems.add(path, value, f"a text of the form {form} is expected")
        elif value in seen:
            self.problems.add(path, value, "another rule has it too; it must be unique")
        else:
            seen.add(value)

    def _locator(self, path: str, rule: dict[str, Any], literal: bool, columns: bool) -> Locator | None:
        where = rule.get("object-locator")
        if not isinstance(where, dict):
            return None
        allowed = {"schema-name", "table-name", *(("column-name",) if columns else ("table-type",))}
        for key in sorted(set(where) - allowed):
            self.problems.add(f"{path}.object-locator.{key}", where[key], "this member is not modelled")
        if where.get("table-type", "table") != "table":
            self.problems.add(f"{path}.object-locator.table-type", where["table-type"], 'modelled: "table"')
        names = where.get("schema-name"), where.get("table-name")
        for key, name in zip(("schema-name", "table-name"), names, strict=True):
            if not isinstance(name, str) or not name:
                self.problems.add(f"{path}.object-locator.{key}", name, "a name or pattern is required")
            elif literal and "%" in name:
                self.problems.add(f"{path}.object-locator.{key}", name, "an explicit rule takes no wildcard")
        if not all(isinstance(name, str) and name for name in names):
            return None
        return Locator(str(names[0]), str(names[1]), literal)

    def _selection(self, path: str, rule: dict[str, Any]) -> None:
        action = rule.get("rule-action")
        if action not in ("include", "exclude", "explicit"):
            self.problems.add(f"{path}.rule-action", action, "modelled: include, exclude, explicit")
            return
        if rule.get("filters"):
            self.problems.add(f"{path}.filters", rule["filters"], "filters are not modelled")
        order = rule.get("load-order", 0)
        try:
            order = int(order)
        except (TypeError, ValueError):
            self.problems.add(f"{path}.load-order", order, "a whole number is expected")
            return
        where = self._locator(path, rule, action == "explicit", columns=False)
        if where is not None:
            self.selections.append(Selection(action, where, order))

    def _transformation(self, path: str, rule: dict[str, Any]) -> None:
        if rule.get("rule-target") != "column":
            self.problems.add(f"{path}.rule-target", rule.get("rule-target"), 'modelled: "column"')
        where = self._locator(path, rule, literal=False, columns=True)
        match rule.get("rule-action"):
            case "add-column":
                self._add_column(path, rule, where)
            case "add-before-image-columns":
                self._before_image(path, rule, where)
            case action:
                message = "modelled transformations: add-column, add-before-image-columns"
                self.problems.add(f"{path}.rule-action", action, message)

    def _add_column(self, path: str, rule: dict[str, Any], where: Locator | None) -> None:
        name, expression = rule.get("value"), rule.get("expression")
        if not isinstance(name, str) or not name:
            self.problems.add(f"{path}.value", name, "the name of the added column is required")
        header = expression[1:] if isinstance(expression, str) and expression.startswith("$") else ""
        if header not in HEADERS:
            allowed = ", ".join(f"${h}" for h in HEADERS)
            self.problems.add(f"{path}.expression", expression, f"modelled expressions: {allowed}")
        kind = rule.get("data-type")
        length = kind.get("length") if isinstance(kind, dict) else None
        if not isinstance(kind, dict) or kind.get("type") != "string" or set(kind) - {"type", "length", "scale"}:
            self.problems.add(f"{path}.data-type", kind, 'modelled: {"type": "string", "length": n}')
        try:
            size = int(length) if length not in (None, "") else MOST_EXPRESSION_LENGTH
        except (TypeError, ValueError):
            self.problems.add(f"{path}.data-type.length", length, "a whole number is expected")
            return
        if where is not None and isinstance(name, str):
            self.added.append(AddedColumn(where, name, header, size))

    def _before_image(self, path: str, rule: dict[str, Any], where: Locator | None) -> None:
        spec = rule.get("before-image-def")
        if not isinstance(spec, dict):
            self.problems.add(f"{path}.before-image-def", spec, "an object is required")
            return
        for key in sorted(set(spec) - {"column-prefix", "column-suffix", "column-filter"}):
            self.problems.add(f"{path}.before-image-def.{key}", spec[key], "this member is not modelled")
        chosen = spec.get("column-filter", "pk-only")
        if chosen not in FILTERS:
            self.problems.add(f"{path}.before-image-def.column-filter", chosen, f"modelled: {', '.join(FILTERS)}")
            return
        prefix, suffix = spec.get("column-prefix", "BI_"), spec.get("column-suffix", "")
        if not prefix and not suffix:
            self.problems.add(f"{path}.before-image-def", spec, "a prefix or a suffix is required")
        if where is not None:
            self.before.append(BeforeImage(where, prefix, suffix, chosen))


def _pattern(text: str) -> re.Pattern[str]:
    """A name pattern: `%` any characters, `_` one character, `[…]` one of a set."""
    parts = re.split(r"(%|_|\[[^\]]+\])", text)
    return re.compile("".join(_part(part) for part in parts), re.DOTALL)


def _part(part: str) -> str:
    if part in ("%", "_"):
        return {"%": ".*", "_": "."}[part]
    if part.startswith("[") and len(part) > 2:
        return "[" + re.sub(r"([\\^\]])", r"\\\1", part[1:-1]) + "]"
    return re.escape(part)
