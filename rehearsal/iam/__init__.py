"""Decides requests by IAM policies: a pure engine without the stand-in, and its command line."""

from rehearsal.iam.decide import Decision, Policies, Request, decide
from rehearsal.iam.document import Policy, parse
from rehearsal.iam.principals import Principal
from rehearsal.iam.problems import InvalidPolicy, Unevaluable
from rehearsal.iam.variables import Context

__all__ = [
    "Context",
    "Decision",
    "InvalidPolicy",
    "Policies",
    "Policy",
    "Principal",
    "Request",
    "Unevaluable",
    "decide",
    "parse",
]
