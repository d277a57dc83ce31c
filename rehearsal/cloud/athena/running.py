"""What the stand-in's Athena knows of one execution besides what moto keeps."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import duckdb

from rehearsal.cloud.athena.engine import Answer, Question


@dataclass
class Running:
    """`caller` is the access key of who asked; `reason` and `category` say why it failed."""

    question: Question
    location: str
    encryption: dict[str, Any]
    caller: str
    reason: str = ""
    category: int = 0
    answer: Answer | None = None
    cancelled: bool = False
    connection: duckdb.DuckDBPyConnection | None = None
    started: float = field(default_factory=time.time)
    ended: float | None = None
