"""Bring the database to the newest schema (Alembic)."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from postmta_ctl.store.engine import Database

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x706F73746D7461
"""PostgreSQL's advisory locks have numbers; nobody else in the database should have this one."""


def alembic_config() -> Config:
    """Alembic's configuration, without a file."""
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
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def current(db: Database) -> str | None:
    """The revision that the database has; None before the first."""
    async with db.reading() as connection:
        return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


def newest() -> str | None:
    """The revision that this version of the program works with."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head()
