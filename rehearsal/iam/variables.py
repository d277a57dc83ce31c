"""The request context, and the patterns of policies that may refer to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

Values = str | tuple[str, ...]
SPECIAL = ("*", "?", "$")
FORMS = "${<prefix>:<key>}, ${<prefix>:<key>, 'default'}, ${*}, ${?} and ${$}"
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z0-9.\-]+:\S+")
_WITH_DEFAULT = re.compile(r"(.*?),\s*'(.*)'")


class Context:
    """Condition keys of one request. Names are case-insensitive; a key with a tuple of values is multivalued."""

    def __init__(self, values: Mapping[str, Values] | None = None):
        self._values = {name.lower(): value for name, value in (values or {}).items()}

    def get(self, key: str) -> Values | None:
        return self._values.get(key.lower())

    def joined(self, more: Mapping[str, Values]) -> Context:
        """This context and `more`, which wins."""
        found = Context(more)
        found._values = {**self._values, **found._values}
        return found

    def items(self) -> list[tuple[str, Values]]:
        return sorted(self._values.items())


@lru_cache(maxsize=20_000)
def tokens(text: str) -> tuple[tuple[str, str], ...]:
    """The parts of a policy string: ("text", literal) and ("variable", what stands between the braces)."""
    found, at = [], 0
    for match in _VARIABLE.finditer(text):
        if match.start() > at:
            found.append(("text", text[at : match.start()]))
        found.append(("variable", match[1]))
        at = match.end()
    if at < len(text):
        found.append(("text", text[at:]))
    return tuple(found)


def variable_problem(text: str) -> str | None:
    """What is wrong with the variables of a policy string, or None."""
    if re.search(r"\$\{[^}]*$", text):
        return "a variable is not closed: ${…}"
    for kind, part in tokens(text):
        if kind == "variable" and part not in SPECIAL and not _NAME.fullmatch(_split(part)[0]):
            return f"${{{part}}} is no variable; those are {FORMS}"
    return None


def pieces(text: str, context: Context) -> Iterator[tuple[bool, str]] | None:
    """(literal, text) of a policy string with its variables replaced; None when one has no value.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    """
    found = []
    for kind, part in tokens(text):
        if kind == "text":
            found.append((False, part))
        elif part in SPECIAL:
            found.append((True, part))
        else:
            name, default = _split(part)
            value = context.get(name)
            if isinstance(value, tuple):
                return None  # a multivalued key is no variable
            if value is None and default is None:
                return None
            found.append((True, value if value is not None else str(default)))
    return iter(found)


def literal(text: str, context: Context) -> str | None:
    """A policy string for a comparison without wildcards."""
    found = pieces(text, context)
    return None if found is None else "".join(part for _, part in found)


def _split(part: str) -> tuple[str, str | None]:
    match = _WITH_DEFAULT.fullmatch(part)
    return (match[1].strip(), match[2]) if match else (part, None)
