"""Command line: `python -m rehearsal iam --policies DIR --requests FILE`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rehearsal.iam import files
from rehearsal.iam.decide import decide


def main(arguments: list[str]) -> int:
    """0: every request is decided, as expected where it says so; 1: an expectation is not met; 2: unusable input."""
    parser = argparse.ArgumentParser(
        prog="python -m rehearsal iam",
        description="Decide requests by IAM policies, and print the statement that decided each.",
        epilog=(files.__doc__ or "").partition("\n\n")[2]
        + "\nExit code 0: every request is decided, and as expected where it has expect; 1: an expectation is not met;"
        "\n2: the files cannot be used, said in a line each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--policies", type=Path, required=True, metavar="DIR", help="folder of policy files")
    parser.add_argument("--requests", type=Path, required=True, metavar="FILE", help="file of requests")
    given = parser.parse_args(arguments)
    problems = []
    try:
        book = files.read_policies(given.policies)
    except files.BadInput as error:
        problems += error.problems
    try:
        requests = files.read_requests(given.requests)
    except files.BadInput as error:
        problems += error.problems
    if problems:
        print("\n".join(f"iam: {problem}" for problem in problems), file=sys.stderr)
        return 2
    return _decide(book, requests)


def _decide(book: files.Book, requests: list[files.Asked]) -> int:
    unmet = 0
    for asked in requests:
        request = asked.request
        decision = decide(request, book.of(request))
        word = "ALLOW" if decision.allowed else "DENY "
        print(f"{word} {request.principal} {request.action} {request.resource}\n      {decision.reason}")
        if asked.expect is not None and asked.expect != decision.allowed:
            unmet += 1
            print(f"      EXPECTED {'allow' if asked.expect else 'deny'}")
    if unmet:
        print(f"{unmet} of {len(requests)} decisions are not as expected", file=sys.stderr)
    return 1 if unmet else 0
