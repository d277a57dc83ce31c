"""Prefixes of S3 objects: their expressions, judged when the stream is made and evaluated when an object is written.

https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

LIMIT = 512
"""Characters of an evaluated prefix."""

LAMBDA, QUERY, TIMESTAMP, FIREHOSE = "partitionKeyFromLambda", "partitionKeyFromQuery", "timestamp", "firehose"
ERROR_TYPE, RANDOM = "error-output-type", "random-string"

# Letters of java.time.format.DateTimeFormatter that are modelled, by how often they are repeated.
_FIELDS = {
    "yyyy": "%Y",
    "uuuu": "%Y",
    "MM": "%m",
    "dd": "%d",
    "HH": "%H",
    "mm": "%M",
    "ss": "%S",
}


class BadPrefix(ValueError):
    """A prefix that the service refuses, or an expression that is not modelled."""


@dataclass(frozen=True)
class Expression:
    """`!{namespace:value}`."""

    namespace: str
    value: str


@dataclass(frozen=True)
class Prefix:
    """A prefix in its parts: literal text and expressions."""

    parts: tuple[str | Expression, ...]

    @property
    def expressions(self) -> tuple[Expression, ...]:
        return tuple(part for part in self.parts if isinstance(part, Expression))

    def partition_keys(self) -> tuple[str, ...]:
        """Names of the partition keys it asks of the function, each once."""
        return tuple(dict.fromkeys(e.value for e in self.expressions if e.namespace == LAMBDA))

    def partition(self, keys: Mapping[str, str]) -> str:
        """What tells one partition of records from another: the prefix with its partition keys put in."""
        return "".join(self._text(part, keys) for part in self.parts)

    @staticmethod
    def _text(part: str | Expression, keys: Mapping[str, str]) -> str:
        if isinstance(part, str):
            return part
        return keys[part.value] if part.namespace == LAMBDA else f"!{{{part.namespace}:{part.value}}}"

    def evaluate(self, at: datetime, keys: Mapping[str, str] | None = None, error_type: str = "") -> str:
        """The prefix of an object whose oldest record arrived `at` (UTC). Raises BadPrefix beyond 512 characters."""
        text = "".join(self._values(at, keys or {}, error_type))
        if len(text) > LIMIT:
            raise BadPrefix(f"prefix {text[:80]}…: {len(text)} characters once evaluated; at most {LIMIT}")
        return text

    def _values(self, at: datetime, keys: Mapping[str, str], error_type: str) -> Iterator[str]:
        for part in self.parts:
            if isinstance(part, str):
                yield part
            elif part.namespace == TIMESTAMP:
                yield _time(part.value, at)
            elif part.namespace == LAMBDA:
                yield keys[part.value]
            elif part.value == ERROR_TYPE:
                yield error_type
            else:
                yield "".join(random.choices(string.ascii_lowercase + string.digits, k=11))


def parse(text: str) -> Prefix:
    """Split a prefix. Raises BadPrefix for an expression that the service or the model does not know."""
    parts: list[str | Expression] = []
    at = 0
    while (start := text.find("!{", at)) >= 0:
        end = text.find("}", start)
        if end < 0:
            raise BadPrefix(f"prefix {text!r}: the expression at character {start} has no end")
        namespace, colon, value = text[start + 2 : end].partition(":")
        if not colon:
            raise BadPrefix(f"prefix {text!r}: !{{{namespace}}} is no !{{namespace:value}}")
        parts += [text[at:start], Expression(namespace, value)]
        _judge(text, parts[-1])
        at = end + 1
    parts.append(text[at:])
    return Prefix(tuple(part for part in parts if part != ""))


def destination(prefix: str, error_prefix: str, *, dynamic: bool, transformed: bool) -> tuple[Prefix, Prefix]:
    """Judge the two prefixes of a destination together. Raises BadPrefix with what the service would refuse."""
    plain, error = parse(prefix), parse(error_prefix)
    namespaces = {e.namespace for e in plain.expressions}
    if Expression(FIREHOSE, ERROR_TYPE) in plain.expressions:
        raise BadPrefix(f"Prefix {prefix!r}: !{{firehose:error-output-type}} is for ErrorOutputPrefix only")
    if QUERY in namespaces:
        raise BadPrefix(f"Prefix {prefix!r}: partition keys from queries are not modelled")
    if LAMBDA in namespaces and not (dynamic and transformed):
        raise BadPrefix(f"Prefix {prefix!r}: partition keys need dynamic partitioning and a Lambda processor")
    if dynamic and LAMBDA not in namespaces:
        raise BadPrefix(f"Prefix {prefix!r}: dynamic partitioning needs a partition key in the prefix")
    if error_prefix == "":
        raise BadPrefix("ErrorOutputPrefix: missing; what no error prefix means is not modelled")
    if any(e.namespace in (LAMBDA, QUERY) for e in error.expressions):
        raise BadPrefix(f"ErrorOutputPrefix {error_prefix!r}: partition keys are not allowed here")
    if Expression(FIREHOSE, ERROR_TYPE) not in error.expressions:
        raise BadPrefix(f"ErrorOutputPrefix {error_prefix!r}: !{{firehose:error-output-type}} is missing")
    if TIMESTAMP not in namespaces:
        plain = parse(prefix + "!{timestamp:yyyy/MM/dd/HH/}")
    return plain, error


def _judge(text: str, part: str | Expression) -> None:
    assert isinstance(part, Expression)
    match part:
        case Expression("timestamp", value):
            _time(value, datetime(2000, 1, 1))
        case Expression("firehose", "error-output-type" | "random-string"):
            pass
        case Expression("partitionKeyFromLambda" | "partitionKeyFromQuery", value) if value:
            pass
        case _:
            raise BadPrefix(f"prefix {text!r}: unknown expression !{{{part.namespace}:{part.value}}}")


def _time(form: str, at: datetime) -> str:
    """A time by a Java pattern. Raises BadPrefix for letters that are not modelled."""
    if form.count("'") % 2:
        raise BadPrefix(f"timestamp {form!r}: a quote has no end")
    out = []
    for literal, letters, other in re.findall(r"'((?:[^']|'')*)'|([A-Za-z]+)|([^A-Za-z'])", form):
        if not letters:
            out.append(other or literal.replace("''", "'") or "'")
            continue
        for run in re.findall(r"(([A-Za-z])\2*)", letters):
            if run[0] not in _FIELDS:
                known = ", ".join(_FIELDS)
                raise BadPrefix(f"timestamp {form!r}: {run[0]} is not modelled; modelled: {known} and quoted text")
            out.append(at.strftime(_FIELDS[run[0]]))
    return "".join(out)
