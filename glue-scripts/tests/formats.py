"""Tests over every table format: `@every_format` in `make test`; `@soak_format` but Iceberg in `make soak` only."""

from __future__ import annotations

import pytest

OTHERS = ("delta", "hudi")
every_format = pytest.mark.parametrize("lake", ["iceberg", *OTHERS], indirect=True)
soak_format = pytest.mark.parametrize(
    "lake", ["iceberg", *(pytest.param(name, marks=pytest.mark.soak) for name in OTHERS)], indirect=True
)
