"""The report page and the console output, from a document."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from rehearsal.report import console, flow, html
from rehearsal.tests.report.sample import report

VOID = {"meta"}


class Balance(HTMLParser):
    """Fails on tags that do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.assets: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.assets += [str(v) for k, v in attrs if k in ("src", "srcset") or (k == "href" and tag != "a")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(ok: bool = True) -> Balance:
    found = Balance()
    found.feed(html.page(report(ok)))
    return found


def test_the_page_is_balanced_and_stands_alone() -> None:
    page = parsed()
    assert page.open == []
    assert page.assets == []
    assert not re.search(r"@import|url\((?!#)", html.page(report()))


def test_text_from_data_is_escaped() -> None:
    assert "A lake & its <faults>" in parsed().text
    assert "<faults>" not in html.page(report())
    assert "q1: <b>5</b> rows" in parsed(ok=False).text


def test_the_verdict_comes_first() -> None:
    assert parsed().text.index("Every check holds.") < parsed().text.index("Datasets")
    failed = parsed(ok=False).text
    assert "1 of 2 checks failed." in failed
    assert "Every check holds" not in failed


def test_every_figure_is_on_the_page() -> None:
    text = parsed().text
    for figure in (
        "1,234",
        "1,259",
        "1,200",
        "777",
        "malformed, type:<amount>",
        "q1",
        "AwsSolutions-IAM5",
        "policies are not enforced",
    ):
        assert figure in text, figure


def test_the_picture_is_drawn_from_the_counts() -> None:
    picture = flow.picture(report())
    svg = ElementTree.fromstring(picture)
    words = [t.text for t in svg.iter() if t.tag.endswith("text")]
    for word in (
        "12 object versions",
        "1,259 rows read",
        "10 quarantined",
        "1 unroutable",
        "1 of 1 queries equal",
        "777",
        "1,193",
    ):
        assert word in words, word
    changed = report()
    changed["datasets"][0]["quarantined"] = 11
    assert flow.picture(changed) != picture


@pytest.mark.parametrize("part", ["queries", "faults", "models", "suppressions", "quarantine"])
def test_empty_parts_are_left_out(part: str) -> None:
    document = report() | {part: []}
    page = Balance()
    page.feed(html.page(document))
    assert page.open == []
    out = io.StringIO()
    console.show(document, out)
    assert "conservation" in out.getvalue()


def test_the_console_names_what_failed() -> None:
    out = io.StringIO()
    console.show(report(ok=False), out)
    text = out.getvalue()
    assert "FAIL  queries" in text
    assert "q1: <b>5</b> rows" in text
    assert "1 of 2 checks FAILED: 6 s, peak memory 2,048 MB, on 2 CPUs and 24.0 GB" in text
    good = io.StringIO()
    console.show(report(), good)
    assert "every check holds" in good.getvalue()


def test_the_console_says_why_records_are_quarantined() -> None:
    out = io.StringIO()
    console.show(report(), out)
    assert "  sales.orders  malformed, type:<amount>       10\n" in out.getvalue()


def test_console_tables_are_aligned() -> None:
    lines = console.table(["name", "n"], [["a", 1], ["bb", 1000]])
    assert lines == ["  name      n", "  ----  -----", "  a         1", "  bb    1,000"]
