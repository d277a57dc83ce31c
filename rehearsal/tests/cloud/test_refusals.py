"""What the stand-in does not model is refused, and surfaces as a problem."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from rehearsal.tests.cloud.test_statemachines import task

pytestmark = pytest.mark.cloud


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"Type": "Pass", "QueryLanguage": "JSONata", "End": True}, "JSONata"),
        (task("sqs:sendMessage.waitForTaskToken", {"QueueUrl": "u", "MessageBody": "b"}), "task token"),
        (
            {
                "Type": "Map",
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                    "StartAt": "P",
                    "States": {"P": {"Type": "Pass", "End": True}},
                },
                "End": True,
            },
            "distributed map",
        ),
    ],
)
def test_what_is_not_modelled_is_refused(new_cloud, state: dict[str, Any], reason: str) -> None:
    account = new_cloud()
    with pytest.raises(ClientError, match=f"does not model this call.*{reason}"):
        account.machine({"A": state})
    assert reason in account.cloud.problems[0].error
