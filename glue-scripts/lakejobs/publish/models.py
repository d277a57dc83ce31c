"""A model's text, inputs and identity."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass

from lakejobs import protections
from lakejobs.declared import ICEBERG
from lakejobs.iceberg import CATALOG
from lakejobs.manifest import Manifest, Model
from lakejobs.refine.changes import DELETED
from lakejobs.shapes import ShapeError

_REFERENCE = re.compile(r"""\{\{\s*ref\(\s*(?:"([^"]*)"|'([^']*)')\s*\)\s*\}\}""")


@dataclass(frozen=True)
class Input:
    """What a reference names: its table, and for a dataset the columns a model may see (name, type, protection,
    type in the table).

    `tombstones` says that the table keeps deleted rows, which no model sees.
    """

    id: str
    table: str
    columns: tuple[tuple[str, str, str, str], ...]
    tombstones: bool = False
    table_format: str = ICEBERG


def find_input(manifest: Manifest, name: str) -> Input:
    """The model of that id, else the dataset."""
    for model in manifest.models:
        if model.id == name:
            return Input(name, model_table(model), ())
    dataset = manifest.dataset(name)
    columns = tuple((c.name, c.type, protections.text_of(c.protect), c.stored_type) for c in dataset.stored)
    table = f"{CATALOG}.{dataset.cleaned_database}.{dataset.name}"
    return Input(name, table, columns, dataset.is_cdc, dataset.table_format)


def model_table(model: Model) -> str:
    return f"{CATALOG}.{model.database}.{model.name}"


def render(model: Model, table: Callable[[str], str]) -> str:
    """The SQL with each reference replaced by `table(id)`. Raises ShapeError on a reference the manifest omits."""

    def replace(match: re.Match[str]) -> str:
        name = match[1] if match[1] is not None else match[2]
        if name not in model.inputs:
            raise ShapeError(f"model {model.id} refers to {name!r}; its inputs are {', '.join(model.inputs) or 'none'}")
        return table(name)

    text = _REFERENCE.sub(replace, model.sql)
    if "{{" in text or "}}" in text:
        raise ShapeError(f'model {model.id}: only {{{{ ref("<id>") }}}} may stand in braces')
    return text


def pinned(item: Input, rows: str, stored: Collection[str]) -> str:
    """An input's rows at a snapshot, in a FROM clause: what stands there in place of the reference.

    `rows` is what stands for all of the snapshot, `stored` are its columns; a declared one that it has not yet is NULL.
    """
    if not item.tombstones:
        return rows
    columns = [_column(name, kind, stored) for name, _, _, kind in item.columns]
    return f"(SELECT {', '.join(columns)} FROM {rows} WHERE NOT `{DELETED}`)"


def _column(name: str, kind: str, stored: Collection[str]) -> str:
    if name in stored:
        return f"`{name}`"
    return f"CAST(NULL AS {kind}) AS `{name}`"


def output_id(model: Model, inputs: dict[str, Input], snapshots: dict[str, str]) -> str:
    """The same for the same SQL over the same data under the same declaration: 64 hex digits."""
    content = {
        "model": asdict(model),
        "inputs": {name: snapshots[name] for name in sorted(snapshots)},
        "columns": {name: [column[:3] for column in inputs[name].columns] for name in sorted(inputs)},
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
