"""Text in CSV files that people open in a spreadsheet.

A cell that begins with ``=``, ``+``, ``-`` or ``@`` is a formula there, and runs (OWASP, "CSV Injection"). An
apostrophe before it makes it text. Since local parts of addresses may begin with most of these, the apostrophe is
taken off again when a file comes back; a cell that began with one gets another, so that nothing is lost either way.
"""

from __future__ import annotations

_RISKY = tuple("=+-@\t\r\n'")


def to_cell(text: str) -> str:
    """The text as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_RISKY) else text


def from_cell(cell: str) -> str:
    """The text of a cell that :func:`to_cell` made, or of any other as it is."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_RISKY) else cell
