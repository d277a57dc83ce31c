"""One Spark session and one stand-in for AWS (moto) for all tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "glue-scripts"), str(Path(__file__).parent)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "spark" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.spark)
        if "aws" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.cloud)


# Tests with which a process is long enough for better compiled code to pay.
_MANY = 150


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    """Address of the stand-in."""
    from stand_in import cloud

    with cloud() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def spark(aws: str, request: pytest.FixtureRequest) -> Iterator:
    """The Spark session of all tests."""
    from stand_in import QUICK, THOROUGH, session

    tests = [item for item in request.session.items if item.get_closest_marker("spark")]
    long = len(tests) > _MANY or any(test.get_closest_marker("soak") for test in tests)
    with session(aws, "3g" if long else "2g", THOROUGH if long else QUICK) as made:
        yield made


@pytest.fixture
def lake(spark, aws: str, request: pytest.FixtureRequest) -> Iterator:
    """A fresh, empty lake, whose tables have the format of the test's parameter. Default: Iceberg."""
    from lake import Lake

    made = Lake(spark, getattr(request, "param", "iceberg"))
    yield made
    made.clear()


@pytest.fixture(scope="session")
def source() -> Iterator:
    """The PostgreSQL database of all tests that compare with one."""
    from sources import running

    with running() as made:
        yield made
