"""What is wrong with a template, in words: gathered first, raised once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, order=True)
class Problem:
    """One reason why a template cannot be rehearsed.

    where: `<stack>/<logical id> (<type>)`, or a section of the template. path: the property path below it, or empty.
    value: what stands there, shortened. message: what is wrong and what is handled instead.
    """

    where: str
    path: str
    value: str
    message: str

    def __str__(self) -> str:
        place = f"{self.where} {self.path}".rstrip()
        got = f" (got {self.value})" if self.value else ""
        return f"{place}: {self.message}{got}"


class TemplateRefused(Exception):
    """The template holds something that the stand-in does not run. Nothing was made. `problems` has all of them."""

    def __init__(self, problems: list[Problem]):
        self.problems = sorted(set(problems))
        count = len(self.problems)
        head = f"the rehearsal refuses this template: {count} problem{'s' if count != 1 else ''}"
        super().__init__("\n".join([head, *(f"  {problem}" for problem in self.problems)]))


class DeployFailed(Exception):
    """A service refused a call, or does not report what the template asked for. What was made before is kept
    in `made` order on the Deployment that the error carries, so that the caller can destroy it."""

    def __init__(self, message: str, deployment: Any = None):
        super().__init__(message)
        self.deployment = deployment


class LeftBehind(Exception):
    """Something that the deployment made, or that ran in it, still exists after destroy."""

    def __init__(self, left: list[str]):
        self.left = left
        super().__init__("left behind after destroy:\n" + "\n".join(f"  {item}" for item in left))


def shorten(value: Any, limit: int = 120) -> str:
    """The value as one line of JSON, cut to `limit` characters."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= limit else text[: limit - 1] + "…"
