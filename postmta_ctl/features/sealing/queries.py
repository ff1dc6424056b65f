"""Where sealed values are, what each is bound to, and the SQL of all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Row, Select, Table, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.features.domains import keys
from postmta_ctl.features.nodes import access
from postmta_ctl.features.webhooks import secrets
from postmta_ctl.store.tables import dkim_keys, domains, nodes, webhooks


class Place(NamedTuple):
    """A column of sealed values."""

    column: Column[Any]
    rows: Select[Any]
    """Of its table, with what ``aad`` needs."""
    aad: Callable[[Row[Any]], bytes]
    """What the value of a row is bound to."""

    @property
    def table(self) -> Table:
        """Whose rows have an ``id``."""
        return self.column.table

    @property
    def name(self) -> str:
        """Table and column."""
        return f"{self.table.name}.{self.column.name}"


def _of_node(name: str) -> Place:
    return Place(nodes.c[name], select(nodes.c.id), lambda row: access.place(row.id, name))


def _of_webhook(name: str) -> Place:
    return Place(webhooks.c[name], select(webhooks.c.id), lambda row: secrets.place(row.id))


_KEYS = select(dkim_keys.c.id, dkim_keys.c.domain_id, domains.c.name, dkim_keys.c.selector).join_from(
    dkim_keys, domains
)

PLACES = (
    _of_node("sealed_ingest_token"),
    _of_node("sealed_admin_token"),
    _of_webhook("sealed_secret"),
    _of_webhook("sealed_previous_secret"),
    Place(dkim_keys.c.sealed_private_key, _KEYS, lambda row: keys.place(row.domain_id, row.name, row.selector)),
)
"""All of them; ``tests/api/test_sealing.py`` finds one that is missing by its name."""


async def under_other_keys(
    connection: AsyncConnection, place: Place, key_id: bytes, *, after: str, limit: int
) -> Sequence[Row[Any]]:
    """Rows whose value is sealed under another key than that, by id; the value is ``sealed``."""
    query = place.rows.add_columns(place.column.label("sealed"))
    query = query.where(_needs_another(place, key_id), place.table.c.id > after)
    return (await connection.execute(query.order_by(place.table.c.id).limit(limit))).all()


async def count(connection: AsyncConnection, place: Place, key_id: bytes) -> int:
    """How many values are sealed under another key than that."""
    query = select(func.count()).select_from(place.table).where(_needs_another(place, key_id))
    return (await connection.execute(query)).scalar_one()


async def replace(connection: AsyncConnection, place: Place, row: Row[Any], sealed: bytes) -> bool:
    """Give a row its value anew, unless it was changed meanwhile."""
    change = update(place.table).where(place.table.c.id == row.id, place.column == row.sealed)
    return (await connection.execute(change.values({place.column.name: sealed}))).rowcount == 1


def _needs_another(place: Place, key_id: bytes) -> ColumnElement[bool]:
    # One octet of format, four that tell the key: see core.secrets.
    return place.column.is_not(None) & (func.substr(place.column, 2, 4) != key_id)
