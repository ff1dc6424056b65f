"""What ``postmta doctor`` finds: nothing where all is well, and each fault that is made here."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from postmta_ctl.clients.kumod import KumodClient
from postmta_ctl.clients.redis_limiter import RedisLimiter
from postmta_ctl.clients.rspamd import RspamdClient
from postmta_ctl.features.doctor import database, installation, outgoing, service
from postmta_ctl.features.doctor.findings import Finding, worst
from postmta_ctl.settings import Settings
from postmta_ctl.store.engine import Database
from postmta_ctl.system import System, utc_now
from tests.api.test_cli_policy import Shell
from tests.api.test_drift import edit
from tests.api.test_policy import add, publish, running
from tests.conftest import FakeResolver
from tests.fake_node import FakeNode

ADDRESS, PTR = "8.8.4.4", ("4.4.8.8.in-addr.arpa", "PTR")
SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
async def here(system: System, db: Database) -> AsyncIterator[System]:
    """The parts in the test's own event loop, by the wall clock, since nodes have one of their own."""
    kumod = KumodClient(timeout=5)
    yield replace(system, db=db, now=utc_now, kumod=kumod)
    await kumod.close()


@pytest.fixture
async def node(client: Any, acme: Any, resolver: FakeResolver, here: System, tmp_path: Path) -> AsyncIterator[FakeNode]:
    """A node that runs the release of an organization with a domain and a vMTA, all of it in order."""
    here.settings.data_dir.chmod(0o700)
    vmta = {"name": "mx1", "ip_address": ADDRESS, "ehlo_domain": "mx1.acme.test"}
    assert (await client.post("/api/v1/vmtas", json=vmta, headers=acme)).status_code == 201
    resolver.records |= {PTR: ("mx1.acme.test",), ("mx1.acme.test", "A"): (ADDRESS,)}
    with FakeNode(tmp_path / "node").serving() as node:
        await add(client, acme, node)
        await publish(client, acme)
        yield node


async def examine(here: System) -> list[Finding]:
    return await service.examine(here, lambda _done, _all: None)


async def errors(here: System) -> set[tuple[str, str]]:
    found = await examine(here)
    assert all(one.todo for one in found if one.level != "ok")
    return {(one.check, one.subject) for one in found if one.level == "error"}


async def test_all_is_well_but_for_what_a_test_has(here: System, node: FakeNode) -> None:
    found = await examine(here)
    bad = [one for one in found if one.level != "ok"]
    assert [(one.check, one.subject, one.level) for one in bad] == [("settings", "bounce_domain", "warning")]
    good = {one.check for one in found if one.level == "ok"}
    assert good == {"files", "database", "node", "release", "clock", "dns", "ptr"}
    assert worst(found) == "warning"


@SQLITE
async def test_each_fault_is_found_by_name(here: System, node: FakeNode, resolver: FakeResolver) -> None:
    secret = node.policy_dir / "node.json"
    secret.chmod(0o644)
    assert await errors(here) == {("files", str(secret))}
    secret.chmod(0o600)
    (key, *_) = sorted((node.policy_dir / "keys").rglob("*.key"))
    key.chmod(0o640)
    assert await errors(here) == {("files", str(key))}
    key.chmod(0o600)

    node.version = "2026.01.01-abc"
    assert await errors(here) == {("node", "mx-1")}
    node.version = "2026.08.04-abc"
    edit(running(node) / "generated/pools.lua", "return {}")
    assert await errors(here) == {("release", "mx-1")}
    node.garbage = b"<html>"
    assert await errors(here) == {("node", "mx-1")}

    kept = dict(resolver.records)
    resolver.records.clear()
    found = await errors(here) - {("node", "mx-1")}
    assert found == {("dns", "acme.test of acme"), ("ptr", "mx1 of acme")}
    resolver.records |= kept
    node.garbage = None
    resolver.broken |= {name for name, _ in kept if name != "acme.test"}
    assert await errors(here) == {("release", "mx-1")}, "what DNS does not tell is no error"
    assert "warning" in {one.level for one in await examine(here) if one.check == "dns"}
    resolver.broken.add("acme.test")
    assert await errors(here) == {("release", "mx-1"), ("dns", "resolver system")}
    assert len([one for one in await examine(here) if one.check in ("dns", "ptr")]) == 1, "one thing to mend"


@SQLITE
async def test_clocks_are_compared(here: System, node: FakeNode) -> None:
    for seconds, level in ((0, "ok"), (20, "warning"), (3600, "error")):
        ahead = replace(here, now=lambda: utc_now() + timedelta(seconds=seconds))  # noqa: B023
        (clock,) = (one for one in await examine(ahead) if one.check == "clock")
        assert (clock.subject, clock.level) == ("mx-1", level)


