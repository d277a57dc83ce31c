"""Background work of the stand-in: every thread is counted, and what goes wrong in one is kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """An internal error of the stand-in (not of the app): where it happened and the traceback."""

    where: str
    error: str


class InternalErrors(RuntimeError):
    """The stand-in itself failed in the background."""

    def __init__(self, problems: list[Problem]):
        super().__init__("the stand-in failed:\n" + "\n".join(f"{p.where}: {p.error}" for p in problems))
        self.problems = problems


class IdleTimeout(TimeoutError):
    """`wait_idle` ran out of time; `busy` names what is still under way."""

    def __init__(self, seconds: float, busy: list[str]):
        super().__init__(f"not idle after {seconds:g} s: " + "; ".join(busy))
        self.busy = busy
