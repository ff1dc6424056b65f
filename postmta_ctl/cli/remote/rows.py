"""What a row of the table says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Row(NamedTuple):
    """A command for one operation of the API."""

    name: str
    operation: str
    """``group.operation`` of ``postmta_ctl.client``, whose signature gives the arguments and options."""
    columns: tuple[str, ...]
    """Of the table that is printed; none: field by field."""
    example: str
    careful: bool = False
    """It is asked back on a terminal, since it cannot be undone."""
    fixed: Mapping[str, Any] = {}
    """Arguments that the command itself is about."""
    part: str = ""
    """The field of the answer that is printed; all of it when absent."""


class Group(NamedTuple):
    """A group of commands."""

    name: str
    help: str
    rows: tuple[Row, ...]


def row(line: str, example: str, *, careful: bool = False, part: str = "", **fixed: Any) -> Row:
    """A row from a line: name, operation, columns, with white space between."""
    name, operation, *columns = line.split()
    return Row(name, operation, tuple(columns), f"postmta {example}", careful, fixed, part)
