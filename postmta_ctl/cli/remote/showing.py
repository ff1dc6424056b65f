"""How answers of the API are printed: lists as tables, single things field by field."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import rich_click as click

from postmta_ctl.cli.output import print_json, print_table


def show(result: Any, columns: Sequence[str]) -> None:
    """Print an answer for people."""
    if result is None:
        click.echo("Done.")
    elif isinstance(result, str):
        click.echo(result, nl=not result.endswith("\n"))
    elif isinstance(result, bytes):
        sys.stdout.buffer.write(result)
    elif isinstance(result, list):
        show_rows(result, columns)
    elif columns and isinstance(getattr(result, "data", None), list):
        show_rows(result.data, columns)
    else:
        show_fields(result)


def show_rows(rows: Iterable[Any], columns: Sequence[str]) -> None:
    """Print a table; a column is a field, or ``field.inner``."""
    plain = [msgspec.to_builtins(row) for row in rows]
    names = columns or (list(plain[0]) if plain else [])
    print_table([one.replace("_", " ").upper() for one in names], ([cell(row, one) for one in names] for row in plain))


def show_fields(result: Any) -> None:
    """Print one thing: a line for each field, tables for lists of things in it."""
    plain = msgspec.to_builtins(result)
    lists = {name: value for name, value in plain.items() if _is_table(value)}
    print_table(("FIELD", "VALUE"), ((name, text(value)) for name, value in plain.items() if name not in lists))
    for name, rows in lists.items():
        click.echo(f"\n{name}:")
        show_rows(rows, [column for column in rows[0] if not isinstance(rows[0][column], dict | list)])


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def cell(row: Any, column: str) -> str | None:
    """One cell of a table."""
    for name in column.split("."):
        row = row.get(name) if isinstance(row, dict) else None
    return text(row)


def text(value: Any) -> str | None:
    """A value for people: nothing where there is none, JSON where it has parts."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def show_as_json(result: Any) -> None:
    """Print an answer for programs."""
    if isinstance(result, str | bytes):
        show(result, ())
    else:
        print_json(result)
