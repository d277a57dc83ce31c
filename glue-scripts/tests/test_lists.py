"""Lists, arguments and identifiers."""

from __future__ import annotations

import json

import pytest
from conftest import ROOT
from lakejobs.arguments import PublishArguments, RefineArguments
from lakejobs.lists import FrozenList, Object, Run, split_uri
from lakejobs.shapes import ShapeError

VECTORS = ROOT / "lambda/contract/testdata/ids.golden.json"


def test_arguments_ignore_what_glue_adds() -> None:
    argv = ["--JOB_NAME", "refine", "--lake", "a", "--run_uri", "s3://b/c", "--ledger_table", "t", "--artifacts_bucket",
            "x", "--cleaned_bucket", "y", "--quarantine_bucket", "z", "--hash_secret", "none", "--hash_keys", "none",
            "--vault_bucket", "none", "--token_keys", "none",
            "--erasure_secret", "none", "--lease_seconds", "90", "--enable-metrics", "true", "--job-bookmark-option",
            "job-bookmark-disable"]  # fmt: skip
    assert RefineArguments.parse(argv) == RefineArguments(
        "a", "s3://b/c", "t", "x", "y", "z", "none", "none", "none", "none", "none", 90
    )


@pytest.mark.parametrize(
    ("own", "named", "tokens", "found"),
    [
        ("none", "none", "none", {}),
        ("arn:a", "none", "none", {"": "arn:a"}),
        ("none", "2027=arn:b,crm=arn:c", "none", {"2027": "arn:b", "crm": "arn:c"}),
        ("arn:a", "2027=arn:b", "crm=arn:c", {"": "arn:a", "2027": "arn:b", "_vault_crm": "arn:c"}),
    ],
)
def test_secrets_by_the_ids_of_their_keys(own: str, named: str, tokens: str, found: dict[str, str]) -> None:
    assert RefineArguments("a", "s3://b/c", "t", "x", "y", "z", own, named, "v", tokens, "none", 90).secrets() == found


def test_missing_arguments_end_the_job(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        PublishArguments.parse(["--lake", "a"])
    assert "--run_uri" in capsys.readouterr().err


def test_object_hashes_are_those_of_the_ledger() -> None:
    cases = json.loads(VECTORS.read_bytes())["objects"]
    assert cases
    for case in cases:
        assert Object("b", case["key"], case["version"], 0, "", "").hash == case["hash"]


def test_run_and_list_are_read() -> None:
    run = Run.from_json(
        '{"schema_version": 1, "run": "r", "attempt": 2, "manifest": "m", "batches": [{"batch": "b", "dataset": "s.d",'
        ' "list_uri": "s3://a/b", "manifest": "p", "token": 3, "force": true}]}'
    )
    assert (run.name, run.batches[0].token, run.batches[0].force) == ("r-2", 3, True)
    frozen = FrozenList.from_json(
        '{"schema_version": 1, "batch": "b", "lake": "l", "dataset": "s.d", "objects": [{"bucket": "r", "key": "k",'
        ' "version": "v", "size": 1, "etag": "e", "noticed_at": "t"}]}'
    )
    assert frozen.objects == (Object("r", "k", "v", 1, "e", "t"),)
    assert frozen.load is None


def test_a_list_may_be_the_load_of_a_generation() -> None:
    text = '{"schema_version": 1, "batch": "b", "lake": "l", "dataset": "s.d", "objects": [], "load": %s}'
    assert FrozenList.from_json(text % "null").load is None
    assert FrozenList.from_json(text % '{"generation": 2}').load == 2
    with pytest.raises(ShapeError, match="list.load: unknown fields rows"):
        FrozenList.from_json(text % '{"generation": 2, "rows": 3}')


def test_addresses() -> None:
    assert split_uri("s3://bucket/a/b") == ("bucket", "a/b")
    for wrong in ("http://bucket/a", "s3://bucket", "bucket/a"):
        with pytest.raises(ShapeError):
            split_uri(wrong)
