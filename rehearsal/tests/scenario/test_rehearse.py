"""The check that follows the destruction of a stack."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rehearsal.deploy import LeftBehind
from rehearsal.deploy.deployment import Destroyed
from rehearsal.scenario.rehearse import _destroy
from rehearsal.scenario.resources import Phases

ENCRYPTED = "log group /aws-glue/jobs/Refine/Refine-role/RefineRole/output"


@pytest.mark.parametrize(
    ("by_products", "findings"),
    [
        ((), ()),
        (("log group /aws/lambda/f", "log group /aws-glue/jobs/output"), ()),
        ((ENCRYPTED,), (f"{ENCRYPTED}: the template has none of this name",)),
    ],
)
def test_encrypted_job_logs_have_their_groups(by_products: tuple[str, ...], findings: tuple[str, ...]) -> None:
    gone = Destroyed((), (), by_products)
    assert _destroy(SimpleNamespace(destroy=lambda: gone), Phases(), print).findings == findings


def test_what_is_left_is_listed() -> None:
    def destroy() -> Any:
        raise LeftBehind(["sqs queue q"])

    check = _destroy(SimpleNamespace(destroy=destroy), Phases(), print)
    assert any("sqs queue q" in finding for finding in check.findings)
