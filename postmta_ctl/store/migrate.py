"""Bring the database to the newest schema (Alembic).

Alembic is imported when there is something to do: a service that starts over its own database has no use for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import func, inspect, select, text
from sqlalchemy.engine import Connection

from postmta_ctl.store.engine import Database

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x706F73746D7461
"""PostgreSQL's advisory locks have numbers; nobody else in the database should have this one."""


def alembic_config() -> Config:
    """Alembic's configuration, without a file."""
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


async def upgrade(db: Database) -> None:
    """Apply what is missing, in one transaction; nothing is changed when nothing is missing."""
    async with db.transaction() as connection:
        if not db.is_sqlite:
            # Processes that start together would each make the same tables.
            await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    if _revision(connection) == newest():
        return
    from alembic import command  # noqa: PLC0415 - see above

    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def current(db: Database) -> str | None:
    """The revision that the database has; None before the first."""
    async with db.reading() as connection:
        return await connection.run_sync(_revision)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def newest() -> str:
    """The revision that this version of the program works with: each has a file of its number, one after the other."""
    return max(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))
