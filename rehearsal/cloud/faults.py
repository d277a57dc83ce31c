"""Kills callers before or after a chosen mutating call, so that production code carries no crash hooks."""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

When = Literal["before", "after"]


@dataclass(frozen=True)
class Caller:
    """Who made a call.

    kind: `lambda`, `job`, `execution` (of a state machine), `service` (rule targets, mappings, schedules),
    `role` (a session the administrator or an app assumed) or `administrator`. name: the function, job, state machine,
    service principal or session name. session: the access key. role: the role's ARN, the service principal when it
    acts by resource policy, or `administrator`.
    """

    kind: str
    name: str
    session: str
    role: str


@dataclass(frozen=True)
class Call:
    """One mutating call, numbered from 1 in the order of arrival.

    action is the API operation (`TransactWriteItems`, `PutObject`), resource the ARN, detail what tells calls of one
    resource apart: the keys a DynamoDB write touches (`Put lease#a/lease`), else empty.
    """

    number: int
    caller: Caller
    service: str
    action: str
    resource: str
    detail: str = ""

    def __str__(self) -> str:
        tail = f" ({self.detail})" if self.detail else ""
        who = f"#{self.number} {self.caller.kind} {self.caller.name}"
        return f"{who}: {self.service}:{self.action} {self.resource}{tail}"


@dataclass(frozen=True)
class Match:
    """Chooses calls by shell-style patterns (`*`, `?`, `[…]`), each `*` by default."""

    kind: str = "*"
    name: str = "*"
    service: str = "*"
    action: str = "*"
    resource: str = "*"
    detail: str = "*"

    def __call__(self, call: Call) -> bool:
        pairs = (
            (self.kind, call.caller.kind),
            (self.name, call.caller.name),
            (self.service, call.service),
            (self.action, call.action),
            (self.resource, call.resource),
            (self.detail, call.detail),
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


class Faults:
    """The record of mutating calls and the kills planned on it. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._kills: list[Kill] = []
        self._dead: dict[str, Call] = {}

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every mutating call so far, the administrator's among them. Refused calls are not in it, and a call that an
        SDK sent again is in it once."""
        with self._lock:
            return tuple(self._calls)

    def kill(self, match: Callable[[Call], bool], nth: int = 1, when: When = "before") -> Kill:
        """Kill the caller at the nth call (from 1, counted from now) that `match` chooses.

        `before`: the call is not performed. `after`: it is performed and its answer is lost. Every later call of that
        caller (the same Lambda instance, job run or execution) is refused with HTTP 403 `CallerKilled`, and its
        invocation or run counts as failed whatever it answers. Only Lambda instances, job runs, executions and
        assumed roles can be killed: the administrator and the services themselves cannot.
        """
        return self._plan(match, nth, when, process=False)

    def kill_process(self, match: Callable[[Call], bool], nth: int = 1, when: When = "before") -> Kill:
        """As `kill`, but the process of the caller (Lambda instance or job) gets SIGKILL as well."""
        return self._plan(match, nth, when, process=True)

    def dead(self, session: str) -> Call | None:
        """The call at which the session with this access key was killed, or None."""
        with self._lock:
            return self._dead.get(session)

    def clear(self) -> None:
        """Forget the plans and the record. Callers already killed stay dead."""
        with self._lock:
            self._calls.clear()
            self._kills.clear()

    def record(self, caller: Caller, service: str, action: str, resource: str, detail: str) -> tuple[Call, Kill | None]:
        """Note a mutating call that is about to be performed, and the kill that strikes it, if any."""
        with self._lock:
            call = Call(len(self._calls) + 1, caller, service, action, resource, detail)
            self._calls.append(call)
            if caller.kind in ("administrator", "service"):
                return call, None
            for kill in self._kills:
                if kill.call is None and kill.match(call):
                    kill.seen += 1
                    if kill.seen == kill.nth:
                        kill.call = call
                        self._dead[caller.session] = call
                        return call, kill
            return call, None

    def _plan(self, match: Callable[[Call], bool], nth: int, when: When, process: bool) -> Kill:
        if nth < 1 or when not in ("before", "after"):
            raise ValueError(f"kill: nth={nth!r} must be 1 or more and when={when!r} 'before' or 'after'")
        kill = Kill(match, nth, when, process)
        with self._lock:
            self._kills.append(kill)
        return kill
