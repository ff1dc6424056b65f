"""The exchange of the master key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, update

from postmta_ctl.core.secrets import key_id, key_id_of
from postmta_ctl.features.doctor import database as doctor
from postmta_ctl.features.nodes import queries as nodes
from postmta_ctl.features.nodes.access import own_values
from postmta_ctl.features.sealing.queries import PLACES
from postmta_ctl.features.sealing.service import reseal, waiting
from postmta_ctl.features.tracking.service import tracker
from postmta_ctl.store.engine import Database
from postmta_ctl.store.tables import metadata
from postmta_ctl.store.tables import webhooks as webhook_table
from postmta_ctl.system import System
from tests.conftest import Client, register

NEW = bytes(range(32))


def test_every_column_of_sealed_values_is_known() -> None:
    columns = {f"{table.name}.{column.name}" for table in metadata.sorted_tables for column in table.c}
    assert {name for name in columns if ".sealed_" in name} == {place.name for place in PLACES}


def exchanged(system: System) -> System:
    keys = msgspec.structs.replace(system.keys, master_key=NEW, former_master_keys=(system.keys.master_key,))
    return replace(system, keys=keys)


def without_former(system: System) -> System:
    return replace(system, keys=msgspec.structs.replace(system.keys, former_master_keys=()))


async def filled(client: Client, policy_dir: str) -> None:
    """Something in each place."""
    ann = await register(client)
    for method, path, body in (
        ("POST", "/api/v1/domains", {"domain": "acme.test"}),
        ("POST", "/api/v1/webhooks", {"url": "https://hooks.example.com/a", "events": ["message.delivered"]}),
        ("POST", "/api/v1/nodes", {"name": "mx-1", "admin_url": "http://127.0.0.1:9", "policy_dir": policy_dir}),
    ):
        made = await client.request(method, path, json=body, headers=ann)
        assert made.status_code == 201, made.text
        if path.endswith("webhooks"):
            turned = await client.post(f"{path}/{made.json()['webhook']['id']}/rotate-secret", json={}, headers=ann)
            assert turned.status_code == 200, turned.text


async def values(system: System) -> dict[str, list[bytes]]:
    async with system.db.reading() as connection:
        found: dict[str, list[bytes]] = {}
        for place in PLACES:
            query = select(place.column).where(place.column.is_not(None)).order_by(place.table.c.id)
            found[place.name] = list((await connection.execute(query)).scalars())
        return found


async def own_file(system: System) -> dict[str, Any]:
    async with system.db.reading() as connection:
        (node,) = await nodes.all_nodes(connection)
    return own_values(system, node)


async def test_everything_is_sealed_anew_and_opens_without_the_former_key(
    client: Client, system: System, db: Database, tmp_path: Path
) -> None:
    await filled(client, str(tmp_path / "node"))
    system = replace(system, db=db)
    before = await values(system)
    assert all(before.values()), "something in each place"
    tokens = await own_file(system)
    after = exchanged(system)
    async with system.db.reading() as connection:
        known = await nodes.all_nodes(connection)
    (finding,) = await doctor.secrets(after, known)
    assert (finding.level, finding.todo) == ("warning", "postmta db reseal")
    assert (await own_file(after))["admin_token"] == tokens["admin_token"], "opens before it is sealed anew"

    done = await reseal(after)

    assert {one.place: (one.resealed, one.unreadable) for one in done} == {
        name: (len(some), 0) for name, some in before.items()
    }
    assert {key_id_of(one) for some in (await values(system)).values() for one in some} == {key_id(NEW)}
    assert await waiting(after) == 0
    assert await doctor.secrets(after, known) == []
    assert {one.resealed for one in await reseal(after)} == {0}, "and again: nothing"
    assert (await own_file(without_former(after)))["admin_token"] == tokens["admin_token"]


async def test_what_was_cut_off_goes_on_and_what_no_key_opens_stays(
    client: Client, system: System, db: Database, tmp_path: Path
) -> None:
    await filled(client, str(tmp_path / "node"))
    system = replace(system, db=db)
    after = exchanged(system)
    drawn: list[int] = []

    def random(count: int) -> bytes:
        drawn.append(count)
        if len(drawn) == 3:
            raise InterruptedError
        return system.random(count)

    with pytest.raises(InterruptedError):
        await reseal(replace(after, random=random))
    left = await waiting(after)
    assert 0 < left < sum(map(len, (await values(system)).values()))
    async with system.db.transaction() as connection:
        await connection.execute(update(webhook_table).values(sealed_previous_secret=b"\x01????" + bytes(40)))
    done = {one.place: one for one in await reseal(after)}
    assert done["webhooks.sealed_previous_secret"].unreadable == 1
    assert sum(one.resealed for one in done.values()) == left - 1
    assert await waiting(after) == 1


async def test_links_in_mail_that_was_sent_go_on_working(system: System) -> None:
    token = tracker(system).open_url("r1").rpartition("/")[2]
    after = exchanged(system)
    link = tracker(after).read_open(token)
    assert link is not None
    assert link.recipient_id == "r1"
    assert tracker(without_former(after)).read_open(token) is None
    assert tracker(after).open_url("r1").rpartition("/")[2] != token
