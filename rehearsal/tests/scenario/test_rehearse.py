"""The checks of a whole rehearsal: what roles were refused, what a destroyed stack leaves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rehearsal.cloud.enforcement import Denial
from rehearsal.deploy import LeftBehind
from rehearsal.deploy.deployment import Destroyed
from rehearsal.scenario.rehearse import _destroy, roles
from rehearsal.scenario.resources import Phases
from rehearsal.scenario.run import Refused, Runner

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


DENIAL = Denial(
    "lambda Notice", "arn:aws:iam::111122223333:role/notice", "s3:GetObject", "arn:aws:s3:::raw/a", "no statement"
)


def test_a_denial_is_a_finding() -> None:
    assert roles(SimpleNamespace(denials=[])).ok
    (finding,) = roles(SimpleNamespace(denials=[DENIAL])).findings
    assert all(text in finding for text in (DENIAL.role, DENIAL.action, DENIAL.resource, DENIAL.caller))


def test_nobody_waits_for_a_lake_that_is_refused() -> None:
    def wait_idle(_seconds: float, on_progress: Any) -> None:
        on_progress(["queue q: 1 visible"])

    cloud = SimpleNamespace(denials=[DENIAL], wait_idle=wait_idle)
    stage = SimpleNamespace(cloud=cloud, live=None, lake=lambda: None)
    with pytest.raises(Refused, match="role/notice may not s3:GetObject on arn:aws:s3:::raw/a"):
        Runner(None, stage, None, None, print)._settle({})
