"""``postmta db``."""

from __future__ import annotations

import msgspec
import rich_click as click

from postmta_ctl.cli.output import as_json, print_json, print_table
from postmta_ctl.cli.running import with_system
from postmta_ctl.features.sealing import service
from postmta_ctl.store import migrate
from postmta_ctl.system import System


@click.group()
def db() -> None:
    """Look after the database."""


@db.command()
def upgrade() -> None:
    """Bring the database to the newest schema.

    An embedded database is brought there by itself; a PostgreSQL server's is by this command, before the new
    version of the service starts.

    Example: POSTMTA_DATABASE_URL=postgresql+asyncpg://postmta@db/postmta postmta db upgrade
    """
    with_system(lambda system: migrate.upgrade(system.db), migrate=False)
    click.echo(with_system(_schema, migrate=False))


@db.command()
@as_json
def current(as_json: bool) -> None:
    """Show which schema the database has, and which is the newest.

    Example: postmta db current
    """
    found = with_system(_schema, migrate=False)
    if as_json:
        print_json(found)
    else:
        click.echo(found)


@db.command()
@as_json
def reseal(as_json: bool) -> None:
    """Seal under the present master key what is sealed under a former one.

    Private keys, tokens of nodes, secrets of webhooks. For the exchange of the master key, once every process of the
    service runs with the new key as POSTMTA_MASTER_KEY and the old one in POSTMTA_FORMER_MASTER_KEYS. It may be run
    while they do, and again after it was cut off. Exit status: 0, or 1 when something could not be opened.

    Example: postmta db reseal
    """
    done = with_system(service.reseal, what="Sealing anew")
    if as_json:
        print_json(done)
    else:
        print_table(("where", "sealed anew", "cannot be opened"), ((x.place, x.resealed, x.unreadable) for x in done))
    if any(one.unreadable for one in done):
        raise SystemExit(1)


class Schema(msgspec.Struct, frozen=True):
    """Revisions of the schema."""

    current: str | None
    """That of the database; None before the first."""
    newest: str
    """That which this version of the program works with."""

    def __str__(self) -> str:
        if self.current == self.newest:
            return f"The schema is {self.current}, the newest."
        return f"The schema is {self.current or 'not there yet'}; the newest is {self.newest}: run postmta db upgrade."


async def _schema(system: System) -> Schema:
    return Schema(current=await migrate.current(system.db), newest=migrate.newest())
