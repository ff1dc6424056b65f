"""CSV that RFC 4180 describes and no spreadsheet runs."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core.csv_text import line
from postmta_ctl.core.spreadsheets import from_cell


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        '=HYPERLINK("http://evil.test","x")',
        "=cmd|x",
    ],
)
def test_what_looks_like_a_formula_is_marked_as_text(text: str) -> None:
    ((cell, after),) = csv.reader(io.StringIO(line([text, "next"]), newline=""))
    assert (cell, after) == ("'" + text, "next")


@pytest.mark.parametrize("text", ["plain", "a=b", "1-2", "a@b.test", "it's", ""])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert next(csv.reader(io.StringIO(line([text, 1]), newline=""))) == [text, "1"]


def test_records_end_with_crlf_and_quotes_are_doubled() -> None:
    assert line(['say "hi"', "a,b", -5, None]) == '"say ""hi""","a,b",-5,\r\n'


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_any_text_is_one_record_whose_cells_start_no_formula(cells: list[str]) -> None:
    (found,) = csv.reader(io.StringIO(line(cells), newline=""))
    assert [from_cell(cell) for cell in found] == cells
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in found)
