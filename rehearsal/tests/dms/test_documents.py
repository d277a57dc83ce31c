"""Table mappings, settings, the change sequence and the wire protocol, without a server."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from typing import Any

import pytest

from rehearsal.dms.mappings import parse_mappings
from rehearsal.dms.pgoutput import UNCHANGED, Delete, Insert, ProtocolError, Relation, Truncate, Update, decode
from rehearsal.dms.problems import Refused
from rehearsal.dms.sequence import Mark, Sequence
from rehearsal.dms.settings import parse_settings, postgres_settings, s3_settings
from rehearsal.tests.dms.conftest import BEFORE_RULE, SEQUENCE_RULE, selection


def document(*rules: dict[str, Any]) -> str:
    return json.dumps({"rules": list(rules)})


@pytest.mark.parametrize(
    ("schema", "table", "pattern", "want"),
    [
        ("public", "orders", "%", True),
        ("public", "orders", "ord%", True),
        ("public", "orders", "order_", True),
        ("public", "web_events", "web[_]events", True),
        ("public", "webxevents", "web[_]events", False),
        ("public", "webxevents", "web_events", True),
        ("public", "b1", "[a-c]1", True),
        ("public", "d1", "[a-c]1", False),
        ("public", "a.b", "a.b", True),
        ("public", "axb", "a.b", False),
        ("other", "orders", "%", False),
    ],
)
def test_patterns(schema: str, table: str, pattern: str, want: bool) -> None:
    assert parse_mappings(document(selection(1, pattern, action="include"))).selects(schema, table) is want


def test_explicit_names_are_literal_and_exclusion_wins() -> None:
    found = parse_mappings(document(selection(1, "web_events"), selection(2, "t%", action="include")))
    assert (found.selects("public", "web_events"), found.selects("public", "webxevents")) == (True, False)
    less = parse_mappings(document(selection(1, "%", action="include"), selection(2, "secret", action="exclude")))
    assert (less.selects("public", "orders"), less.selects("public", "secret")) == (True, False)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"rule-type": "table-settings"}, ["rules[1]: ", "modelled rule types: selection, transformation"]),
        ({**selection(1, "x")}, ['rules[1].rule-id: "1": another rule has it too']),
        ({**selection(2, "x"), "rule-id": 2}, ["rules[1].rule-id: 2: a text of the form [0-9]+"]),
        ({**selection(2, "x"), "filters": [{"filter-type": "source"}]}, ["filters are not modelled"]),
        ({**selection(2, "x%")}, ['object-locator.table-name: "x%": an explicit rule takes no wildcard']),
        ({**selection(2, "x"), "rule-action": "move"}, ['rule-action: "move": modelled: include, exclude, explicit']),
        ({**selection(2, "x"), "colour": "red"}, ['rules[1].colour: "red": this member is not modelled']),
        ({**SEQUENCE_RULE, "expression": "$AR_H_USER"}, ["modelled expressions: $AR_H_CHANGE_SEQ"]),
        ({**SEQUENCE_RULE, "data-type": {"type": "int8"}}, ["data-type", '"string"']),
        ({**SEQUENCE_RULE, "rule-action": "rename"}, ["modelled transformations: add-column, add-before-image"]),
        ({**SEQUENCE_RULE, "rule-target": "table"}, ['rule-target: "table": modelled: "column"']),
        ({**BEFORE_RULE, "before-image-def": {"column-filter": "none"}}, ["modelled: pk-only, non-lob, all"]),
    ],
)
def test_mappings_that_are_refused(rule: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(Refused) as error:
        parse_mappings(document(selection(1, "orders"), rule))
    for word in words:
        assert word in str(error.value)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(Refused) as error:
        parse_mappings(document({"rule-type": "x"}, {**selection(2, "y"), "rule-action": "z"}))
    assert len(error.value.problems) == 3
    with pytest.raises(Refused, match="this is no JSON"):
        parse_mappings("{")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"TargetMetadata": {"FullLobMode": True}}, "TargetMetadata.FullLobMode: true: modelled: false"),
        ({"TargetMetadata": {"BatchApplyEnabled": True}}, "BatchApplyEnabled: true: modelled: false"),
        ({"TargetMetadata": {"LobMaxSize": 0}}, "LobMaxSize: 0: modelled: a whole number from 1 to 102400"),
        ({"BeforeImageSettings": {"EnableBeforeImage": True}}, "S3 targets do not take it"),
        ({"ValidationSettings": {"EnableValidation": True}}, "EnableValidation: true: modelled: false"),
        ({"Colour": {}}, "ReplicationSettings.Colour: {}: this setting is not modelled"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused) as error:
        parse_settings(json.dumps(settings))
    assert words in str(error.value)


def test_settings_have_their_defaults() -> None:
    found = parse_settings(json.dumps({"TargetMetadata": {"LobMaxSize": 64}}))
    assert found["TargetMetadata", "LobMaxSize"] == 64
    assert found["ErrorBehavior", "RecoverableErrorInterval"] == 5
    assert parse_settings(None)["TargetMetadata", "LobMaxSize"] == 32


def test_endpoints_that_are_refused() -> None:
    s3 = {"ServiceAccessRoleArn": "r", "BucketName": "b", "DataFormat": "parquet"}
    with pytest.raises(Refused, match='DataFormat: "csv": modelled: "parquet"'):
        s3_settings({**s3, "DataFormat": "csv"})
    with pytest.raises(Refused, match="Feature PreserveTransactions requires cdcPath setting"):
        s3_settings({**s3, "PreserveTransactions": True})
    with pytest.raises(Refused, match="go together"):
        s3_settings({**s3, "EncryptionMode": "SSE_KMS"})
    with pytest.raises(Refused, match="credentials come from Secrets Manager"):
        postgres_settings({"SecretsManagerAccessRoleArn": "r"})


def test_the_sequence_rises_although_clocks_do_not() -> None:
    sequence = Sequence()
    moments = [datetime(2026, 1, 2, 3, 4, 5, micro, UTC) for micro in (670_000, 679_999, 660_000, 990_000)]
    found = [sequence.next(moment) for moment in moments]
    assert found == sorted(set(found))
    assert found[0] == "2026010203040567" + "1".zfill(19)
    assert [value[14:16] for value in found] == ["67", "67", "67", "99"]
    sequence.go_back(Mark(found[0][:16], 1))
    assert sequence.next(moments[1]) == found[1]


def row(*values: str | None) -> bytes:
    return struct.pack(">H", len(values)) + b"".join(map(value, values))


def value(text: str | None) -> bytes:
    if text is None or text == "unchanged":
        return b"n" if text is None else b"u"
    return b"t" + struct.pack(">I", len(text.encode())) + text.encode()


@pytest.mark.parametrize(
    ("data", "want"),
    [
        (b"I" + struct.pack(">I", 7) + b"N" + row("1", None), Insert(7, ("1", None))),
        (b"U" + struct.pack(">I", 7) + b"N" + row("1", "unchanged"), Update(7, ("1", UNCHANGED))),
        (
            b"U" + struct.pack(">I", 7) + b"K" + row("1", None) + b"N" + row("2", "ü"),
            Update(7, ("2", "ü"), ("1", None), "key"),
        ),
        (
            b"U" + struct.pack(">I", 7) + b"O" + row("1", "a") + b"N" + row("1", "b"),
            Update(7, ("1", "b"), ("1", "a"), "full"),
        ),
        (b"D" + struct.pack(">I", 7) + b"K" + row("1", None), Delete(7, ("1", None), "key")),
        (b"D" + struct.pack(">I", 7) + b"O" + row("1", "a"), Delete(7, ("1", "a"), "full")),
        (b"T" + struct.pack(">IBII", 2, 0, 7, 8), Truncate((7, 8))),
        (b"R" + struct.pack(">I", 7) + b"\0t\0d" + struct.pack(">H", 0), Relation(7, "pg_catalog", "t", "d", ())),
    ],
)
def test_messages(data: bytes, want: Any) -> None:
    assert decode(data) == want


@pytest.mark.parametrize(
    "data",
    [
        b"Z",
        b"I" + struct.pack(">I", 7) + b"X" + row("1"),
        b"I" + struct.pack(">I", 7) + b"N" + row("1") + b"rest",
        b"I" + struct.pack(">I", 7) + b"N" + row("12345")[:-2],
        b"I" + struct.pack(">I", 7) + b"N" + struct.pack(">H", 1) + b"b" + struct.pack(">I", 0),
    ],
)
def test_bytes_that_are_no_message(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(data)
