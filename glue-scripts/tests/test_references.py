"""What stands in a model's text in place of a reference."""

from __future__ import annotations

from lakejobs.declared_fields import dataset_of
from lakejobs.manifest import Manifest, Model
from lakejobs.publish.models import find_input, pinned, render
from specs import column, dataset, replicated

PLAIN = dataset_of(dataset("orders", [column("id", "int", required=True)], ["id"]), "test")
CHANGING = dataset_of(
    replicated("parts", [column("id", "int", required=True), column("name", protect="hash"), column("size", "int"),
                         column("pin", protect="drop")], ["id"]), "test"
)  # fmt: skip
MODEL = Model("sales.m", "sales", "m", "", "test_sales_curated", "", ("sales.orders", "sales.parts"))
LAKE = Manifest("test", "test_operations", (PLAIN, CHANGING), (), (MODEL,))


def test_a_table_without_tombstones_is_named() -> None:
    at = pinned(find_input(LAKE, "sales.orders"), "orders VERSION AS OF 7", ["id", "_batch_id"])
    assert at == "orders VERSION AS OF 7"
    assert pinned(find_input(LAKE, "sales.m"), "m VERSION AS OF 7", ["x"]) == "m VERSION AS OF 7"


def test_tombstones_and_the_lakes_own_columns_are_hidden() -> None:
    """A declared column that no batch has brought yet is NULL, so that adding one breaks no model."""
    stored = ["id", "_batch_id", "_generation", "_sequence", "_is_deleted"]
    table = "glue_catalog.test_sales_cleaned.parts VERSION AS OF 7"
    assert pinned(find_input(LAKE, "sales.parts"), table, ["name", "size", *stored]) == (
        f"(SELECT `id`, `name`, `size` FROM {table} WHERE NOT `_is_deleted`)"
    )
    assert pinned(find_input(LAKE, "sales.parts"), table, stored) == (
        "(SELECT `id`, CAST(NULL AS string) AS `name`, CAST(NULL AS int) AS `size`"
        f" FROM {table} WHERE NOT `_is_deleted`)"
    )


def test_references_are_rendered_in_place() -> None:
    sql = "SELECT p.id FROM {{ ref(\"sales.parts\") }} AS p JOIN {{ref('sales.orders')}} o ON o.id = p.id"
    model = Model(MODEL.id, "sales", "m", "", MODEL.database, sql, MODEL.inputs)
    assert render(model, lambda name: f"<{name}>") == (
        "SELECT p.id FROM <sales.parts> AS p JOIN <sales.orders> o ON o.id = p.id"
    )
