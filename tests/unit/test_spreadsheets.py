"""Cells that no spreadsheet runs, and that come back as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core.spreadsheets import from_cell, to_cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_becomes_text(text: str) -> None:
    assert to_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["bob@example.org", "", "a=b", "1", " =1"])
def test_other_text_stays(text: str) -> None:
    assert to_cell(text) == text


@given(st.text(alphabet="=+-@'\tab"))
def test_what_was_written_is_read_back(text: str) -> None:
    assert from_cell(to_cell(text)) == text


def test_a_cell_of_another_maker_stays() -> None:
    assert from_cell("'tis@example.org") == "'tis@example.org"
