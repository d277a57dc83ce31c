"""What is said about policies and requests that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """Where something is wrong, what stands there, and what is allowed."""

    path: str
    value: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" + (f" (got {self.value})" if self.value else "")


class InvalidPolicy(ValueError):
    """A policy the service would refuse, or one that holds what the engine does not evaluate; with every problem."""

    def __init__(self, problems: list[Problem]):
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class Unevaluable(Exception):
    """A statement that bears on a request cannot be evaluated: the request is refused, never let through."""


def shown(value: object) -> str:
    """A value as an error shows it: short, on one line."""
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "…"
