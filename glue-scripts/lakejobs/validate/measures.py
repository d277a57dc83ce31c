"""What is told of one dataset's comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lakejobs.validate.comparing import EQUAL, KINDS, UNSETTLED, Compared
from lakejobs.validate.looks import Found
from lakejobs.validate.metrics import Metric
from lakejobs.validate.results import DIFFERENT, NOT_COMPARED, TOLD, Result

_WORDS = {
    "duplicated": "more than one row",
    "refused": "refused by the declaration",
    "only_in_source": "only in the source",
    "only_in_lake": "only in the lake",
    "changed": "with other values",
    UNSETTLED: "still changing",
}


def outcome_of(found: Found, measured: Sequence[Metric]) -> str:
    """Whether the sides are equal. Keys that still change leave that open; metrics of sides in which no key ever
    differed have to be the same."""
    if set(found.left) - {UNSETTLED}:
        return DIFFERENT
    if found.left:
        return UNSETTLED
    return DIFFERENT if _contradict(found, measured) else EQUAL


def _contradict(found: Found, measured: Sequence[Metric]) -> bool:
    return found.settled == 0 and not all(m.equal for m in measured)


def told(found: Found, measured: Sequence[Metric], not_compared: Mapping[str, str]) -> str:
    """The outcome in words."""
    parts = [f"{t.keys} keys {_WORDS[kind]}" for kind in (*KINDS, UNSETTLED) if (t := found.left.get(kind))]
    if not parts and _contradict(found, measured):
        parts = ["no key differs, but metrics of the sides do"]
    both = found.total
    text = ", ".join(parts) or f"{both.source_rows} rows are the same"
    if found.settled:
        text += f"; {found.settled} keys differed at first and were settled in {found.looks} looks"
    if found.ignored:
        text += "; too many keys differ to look at them again"
    if not_compared:
        text += f"; not compared: {', '.join(not_compared)}"
    return text


def results(
    found: Found, compared: Compared, measured: Sequence[Metric], not_compared: Mapping[str, str]
) -> list[Result]:
    """A row for the dataset, its rows, each kind of difference, each column and each metric."""
    both, said = found.total, told(found, measured, not_compared)
    # Where all that differs still changes, sums of it say no more than that.
    unlike = UNSETTLED if set(found.left) == {UNSETTLED} else DIFFERENT
    same = both.source_rows == both.lake_rows
    rows = [
        Result("dataset", outcome_of(found, measured), differing=found.left_keys, detail=said),
        Result("rows", EQUAL if same else unlike, "", str(both.source_rows), str(both.lake_rows)),
    ]
    for kind in (*KINDS, UNSETTLED):
        keys = found.left[kind].keys if kind in found.left else 0
        bad = UNSETTLED if kind == UNSETTLED else DIFFERENT
        rows.append(Result(kind, bad if keys else EQUAL, differing=keys))
    for i, column in enumerate(compared.columns):
        ours, theirs = _at(both.source_sums, i), _at(both.lake_sums, i)
        outcome = EQUAL if ours == theirs else unlike
        rows.append(Result("checksum", outcome, column.name, str(ours), str(theirs), _at(both.differing, i)))
    rows += [Result("checksum", NOT_COMPARED, name, detail=why) for name, why in not_compared.items()]
    judged = found.settled == 0
    why = "" if judged else "of the first look, before keys were looked at again"
    for m in measured:
        outcome = (EQUAL if m.equal else DIFFERENT) if judged else TOLD
        rows.append(Result(m.name, outcome, m.column, _number(m.source), _number(m.lake), detail=why))
    return rows


def _at(values: Sequence[int], i: int) -> int:
    return values[i] if values else 0


def _number(value: float | None) -> str | None:
    return None if value is None else repr(value)
