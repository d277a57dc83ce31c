"""Names of side effects: a mutating call of a component, without the ids that differ from run to run."""

from __future__ import annotations

import re
from collections import Counter

from rehearsal.cloud.faults import Call

COMPONENT = re.compile(r"Lake(?:Arrivals|Pipeline)(Notice|Dispatch|Record|Reconcile|Refine|Publish)")
ZONE = re.compile(r"shop-lake(raw|cleaned|curated|quarantine|artifacts|vault)bucket[^/]*/(.*)")
KINDS = ("batch", "open", "live", "run", "dirty", "lease", "output", "inbox")


def component(call: Call) -> str | None:
    """Which of our functions or jobs made the call; None for services and the administrator."""
    found = COMPONENT.search(call.caller.name)
    return found[1].lower() if found and call.caller.kind in ("lambda", "job") else None


def effect(call: Call) -> str | None:
    """The side effect's name, or None for what is none of ours or no effect of its own: files of a commit that no
    table names yet, old metadata files that no table names any more, and renewals of a lease by a job."""
    who = component(call)
    if who is None:
        return None
    if call.service == "dynamodb":
        what = _items(call.detail)
        if who in ("refine", "publish") and what == "lease":
            return None
        return f"{who}: ledger {what}"
    if call.service == "s3":
        if call.action == "DeleteObjects":
            return None
        zone = ZONE.search(call.resource)
        assert zone, call
        folder = zone[2].split("/")[{"artifacts": 0, "vault": 3}.get(zone[1], 2)]
        if folder == "_delta_log":
            return f"{who}: {zone[1]} log" if zone[2].endswith(".json") else None
        if folder.startswith(".hoodie"):
            return f"{who}: {zone[1]} {_hudi(zone[2])}"
        folder = "data" if folder.startswith("part-") or folder.endswith(".parquet") else folder
        return None if folder == "metadata" else f"{who}: {zone[1]} {folder}"
    if call.service == "glue":
        zone = re.search(r"_(cleaned|curated|quarantine|vault)/", call.resource)
        return f"{who}: {call.action} {zone[1] if zone else call.resource}"
    return f"{who}: {call.service} {call.action}"


def _hudi(path: str) -> str:
    """What of a Hudi table that is, beside its data: the end of an instant's name, or what it is for."""
    name = path.rsplit("/", 1)[-1]
    return "decision" if name.startswith("after-") else name.lstrip(".").partition(".")[2] or "folder"


def _items(detail: str) -> str:
    kinds = []
    for item in detail.split("; "):
        verb, _, key = item.partition(" ")
        parts = [part.split("#")[0] for part in key.split("/")]
        kind = next((kind for kind in KINDS if kind in parts), key)
        kind = "dirty deleted" if (verb, kind) == ("Delete", "dirty") else kind
        if verb != "ConditionCheck" and kind not in kinds:
            kinds.append(kind)
    return "+".join(kinds)


def named(calls: tuple[Call, ...]) -> list[str]:
    """The effects of a run in order, repeated ones numbered from #2."""
    seen: Counter[str] = Counter()
    names = []
    for call in calls:
        if name := effect(call):
            seen[name] += 1
            names.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return names
