"""The examples of the services' documentation decide as their pages say; each names its page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rehearsal.iam import decide, files

PUBLISHED = Path(__file__).parent / "published"
EXAMPLES = [
    pytest.param(example, id=f"{path.stem}: {example['example']}")
    for path in sorted(PUBLISHED.glob("*.json"))
    for example in json.loads(path.read_text())
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_example(example: dict[str, Any], tmp_path: Path):
    assert example["page"].startswith("https://docs.aws.amazon.com/")
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "all.json").write_text(json.dumps(example["policies"]))
    (tmp_path / "requests.json").write_text(json.dumps(example["requests"]))
    book = files.read_policies(tmp_path / "policies")
    for asked in files.read_requests(tmp_path / "requests.json"):
        decision = decide(asked.request, book.of(asked.request))
        assert asked.expect is not None
        assert decision.allowed == asked.expect, f"{asked.request}: {decision}"
        assert decision.outcome != "refused", decision


def test_there_are_examples_of_every_kind():
    kinds = {policy["kind"] for param in EXAMPLES for policy in param.values[0]["policies"]}
    assert kinds == {"identity", "boundary", "resource", "key", "trust"}
    outcomes = {request["expect"] for param in EXAMPLES for request in param.values[0]["requests"]}
    assert outcomes == {"allow", "deny"} and len(EXAMPLES) >= 40