@SQLITE
async def test_a_node_that_is_away_and_another_master_key(here: System, node: FakeNode) -> None:
    other = replace(here, keys=msgspec.structs.replace(here.keys, master_key=bytes(32)))
    assert {("database", "database")} <= await errors(other)
    async with here.db.transaction() as connection:
        await connection.exec_driver_sql("UPDATE nodes SET admin_url = 'http://127.0.0.1:9'")
    assert await errors(here) == {("node", "mx-1")}


@SQLITE
async def test_a_database_that_cannot_be_used(here: System, tmp_path: Path) -> None:
    empty = Database(f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}")
    (schema,) = await database.look(replace(here, db=empty))
    assert (schema.level, schema.todo) == ("error", "postmta db upgrade")
    await empty.close()
    (tmp_path / "broken.db").write_bytes(b"no database at all" * 1000)
    broken = Database(f"sqlite+aiosqlite:///{tmp_path / 'broken.db'}")
    (found,) = await database.look(replace(here, db=broken))
    assert (found.level, "not a database" in found.found) == ("error", True)
    await broken.close()
    with closing(sqlite3.connect(str(here.db.url.database))) as connection:  # which lets foreign keys be, by itself
        row = "INSERT INTO domains (id, organization_id, name, status, ownership_token, created_at) "
        connection.execute(row + "VALUES ('d', 'gone', 'x.test', 'pending', 't', 0)")
        connection.commit()
    (dangling,) = await database.look(here)
    assert "domains refers to organizations that is gone" in dangling.found


def test_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def judged(**chosen: Any) -> dict[str, str]:
        settings = Settings(data_dir=tmp_path, bounce_domain="bounce.example.com", **chosen)
        found = installation.look(settings, [])
        assert all(one.todo for one in found if one.level != "ok")
        return {one.subject: one.level for one in found if one.level != "ok"}

    tmp_path.chmod(0o700)
    assert judged(public_url="https://mail.example.com") == {}
    assert judged(public_url="http://mail.example.com") == {"public_url": "warning"}
    assert judged(dns="sandbox") == {"dns": "warning"}
    for free, level in ((installation.LITTLE - 1, "warning"), (installation.VERY_LITTLE - 1, "error")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _folder, free=free: SimpleNamespace(free=free))
        assert judged() == {str(tmp_path): level}


@SQLITE
async def test_engines_that_are_configured_are_asked(here: System, node: FakeNode) -> None:
    away = replace(here, spam=RspamdClient("http://127.0.0.1:9", "", timeout=1))
    assert await errors(away) == {("engine", "rspamd")}
    assert away.spam is not None
    await away.spam.close()
    shared = msgspec.structs.replace(here.settings, redis_url="redis://127.0.0.1:9/0")
    alone = replace(here, settings=shared, limiter=RedisLimiter(shared.redis_url))
    (redis,) = (one for one in await examine(alone) if one.check == "engine")
    assert (redis.subject, redis.level, "each process counts" in redis.todo) == ("redis", "warning", True)
    await alone.limiter.close()


async def test_port_25_is_tried_for_real() -> None:
    async def answer(said: bytes) -> Finding:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(said)
            await reader.read()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            return await outgoing.look("127.0.0.1", server.sockets[0].getsockname()[1])

    assert (await answer(b"220 mx.example.com ESMTP\r\n")).level == "ok"
    assert (await answer(b"554 go away\r\n")).level == "warning"
    assert (await outgoing.look("127.0.0.1", 9)).level == "error"


def test_the_command(tmp_path: Path) -> None:
    postmta = Shell(tmp_path)
    assert "has never run" in postmta("doctor", status=1)
    postmta("db", "upgrade")
    found = json.loads(postmta("doctor", "--json"))
    assert {one["subject"] for one in found if one["level"] == "warning"} == {"bounce_domain", "nodes"}
    assert "0 errors." in postmta("doctor", "--strict", status=1), "warnings count"
    (tmp_path / "data" / "secrets" / "master.key").chmod(0o644)
    said = postmta("doctor", status=1)
    assert f"-> chmod 600 {tmp_path / 'data' / 'secrets' / 'master.key'}" in said
    assert "1 errors." in said
    postmta.environ["POSTMTA_SPAM_ENGIN"] = "x"
    assert "did you mean POSTMTA_SPAM_ENGINE" in postmta("doctor", status=1)
