"""One stand-in and one deployed app for the whole end-to-end suite."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from shop import SPEED, Shop

from rehearsal.cloud import Cloud, services
from rehearsal.deploy import deploy, synthesise

APP = Path(__file__).parent / "app"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules with a lake of their own come first: it lives as long as its module, the Shop to the end of the session,
    and a process has one stand-in at a time."""
    items.sort(key=lambda item: "assemblies" in getattr(item, "fixturenames", ()))


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


@pytest.fixture(scope="session")
def deployed(assemblies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    first, mended = assemblies
    cloud = Cloud(tmp_path_factory.mktemp("cloud"), speed=SPEED, scaled_environment=("WINDOW_SECONDS",), enforce=True)
    services.install(cloud)
    with cloud:
        deployment = deploy(cloud, first)
        shop = Shop(cloud, deployment, first, mended)
        shop.shorten_redelivery()
        yield shop
        denials = cloud.denials
        deployment.destroy()
    assert not denials, "\n".join(str(denial) for denial in denials)


@pytest.fixture
def shop(deployed: Shop) -> Iterator[Shop]:
    deployed.reset()
    yield deployed
    deployed.settle()
