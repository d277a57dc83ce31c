"""One stand-in and one deployed app for the whole end-to-end suite."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from shop import Shop

from rehearsal.cloud import Cloud, services
from rehearsal.deploy import Deployment, deploy, synthesise

APP = Path(__file__).parent / "app"

SPEED = 60.0
"""The app's window is 60 seconds, so here it is one."""


@pytest.fixture(scope="session")
def assemblies(tmp_path_factory: pytest.TempPathFactory):
    """The app as first declared, and mended."""
    out = tmp_path_factory.mktemp("synth")
    first = synthesise(APP, out / "first")
    os.environ["SHOP_MENDED"] = "1"
    try:
        return first, synthesise(APP, out / "mended")
    finally:
        del os.environ["SHOP_MENDED"]


def shorten_redelivery(cloud: Cloud, deployment: Deployment) -> None:
    """Deliver the messages of a killed function again after a second: waiting longer proves nothing more."""
    queues = cloud.client("sqs")
    for queue in deployment.of_type("AWS::SQS::Queue"):
        queues.set_queue_attributes(QueueUrl=queue.physical_id, Attributes={"VisibilityTimeout": str(int(SPEED))})


@pytest.fixture(scope="session")
def deployed(assemblies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    first, mended = assemblies
    cloud = Cloud(tmp_path_factory.mktemp("cloud"), speed=SPEED, scaled_environment=("WINDOW_SECONDS",))
    services.install(cloud)
    with cloud:
        deployment = deploy(cloud, first)
        shorten_redelivery(cloud, deployment)
        yield Shop(cloud, deployment, first, mended)
        deployment.destroy()


@pytest.fixture
def shop(deployed: Shop) -> Iterator[Shop]:
    deployed.reset()
    yield deployed
    deployed.settle()
