"""Kills callers before or after a chosen mutating call, so that production code carries no crash hooks."""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

When = Literal["before", "after"]


@dataclass(frozen=True)
class Caller:
    """Who made a call.

    kind: `lambda`, `job`, `execution` (of a state machine), `service` (rule targets, mappings, schedules without a
    role) or `administrator`. name: the function, job, state machine or service principal. session: the access key.
    role: the role's ARN, the service principal, or `administrator`.
    """

    kind: str
    name: str
    session: str
    role: str


@dataclass(frozen=True)
class Call:
    """One mutating call, numbered from 1 in the order of arrival."""

    number: int
    caller: Caller
    service: str
    action: str
    resource: str

    def __str__(self) -> str:
        return f"#{self.number} {self.caller.kind} {self.caller.name}: {self.service}:{self.action} {self.resource}"


@dataclass(frozen=True)
class Match:
    """Chooses calls by shell-style patterns (`*`, `?`, `[…]`), each `*` by default."""

    kind: str = "*"
    name: str = "*"
    service: str = "*"
    action: str = "*"
    resource: str = "*"

    def __call__(self, call: Call) -> bool:
        pairs = (
            (self.kind, call.caller.kind),
            (self.name, call.caller.name),
            (self.service, call.service),
            (self.action, call.action),
            (self.resource, call.resource),
        )
        return all(fnmatch.fnmatchcase(value, pattern) for pattern, value in pairs)


@dataclass
class Kill:
    """A planned kill. `call` is the call it struck, or None while it has not fired."""

    match: Callable[[Call], bool]
    nth: int
    when: When
    process: bool
    seen: int = 0
    call: Call | None = None

    @property
    def fired(self) -> bool:
        return self.call is not None


@dataclass
class Faults:
    """The record of mutating calls and the kills planned on it. Safe to use from several threads."""

    _calls: list[Call] = field(default_factory=list)
    _kills: list[Kill] = field(default_factory=list)
    _killed: dict[str, Call] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every mutating call so far, the administrator's among them."""
        with self._lock:
            return tuple(self._calls)

    def kill(self, match: Callable[[Call], bool], nth: int = 1, when: When = "before") -> Kill:
        """Kill the caller at the nth call (from 1, counted from now) that `match` chooses.

        `before`: the call is not performed. `after`: it is performed and its answer is lost. Every later call of that
        caller (the same Lambda instance, job run or execution) is refused with HTTP 403 `CallerKilled`, and its
        invocation or run counts as failed whatever it answers.
        """
        return self._plan(match, nth, when, process=False)

    def kill_process(self, match: Callable[[Call], bool], nth: int = 1, when: When = "before") -> Kill:
        """As `kill`, but the process of the caller (Lambda instance or job) gets SIGKILL as well."""
        return self._plan(match, nth, when, process=True)

    def clear(self) -> None:
        """Forget the plans and the record. Callers already killed stay dead."""
        with self._lock:
            self._calls.clear()
            self._kills.clear()

    def _plan(self, match: Callable[[Call], bool], nth: int, when: When, process: bool) -> Kill:
        if nth < 1 or when not in ("before", "after"):
            raise ValueError(f"kill: nth={nth!r} must be 1 or more and when={when!r} 'before' or 'after'")
        kill = Kill(match, nth, when, process)
        with self._lock:
            self._kills.append(kill)
        return kill
