"""Replaces parts of moto while a Cloud runs and puts the originals back when it stops."""

from __future__ import annotations

from typing import Any

_ABSENT = object()


class Repairs:
    """Attribute replacements that can be undone, last first."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any]] = []

    def replace(self, owner: Any, name: str, value: Any) -> Any:
        """Set `owner.name` and return what was there. For a class, the attribute itself (not its binding)."""
        original = owner.__dict__.get(name, _ABSENT) if isinstance(owner, type) else getattr(owner, name, _ABSENT)
        if original is _ABSENT and not isinstance(owner, type):
            raise AttributeError(f"{owner!r} has no {name}: this is not the moto version the repairs are written for")
        self._undo.append((owner, name, original))
        setattr(owner, name, value)
        return original

    def undo(self) -> None:
        while self._undo:
            owner, name, original = self._undo.pop()
            if original is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, original)
