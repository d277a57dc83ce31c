"""Strict readers for JSON objects: a missing, unknown or mistyped field is an error that names its path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class ShapeError(ValueError):
    """A document does not have the agreed shape."""


class Fields:
    """The fields of one JSON object. Every field is taken exactly once; `done` refuses what is left."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise ShapeError(f"{path}: is {type(value).__name__}; an object is needed")
        self._left = dict(value)
        self._path = path

    def take(self, name: str, kind: type[T]) -> T:
        value = self._pop(name)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ShapeError(f"{self._path}.{name}: is {value!r}; {kind.__name__} is needed")
        return value

    def optional(self, name: str, kind: type[T]) -> T | None:
        if self._left.get(name, ...) is None:
            self._pop(name)
            return None
        return self.take(name, kind)

    def number(self, name: str) -> float | None:
        value = self._pop(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ShapeError(f"{self._path}.{name}: is {value!r}; a number or null is needed")
        return float(value)

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(self.each(name, _text))

    def each(self, name: str, read: Callable[[Any, str], T]) -> tuple[T, ...]:
        values = self.take(name, list)
        return tuple(read(value, f"{self._path}.{name}[{i}]") for i, value in enumerate(values))

    def one(self, name: str, read: Callable[[Any, str], T]) -> T:
        return read(self._pop(name), f"{self._path}.{name}")

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        value = self.take(name, str)
        if value not in allowed:
            raise ShapeError(f"{self._path}.{name}: is {value!r}; allowed: {', '.join(allowed)}")
        return value

    def has(self, name: str) -> bool:
        """Whether a field that may be left out is there."""
        return name in self._left

    def version(self, supported: int) -> None:
        value = self.take("schema_version", int)
        if value != supported:
            raise ShapeError(f"{self._path}.schema_version: is {value}; these jobs read {supported}")

    def done(self) -> None:
        if self._left:
            raise ShapeError(f"{self._path}: unknown fields {', '.join(sorted(self._left))}")

    def _pop(self, name: str) -> Any:
        if name not in self._left:
            raise ShapeError(f"{self._path}.{name}: is missing")
        return self._left.pop(name)


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise ShapeError(f"{path}: is {value!r}; str is needed")
    return value
