"""A dataset loaded by snapshots, its deliveries, and a model of what they leave."""

from __future__ import annotations

from dataclasses import dataclass, field

from lake import Lake
from lakejobs.refine.delivery import SNAPSHOT_PROPERTY
from specs import column, dataset

DAY = "(?:^|[^0-9])(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})(?:[^0-9]|$)"
ID = "sales.rates"
NAMES = ["id", "name", "rate"]
RATES = dataset(
    "rates",
    [
        column("id", "bigint", required=True),
        column("name"),
        column("rate", "decimal(9,4)", rules=[{"kind": "range", "min": "0", "max": None}]),
    ],
    ["id"],
    load="snapshot",
    delivery={"stamp": DAY},
    gate={"max_quarantined_share": None, "min_rows": None, "max_deleted_share": 1},
)


def deliver(lake: Lake, name: str, *lines: str) -> dict:
    """Freezes one delivery of these lines as dispatch would, and returns its entry for a run."""
    body = "".join(f"{line}\n" for line in ("id,name,rate", *lines))
    return lake.freeze(ID, [lake.land(f"files/sales/rates/{name}.csv", body)])


def applied(lake: Lake, name: str, *lines: str) -> dict:
    """Applies one delivery; its record."""
    item = deliver(lake, name, *lines)
    lake.refine([item])
    return lake.batch(item)


def state(lake: Lake) -> dict[int, tuple]:
    table = lake.cleaned(ID)
    if not lake.exists(table):
        return {}
    return {key: (name, rate and str(rate)) for key, name, rate in lake.rows(table, *NAMES)}


def mark(lake: Lake) -> str:
    return lake.stored(ID).properties.get(SNAPSHOT_PROPERTY, "")


@dataclass
class Model:
    """The table as a dict, and the place of the newest snapshot in it."""

    rows: dict[int, tuple] = field(default_factory=dict)
    newest: tuple = ()

    def apply(self, place: tuple, records: list[tuple | None]) -> dict[str, int]:
        """Applies a snapshot: (key, content, whether its content is accepted), None for what has no readable key.

        Returns what the ledger should count.
        """
        found: dict[str, int] = {"read": len(records)} if records else {}

        def count(outcome: str, n: int = 1) -> None:
            found[outcome] = found.get(outcome, 0) + n

        by_key: dict[int, list[tuple]] = {}
        for record in records:
            if record is None or not record[2]:
                count("quarantined")
            else:
                by_key.setdefault(record[0], []).append(record[1])
        stale = place < self.newest
        before = dict(self.rows)
        for key, contents in by_key.items():
            if len(set(contents)) > 1:
                count("quarantined", len(contents))
                continue
            if len(contents) > 1:
                count("duplicate", len(contents) - 1)
            if stale:
                count("stale")
                continue
            count("inserted" if key not in before else "unchanged" if before[key] == contents[0] else "updated")
            self.rows[key] = contents[0]
        if not stale:
            self.newest = place
            if None not in records:
                gone = set(before) - {r[0] for r in records if r is not None}
                for key in gone:
                    del self.rows[key]
                if gone:
                    found["absent"] = len(gone)
        return found
