"""CSV as RFC 4180 has it, that no spreadsheet takes for a program."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from postmta_ctl.core.spreadsheets import to_cell

MEDIA_TYPE = "text/csv"


def line(cells: Iterable[str | int | None]) -> str:
    """One record with its CRLF. Numbers are written as they are: they are ours."""
    buffer = io.StringIO()
    safe = [to_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    csv.writer(buffer, lineterminator="\r\n").writerow(safe)
    return buffer.getvalue()
