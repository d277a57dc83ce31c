"""Policies and requests in files, for the command line.

A policy file (`*.json` in the folder) holds one entry or a list of them:
  {"kind": "identity", "of": ["<role or user ARN>", …], "name": "…", "policy": {…}}
kind: `identity` and `boundary` (of roles or users), `resource` (of a bucket, queue, topic, function, secret, …),
`key` (of a KMS key), `trust` (of roles). name: what decisions call the policy (default: the file's name).

A request file holds a list of
  {"principal": "<ARN, service or *>", "action": "s3:GetObject", "resource": "<ARN or *>",
   "context": {"aws:SecureTransport": "true", "aws:TagKeys": ["a", "b"]}, "account": "<of a bucket>",
   "expect": "allow" | "deny"}
of which only principal, action and resource must be given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehearsal.iam.decide import Policies, Request
from rehearsal.iam.document import KINDS, Policy, parse
from rehearsal.iam.principals import read
from rehearsal.iam.problems import InvalidPolicy, Problem, shown
from rehearsal.iam.variables import Context, Values

_ENTRY = {"kind", "of", "name", "policy"}
_REQUEST = {"principal", "action", "resource", "context", "account", "expect"}


class BadInput(ValueError):
    """The files cannot be used; every problem is in `problems`."""

    def __init__(self, problems: list[Problem]):
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True)
class Asked:
    """One request of a file and the outcome its author expects: True, False or None."""

    request: Request
    expect: bool | None


@dataclass
class Book:
    """Policies by what they are attached to."""

    identity: dict[str, list[Policy]] = field(default_factory=dict)
    boundary: dict[str, Policy] = field(default_factory=dict)
    resource: dict[str, Policy] = field(default_factory=dict)

    def of(self, request: Request) -> Policies:
        """What applies to a request."""
        own = request.principal.arn
        return Policies(tuple(self.identity.get(own, ())), self.boundary.get(own), self.resource.get(holder(request)))

    def add(self, policy: Policy, arn: str) -> str | None:
        """Attach a policy; what is wrong with that, or None."""
        if policy.kind == "identity":
            self.identity.setdefault(arn, []).append(policy)
            return None
        book = self.boundary if policy.kind == "boundary" else self.resource
        if arn in book:
            return f"has a {policy.kind} policy already: {book[arn].name}"
        book[arn] = policy
        return None


def holder(request: Request) -> str:
    """The resource whose policy bears on a request: the bucket of an object, else the resource itself."""
    parts = request.resource.split(":", 5)
    if len(parts) == 6 and parts[2] == "s3":
        return ":".join([*parts[:5], parts[5].split("/", 1)[0]])
    return request.resource


def read_policies(folder: Path) -> Book:
    """Every policy of a folder. Raises BadInput."""
    problems: list[Problem] = []
    if not folder.is_dir():
        raise BadInput([Problem(str(folder), "", "is no folder; --policies takes a folder of *.json files")])
    files = sorted(folder.rglob("*.json"))
    if not files:
        raise BadInput([Problem(str(folder), "", "holds no *.json file")])
    book = Book()
    for path in files:
        content = _load(path, problems)
        for number, entry in enumerate(content if isinstance(content, list) else [content], 1):
            where = f"{path.name}[{number}]" if isinstance(content, list) else path.name
            if content is not None:
                problems += _add(book, entry, where, path.stem)
    if problems:
        raise BadInput(problems)
    return book


def read_requests(path: Path) -> list[Asked]:
    """The requests of a file. Raises BadInput."""
    problems: list[Problem] = []
    content = _load(path, problems)
    if content is not None and not (isinstance(content, list) and content):
        problems.append(Problem(str(path), shown(content), "must be a list of requests"))
        content = None
    asked = [_request(entry, f"{path.name}[{n}]", problems) for n, entry in enumerate(content or [], 1)]
    if problems:
        raise BadInput(problems)
    return [one for one in asked if one is not None]


def _load(path: Path, problems: list[Problem]) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        problems.append(Problem(str(path), "", f"cannot be read as JSON: {error}"))
        return None


def _add(book: Book, entry: Any, where: str, stem: str) -> Iterator[Problem]:
    if not isinstance(entry, dict) or not entry.keys() >= {"kind", "of", "policy"} or entry.keys() - _ENTRY:
        yield Problem(where, shown(entry), "must be an object of kind, of, policy and, at will, name")
        return
    if entry["kind"] not in KINDS:
        yield Problem(f"{where} kind", shown(entry["kind"]), f"must be one of {', '.join(KINDS)}")
        return
    targets = entry["of"] if isinstance(entry["of"], list) else [entry["of"]]
    for target in targets:
        if not isinstance(target, str) or not target.startswith("arn:"):
            yield Problem(f"{where} of", shown(target), "must be an ARN or a list of ARNs")
            return
    try:
        policy = parse(entry["policy"], entry["kind"], str(entry.get("name", stem)))
    except InvalidPolicy as error:
        yield from (Problem(f"{where} {p.path}", p.value, p.message) for p in error.problems)
        return
    for target in targets:
        if message := book.add(policy, target):
            yield Problem(f"{where} of", target, message)


def _request(entry: Any, where: str, problems: list[Problem]) -> Asked | None:
    known = isinstance(entry, dict) and not entry.keys() - _REQUEST
    if not known or not all(isinstance(entry.get(name), str) for name in ("principal", "action", "resource")):
        problems.append(Problem(where, shown(entry), f"must be an object of the texts {', '.join(sorted(_REQUEST))}"))
        return None
    before = len(problems)
    try:
        principal = read(entry["principal"])
    except ValueError as error:
        problems.append(Problem(f"{where} principal", shown(entry["principal"]), f"must be {error}"))
        return None
    if ":" not in entry["action"]:
        problems.append(Problem(f"{where} action", shown(entry["action"]), "must be <service>:<action>"))
    context = entry.get("context", {})
    if not isinstance(context, dict):
        problems.append(Problem(f"{where} context", shown(context), "must be an object: key → text or list of texts"))
        return None
    if entry.get("expect") not in (None, "allow", "deny"):
        problems.append(Problem(f"{where} expect", shown(entry["expect"]), "must be allow or deny"))
    values = {str(key): _values(value) for key, value in context.items()}
    if len(problems) > before:
        return None
    request = Request(principal, entry["action"], entry["resource"], Context(values), str(entry.get("account", "")))
    return Asked(request, {"allow": True, "deny": False}.get(entry.get("expect", "")))


def _values(value: Any) -> Values:
    if isinstance(value, list):
        return tuple(_text(item) for item in value)
    return _text(value)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
