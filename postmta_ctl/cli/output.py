"""How commands print: tables for people, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import rich_click as click
from rich.console import Console
from rich.table import Table

_PIPE_WIDTH = 1000

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def print_json(value: Any) -> None:
    """Print a struct, or a list of them, as the API would answer it."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; a cell that is None stays empty."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    # A pipe has no width: there lines must not be broken to fit one.
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    Console(markup=False, highlight=False, width=width).print(table)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return printable(str(value))


def printable(text: str) -> str:
    """The text with what a terminal would obey, or show as something else, written out: others chose its words."""
    return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)
