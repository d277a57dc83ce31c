"""Who makes a request, and which entries of Principal name them.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["role", "user", "root", "service", "federated", "anonymous"]
_ARN = re.compile(r"arn:(aws[a-z-]*):(iam|sts)::(\d{12}):(.+)")


class Named(enum.IntEnum):
    """How directly a statement names the requester."""

    NOT = 0
    ACCOUNT = 1  # the account: its own policies decide who in it
    ROLE = 2  # the role of a session: limited by the role's permissions boundary
    SELF = 3  # the user, session or service itself, or everybody


@dataclass(frozen=True)
class Principal:
    """The requester. arn: of the user or role, or the name of a service or identity provider."""

    kind: Kind
    arn: str
    session: str = ""

    @property
    def account(self) -> str:
        found = _ARN.fullmatch(self.arn)
        return found[3] if found else ""

    @property
    def session_arn(self) -> str:
        """The ARN of a role's session, of any other principal its own."""
        found = _ARN.fullmatch(self.arn)
        if self.kind != "role" or found is None or not self.session:
            return self.arn
        name = self.arn.rsplit("/", 1)[-1]
        return f"arn:{found[1]}:sts::{found[3]}:assumed-role/{name}/{self.session}"

    def __str__(self) -> str:
        return self.session_arn or "anonymous"


def read(text: str) -> Principal:
    """A requester from its text. Raises ValueError with the forms there are."""
    if text == "*":
        return Principal("anonymous", "")
    found = _ARN.fullmatch(text)
    if found and found[2] == "iam":
        kind, _, _ = found[4].partition("/")
        if kind in ("role", "user") and "/" in found[4]:
            return Principal("role" if kind == "role" else "user", text)
        if kind == "root":
            return Principal("root", text)
    if found and found[2] == "sts" and (session := re.fullmatch(r"assumed-role/([^/]+)/([^/]+)", found[4])):
        return Principal("role", f"arn:{found[1]}:iam::{found[3]}:role/{session[1]}", session[2])
    if re.fullmatch(r"[a-z0-9.-]+\.amazonaws\.com(\.cn)?", text):
        return Principal("service", text)
    raise ValueError(
        "a role, user, root or assumed-role ARN, a service (lambda.amazonaws.com) or * for an anonymous request"
    )


def entry_problem(kind: str, text: str) -> str | None:
    """What is wrong with one entry of a Principal element, or None."""
    if kind == "AWS":
        if text == "*" or re.fullmatch(r"\d{12}", text):
            return None
        if not _ARN.fullmatch(text):
            return "an account id, an ARN of an account, role, user or session, or *"
        return "no wildcard may stand in the name of a principal" if "*" in text or "?" in text else None
    if kind == "Service":
        return None if re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", text) else "a service such as lambda.amazonaws.com"
    if kind == "Federated":
        return None
    return f"the engine evaluates AWS, Service and Federated, not {kind}"


def named(principal: Principal, entries: Iterable[tuple[str, str]]) -> Named:
    """How directly the entries of a Principal element name a requester."""
    return max((_one(principal, kind, text) for kind, text in entries), default=Named.NOT)


def excepted(principal: Principal, entries: Iterable[tuple[str, str]]) -> bool:
    """Whether a NotPrincipal element spares a requester: session, role and account must all be listed.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
    """
    texts = {(kind, _account_of(text)) for kind, text in entries}
    if principal.kind == "service":
        return ("Service", principal.arn) in texts
    needed = {("AWS", principal.account), ("AWS", principal.arn), ("AWS", principal.session_arn)}
    if principal.kind == "root":
        needed = {("AWS", principal.account)}
    return bool(principal.account) and needed <= texts


def _one(principal: Principal, kind: str, text: str) -> Named:
    if kind == "AWS" and text == "*":
        return Named.SELF
    if kind == "Service":
        return Named.SELF if principal.kind == "service" and principal.arn == text else Named.NOT
    if kind == "Federated":
        return Named.SELF if principal.kind == "federated" and principal.arn == text else Named.NOT
    if principal.kind == "root" and _account_of(text) == principal.account:
        return Named.SELF
    if principal.kind == "role" and text == principal.arn:
        return Named.ROLE
    if text in (principal.session_arn, principal.arn) and principal.kind in ("role", "user"):
        return Named.SELF
    if principal.account and _account_of(text) == principal.account:
        return Named.ACCOUNT
    return Named.NOT


def _account_of(text: str) -> str:
    """The account id where an entry names a whole account, else the entry."""
    found = _ARN.fullmatch(text)
    return found[3] if found and found[4] == "root" else text
