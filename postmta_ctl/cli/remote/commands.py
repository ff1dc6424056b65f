"""Commands, made of the table."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import partial, update_wrapper
from itertools import islice
from typing import Any

import rich_click as click

from postmta_ctl.cli.remote import parameters
from postmta_ctl.cli.remote.connecting import API_KEY, URL, connected, id_of
from postmta_ctl.cli.remote.parameters import DEFAULT_LIMIT, Parameter
from postmta_ctl.cli.remote.rows import Group, Row
from postmta_ctl.cli.remote.showing import show, show_as_json
from postmta_ctl.client import Client
from postmta_ctl.client.calls import listing

PAGE = 200
"""The most that the API gives at once."""
JSON = click.Option(["as_json", "--json"], is_flag=True, help="Print JSON instead of a table.")
YES = click.Option(["yes", "--yes"], is_flag=True, help="Do not ask.")
_OPERATIONS = Client("http://localhost")


def described(operation: str) -> Any:
    """An operation of the client, by ``group.name``."""
    group, _, name = operation.partition(".")
    return vars(type(getattr(_OPERATIONS, group)))[name]


def group_of(given: Group) -> click.Group:
    """A group with all its commands."""
    made = click.RichGroup(name=given.name, help=given.help)
    add_to(made, given.rows)
    return made


def add_to(group: click.Group, rows: Iterable[Row]) -> None:
    """Add commands to a group."""
    for row in rows:
        group.add_command(command(row))


def command(row: Row) -> click.Command:
    """One command."""
    operation = described(row.operation)
    taken = parameters.of(operation.describe)
    options = parameters.click_parameters([one for one in taken if one.name not in row.fixed])
    is_list = isinstance(operation, listing)
    if is_list:
        text = "Shown at most; 0: all."
        options.append(
            click.Option(["limit", "--limit"], type=int, default=DEFAULT_LIMIT, show_default=True, help=text)
        )
    if row.careful:
        options.append(YES)
    summary = (operation.__doc__ or "").strip().split("\n\n")[0]
    return click.RichCommand(
        name=row.name,
        params=[*options, URL, API_KEY, JSON],
        callback=update_wrapper(partial(_run, row, taken, is_list), _run),
        help=f"{' '.join(summary.split())}\n\nExample: {row.example}",
    )


def _run(row: Row, taken: list[Parameter], is_list: bool, /, **given: Any) -> None:
    positional, keywords = parameters.arguments(taken, given, row.fixed)
    if row.careful and not given["yes"] and sys.stdin.isatty():
        click.confirm(f"{row.name} {' '.join(map(str, positional))}?", abort=True)
    with connected(given["api_url"], given["api_key"]) as client:
        ids = [
            id_of(client, one.name, value) if one.kind == "path" and isinstance(value, str) else value
            for one, value in zip((one for one in taken if one.kind != "query"), positional, strict=True)
        ]
        group, _, name = row.operation.partition(".")
        do = getattr(getattr(client, group), name)
        result = _listed(do, ids, keywords, given["limit"]) if is_list else do(*ids, **keywords)
    result = getattr(result, row.part) if row.part else result
    if given["as_json"]:
        show_as_json(result)
    else:
        show(result, row.columns)


def _listed(do: Any, ids: list[Any], keywords: dict[str, Any], limit: int) -> list[Any]:
    found = do(*ids, limit=min(limit or PAGE, PAGE), **keywords)
    shown = list(islice(found, limit)) if limit > 0 else list(found)
    if limit > 0 and next(found, None) is not None:
        click.echo(f"There are more than these {limit}; --limit 0 shows all.", err=True)
    return shown
