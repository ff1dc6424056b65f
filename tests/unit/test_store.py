"""The engine, the migrations and the column types, on both engines."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from postmta_ctl.core.ids import new_id
from postmta_ctl.errors import ConfigurationError
from postmta_ctl.store import append_only, bulk, partitions
from postmta_ctl.store.engine import Database
from postmta_ctl.store.migrate import alembic_config, newest, upgrade
from postmta_ctl.store.tables import audit_log, metadata, organizations
from postmta_ctl.store.types import from_micros, to_micros

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def organization(slug: str) -> dict[str, Any]:
    return {"id": new_id(NOW), "slug": slug, "name": slug, "created_at": NOW}


async def test_migrations_and_tables_agree(db: Database) -> None:
    async with db.transaction() as connection:
        await connection.run_sync(check_agreement)


def check_agreement(connection: Any) -> None:
    # The tables of single days are parts of one, and made as the days come.
    opts = {"compare_type": True, "include_name": lambda name, kind, _: kind != "table" or not is_a_day(name)}
    context = MigrationContext.configure(connection, opts=opts)
    assert compare_metadata(context, metadata) == []


def is_a_day(table: str) -> bool:
    return table == partitions.DEFAULT or partitions.day_of(table) is not None


@pytest.mark.parametrize(("before", "after"), [(None, 8192), (4096, 4096)])
async def test_pages_of_a_new_database_have_room_for_messages_and_older_ones_stay(
    tmp_path: Path, before: int | None, after: int
) -> None:
    path = tmp_path / "postmta.db"
    if before is not None:
        with closing(sqlite3.connect(path)) as earlier:
            earlier.execute(f"PRAGMA page_size={before}")
            earlier.execute("CREATE TABLE something (id INTEGER)")
    db = Database(f"sqlite+aiosqlite:///{path}")
    await upgrade(db)
    for reading in (db.reading, db.transaction):
        async with reading() as connection:
            assert await connection.scalar(text("PRAGMA page_size")) == after
    assert await db.at_once(lambda connection: connection.scalar(text("PRAGMA temp_store"))) == 2  # memory
    await db.close()


async def test_upgrading_twice_changes_nothing(db: Database) -> None:
    await upgrade(db)
    async with db.reading() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1


async def test_a_transaction_that_fails_leaves_nothing(db: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.transaction() as connection:
            await connection.execute(insert(organizations).values(organization("acme")))
            raise ZeroDivisionError
    async with db.reading() as connection:
        assert (await connection.execute(select(organizations))).all() == []


async def test_what_was_written_is_noted(db: Database) -> None:
    before = db.changes
    async with db.transaction() as connection:
        await connection.execute(select(organizations))
    assert db.changes == before or not db.is_sqlite
    before = db.changes
    async with db.transaction() as connection:
        await connection.execute(insert(organizations).values(organization("acme")))
        assert db.changes == before, "others do not see it yet"
    assert db.changes == before + 1


async def test_many_writers_at_once_all_succeed(db: Database) -> None:
    async def write(number: int) -> None:
        async with db.transaction() as connection:
            await connection.execute(insert(organizations).values(organization(f"o{number}")))

    await asyncio.gather(*(write(number) for number in range(50)))
    async with db.reading() as connection:
        assert len((await connection.execute(select(organizations))).all()) == 50


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_work_that_is_cancelled_at_any_moment_stands_in_nobodys_way(db: Database) -> None:
    for moment in range(200):
        other = Database(db.url.render_as_string(hide_password=False))  # opens its connections anew
        tasks = [asyncio.ensure_future(work(other, kind)) for kind in ("transaction", "reading", "at_once")]
        await asyncio.sleep(moment / 50_000)
        for task in tasks:
            task.cancel()
        done, waiting = await asyncio.wait(tasks, timeout=10)
        assert len(done) == 3
        assert not waiting
        assert other.engine.sync_engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        await asyncio.wait_for(other.close(), 10)
    async with asyncio.timeout(10), db.transaction() as connection:
        await connection.execute(insert(organizations).values(organization("acme")))


async def work(database: Database, kind: str) -> None:
    statement = insert(organizations).values(organization(f"acme-{new_id(NOW)}"))
    if kind == "at_once":
        await database.at_once(lambda connection: connection.execute(statement))
        return
    async with getattr(database, kind)() as connection:
        await connection.execute(select(organizations) if kind == "reading" else statement)


async def test_a_moment_comes_back_as_it_was_given(db: Database) -> None:
    moment = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
    async with db.transaction() as connection:
        await connection.execute(insert(organizations).values(organization("acme") | {"created_at": moment}))
    async with db.reading() as connection:
        assert await connection.scalar(select(organizations.c.created_at)) == moment


async def test_a_naive_moment_is_refused(db: Database) -> None:
    with pytest.raises(Exception, match="naive datetime"):
        async with db.transaction() as connection:
            values = organization("acme") | {"created_at": datetime(2026, 1, 1)}  # noqa: DTZ001
            await connection.execute(insert(organizations).values(values))


@given(st.datetimes(timezones=st.just(UTC)))
def test_microseconds_are_exact(moment: datetime) -> None:
    assert from_micros(to_micros(moment)) == moment


def test_another_engine_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="mysql"):
        Database("mysql+aiomysql://x/y")


ENTRY = {
    "actor_kind": "system",
    "actor": "postmta",
    "action": "test",
    "target_id": "t",
    "address": "",
    "request_id": "",
    "created_at": NOW,
}


@pytest.mark.parametrize("statement", ["UPDATE audit_log SET actor = 'nobody'", "DELETE FROM audit_log"])
async def test_the_database_refuses_to_change_the_audit_log(db: Database, statement: str) -> None:
    async with db.transaction() as connection:
        await connection.execute(insert(audit_log).values(id=new_id(NOW), **ENTRY))
    with pytest.raises(DBAPIError, match="audit_log is append-only"):
        async with db.transaction() as connection:
            await connection.execute(text(statement))
    async with db.reading() as connection:
        assert await connection.scalar(select(audit_log.c.actor)) == "postmta"


@pytest.mark.parametrize("table", append_only.TABLES)
async def test_every_append_only_table_has_its_triggers(db: Database, table: str) -> None:
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table"
        if db.is_sqlite
        else "SELECT tgname FROM pg_trigger WHERE tgrelid = CAST(:table AS regclass) AND NOT tgisinternal"
    )
    async with db.reading() as connection:
        found = set(await connection.scalars(text(query), {"table": table}))
    assert {f"{table}_no_update", f"{table}_no_delete"} <= found
    assert db.is_sqlite or f"{table}_no_truncate" in found


@given(st.integers(0, 2000))
def test_many_rows_go_in_statements_of_few_sizes(count: int) -> None:
    rows = [(number,) for number in range(count)]
    parts = list(bulk._parts(rows))
    assert [row for part in parts for row in part] == rows
    assert {len(part) for part in parts} <= set(bulk._SIZES)
    assert len(parts) <= count // 300 + 8


def test_the_newest_revision_is_that_of_the_migrations() -> None:
    assert newest() == ScriptDirectory.from_config(alembic_config()).get_current_head()
