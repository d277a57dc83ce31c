"""Random histories, late and doubled: whatever the order of arrival, the table ends as the source did."""

from __future__ import annotations

import random
import time

from dms import Change
from lake import Lake
from parts import PARTS, delete, insert, part, update


def history(r: random.Random) -> tuple[list[tuple[int, bool, list[Change]]], dict[int, str]]:
    """Files of two generations (generation, whether it is the load, changes) and the rows they end in."""
    files: list[tuple[int, bool, list[Change]]] = []
    source: dict[int, str] = {}
    n = 0
    for generation in (1, 2):
        if generation == 2:
            # What happens between two replications is seen by neither.
            source = {k: v for k, v in source.items() if r.random() < 0.7} | {90: "unseen"}
        files.append((generation, True, [insert(None, k, v) for k, v in source.items()]))
        changes: list[Change] = []
        for _ in range(12):
            n += 1
            k, name = r.randint(1, 6), f"v{n}"
            if k not in source:
                changes.append(insert(n, k, name))
                source[k] = name
            elif r.random() < 0.3:
                changes.append(delete(n, k))
                del source[k]
            elif r.random() < 0.3 and (free := [i for i in range(1, 7) if i not in source]):
                new = r.choice(free)
                changes.append(update(n, new, name, old=k))
                del source[k]
                source[new] = name
            else:
                changes.append(update(n, k, name))
                source[k] = name
        half = len(changes) // 2
        # The restarted replication sends some changes again.
        for cut in (changes[: half + 2], changes[half:]):
            files.append((generation, False, cut))
    return files, source


def test_any_order_of_arrival_ends_the_same(lake: Lake) -> None:
    seed = time.time_ns()
    print(f"seed {seed}")
    r = random.Random(seed)
    for i in range(2):
        name = f"any{i}"
        lake.declare(PARTS | {"name": name, "id": f"sales.{name}"})
        files, wanted = history(r)
        r.shuffle(files)
        batches = [
            lake.changes(f"sales.{name}", part(*changes), generation=generation, load=load)
            for generation, load, changes in files
        ]
        lake.refine(batches)
        records = [lake.batch(b) for b in batches]
        assert {b["state"] for b in records} <= {"applied", "empty"}, [b["reason"] for b in records]
        for b in records:
            assert b["counts"]["read"] == sum(v for k, v in b["counts"].items() if k != "read")
        assert {row[0]: row[1] for row in lake.live(f"sales.{name}")} == wanted, f"seed {seed}, history {i}"
