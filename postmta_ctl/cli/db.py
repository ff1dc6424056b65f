"""``postmta db``."""

from __future__ import annotations

import rich_click as click

from postmta_ctl.cli.running import with_system
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
    click.echo(with_system(_describe, migrate=False))


@db.command()
def current() -> None:
    """Show which schema the database has, and which is the newest.

    Example: postmta db current
    """
    click.echo(with_system(_describe, migrate=False))


async def _describe(system: System) -> str:
    found, newest = await migrate.current(system.db), migrate.newest()
    if found == newest:
        return f"The schema is {found}, the newest."
    return f"The schema is {found or 'not there yet'}; the newest is {newest}: run postmta db upgrade."
