"""Whether the vaults turn every token of the cleaned tables back into what landed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rehearsal.data.declared import Dataset
from rehearsal.data.encode import text
from rehearsal.data.protected import stored
from rehearsal.scenario.checks import Check

_MOST = 10


def due(rows: Iterable[tuple[Any, ...]], dataset: Dataset, secrets: Mapping[str, bytes]) -> dict[str, dict[str, str]]:
    """What the tokens of these rows stand for, by vault."""
    columns = [(i, c) for i, c in enumerate(dataset.columns) if c.protect == "tokenise"]
    found: dict[str, dict[str, str]] = {dict(c.form)["vault"]: {} for _, c in columns}
    for row in rows:
        for i, column in columns:
            if row[i] is not None:
                found[dict(column.form)["vault"]][stored(row[i], column, secrets)] = str(text(row[i], column))
    return found


def vaults(wanted: Mapping[str, Mapping[str, str]], held: Mapping[str, list[dict[str, Any]]]) -> Check:
    """Each token once, with its value. A vault may hold more: values that tables have had."""
    findings = []
    for vault, tokens in wanted.items():
        rows = held.get(vault, [])
        have = {row["token"]: row["value"] for row in rows}
        if len(have) != len(rows):
            findings.append(f"{vault}: {len(rows) - len(have)} tokens are there more than once")
        wrong = [token for token, value in tokens.items() if have.get(token) != value]
        findings += [f"{vault}: {t} stands for {have.get(t, 'nothing')}, not {tokens[t]}" for t in sorted(wrong)]
    return Check("vaults", "every token of a cleaned table is turned back into what landed", tuple(findings[:_MOST]))
