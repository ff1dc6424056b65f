"""A database of an earlier version: what waits in it is as good as what comes."""

from __future__ import annotations

from typing import Any

from alembic import command
from sqlalchemy import func, select

from postmta_ctl.store.migrate import alembic_config, current, newest, upgrade
from postmta_ctl.store.tables import message_contents, outbox
from tests.api.test_relay import send


def downgrade(connection: Any) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.downgrade(config, "0001")


async def test_what_waits_in_the_outbox_gets_the_length_of_its_content(client: Any, acme: Any, db: Any) -> None:
    await send(client, acme, text="x" * 5000, to=["a@example.org", "b@example.org"])
    await send(client, acme)
    async with db.transaction() as connection:
        await connection.run_sync(downgrade)
    assert await current(db) == "0001"

    await upgrade(db)

    assert await current(db) == newest()
    query = select(outbox.c.octets, func.length(message_contents.c.content)).join_from(
        outbox, message_contents, message_contents.c.message_id == outbox.c.message_id
    )
    async with db.reading() as connection:
        rows = (await connection.execute(query)).all()
    assert len(rows) == 3
    assert all(octets == length > 0 for octets, length in rows)
