"""Live data: what changes in the database is in the nodes' folders at the next turn, and nothing else is touched."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from postmta_ctl.core import live_data
from postmta_ctl.features.live_data import queries
from postmta_ctl.features.live_data.jobs import deliver, refresh_live_data, take_up
from postmta_ctl.settings import Settings
from postmta_ctl.store.live_changes import mark
from postmta_ctl.store.locks import exclusive
from tests.api.credits_support import CATALOGUE, MAIL

GONE = "gone@example.org"


@pytest.fixture
def here(system: Any, db: Any) -> Any:
    """The system of the test's own event loop."""
    return dataclasses.replace(system, db=db)


@pytest.fixture
async def folder(client: Any, ann: Any, tmp_path: Path) -> Path:
    return await add_node(client, ann, tmp_path, "n1")


async def add_node(client: Any, headers: Any, tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name
    body = {"name": name, "admin_url": "http://127.0.0.1:1", "policy_dir": str(folder)}
    answer = await client.post("/api/v1/nodes", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return folder


async def suppress(client: Any, headers: Any, address: str) -> str:
    answer = await client.post("/api/v1/suppressions", json={"address": address, "reason": "manual"}, headers=headers)
    return str(answer.json()["id"])


def suppressions(folder: Path, address: str) -> str:
    path = folder / "live" / live_data.suppression_path(live_data.suppression_shard(address))
    return path.read_text() if path.exists() else ""


async def test_a_suppression_comes_and_goes(client: Any, ann: Any, here: Any, folder: Path) -> None:
    made = await suppress(client, ann, "Gone@Example.org")
    await refresh_live_data(here)
    assert suppressions(folder, GONE) == live_data.suppression_digest("acme", GONE) + "\n"
    await client.delete(f"/api/v1/suppressions/{made}", headers=ann)
    await refresh_live_data(here)
    assert suppressions(folder, GONE) == ""


async def test_no_address_is_in_the_folder_and_it_is_for_nobody_else(
    client: Any, ann: Any, bob: Any, here: Any, folder: Path
) -> None:
    for headers in (ann, bob):
        await suppress(client, headers, GONE)
    await refresh_live_data(here)
    files = [path for path in (folder / "live").rglob("*") if path.is_file()]
    assert not any(b"gone" in path.read_bytes() or b"acme" in path.read_bytes() for path in files)
    digests = sorted(live_data.suppression_digest(slug, GONE) for slug in ("acme", "bolt"))
    assert suppressions(folder, GONE).splitlines() == digests
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


async def test_a_turn_without_changes_touches_nothing(client: Any, ann: Any, here: Any, folder: Path) -> None:
    await suppress(client, ann, GONE)
    await refresh_live_data(here)
    before = {path: path.stat().st_mtime_ns for path in (folder / "live").rglob("*")}
    assert await refresh_live_data(here) is False
    assert {path: path.stat().st_mtime_ns for path in (folder / "live").rglob("*")} == before


async def test_one_change_rewrites_one_file(client: Any, ann: Any, here: Any, folder: Path) -> None:
    for number in range(20):
        await suppress(client, ann, f"{number}@example.org")
    await refresh_live_data(here)
    before = {path: path.stat().st_ino for path in (folder / "live").rglob("*") if path.is_file()}
    assert {path.stat().st_mode & 0o777 for path in before} == {0o600}
    await suppress(client, ann, GONE)
    await refresh_live_data(here)
    after = {path: path.stat().st_ino for path in (folder / "live").rglob("*") if path.is_file()}
    changed = {path.name for path, inode in after.items() if before.get(path) != inode}
    assert changed == {live_data.VERSION, live_data.suppression_shard(GONE)}


async def test_a_new_node_and_one_whose_folder_was_cleared_get_everything(
    client: Any, ann: Any, here: Any, folder: Path, tmp_path: Path
) -> None:
    await suppress(client, ann, GONE)
    await refresh_live_data(here)
    other = await add_node(client, ann, tmp_path, "n2")
    (folder / "live" / live_data.VERSION).unlink()
    (folder / "live" / live_data.suppression_path(live_data.suppression_shard(GONE))).unlink()
    await refresh_live_data(here)
    assert suppressions(other, GONE) == suppressions(folder, GONE) != ""


async def test_a_node_that_cannot_be_written_to_does_not_hold_up_the_others(
    client: Any, ann: Any, here: Any, folder: Path, tmp_path: Path
) -> None:
    other = await add_node(client, ann, tmp_path, "n2")
    (folder / "live").write_text("in the way")
    await suppress(client, ann, GONE)
    await refresh_live_data(here)
    assert suppressions(other, GONE) != ""
    (folder / "live").unlink()
    await refresh_live_data(here)
    assert suppressions(folder, GONE) != ""


async def test_killed_between_taking_up_and_delivering_nothing_is_lost(
    client: Any, ann: Any, here: Any, folder: Path
) -> None:
    await suppress(client, ann, GONE)
    await take_up(here)
    assert suppressions(folder, GONE) == ""
    await deliver(here)
    assert suppressions(folder, GONE) != ""


async def test_a_change_that_rolls_back_is_none(client: Any, ann: Any, here: Any, folder: Path) -> None:
    with pytest.raises(RuntimeError):
        async with here.db.transaction() as connection:
            await mark(connection, [live_data.suppression_path("abc")])
            raise RuntimeError
    await refresh_live_data(here)
    assert not (folder / "live" / live_data.suppression_path("abc")).exists()


async def test_one_process_at_a_time(client: Any, ann: Any, here: Any, folder: Path) -> None:
    await suppress(client, ann, GONE)
    async with exclusive(here.db, "live-data"):
        assert await refresh_live_data(here) is False
    assert suppressions(folder, GONE) == ""


async def test_a_credential_comes_changes_and_goes(client: Any, ann: Any, here: Any, folder: Path) -> None:
    body = {"name": "shop", "allowed_ips": ["192.0.2.0/24"], "expires_at": "2026-11-23T12:00:00Z"}
    made = (await client.post("/api/v1/smtp-credentials", json=body, headers=ann)).json()
    username, secret = made["smtp_credential"]["username"], made["secret"]

    def known() -> Any:
        path = folder / "live" / live_data.credential_path(live_data.credential_shard(username))
        assert secret not in path.read_text()
        return json.loads(path.read_text()).get(username)

    await refresh_live_data(here)
    first = {"digest": live_data.credential_digest(username, secret)}
    limits = {"networks": ["192.0.2.0/24"], "expires": 1795435200}
    assert known() == {"organization": "acme", "secrets": [first]} | limits
    path = f"/api/v1/smtp-credentials/{made['smtp_credential']['id']}"
    rotated = (await client.post(f"{path}/rotate", json={"overlap_seconds": 60}, headers=ann)).json()
    await refresh_live_data(here)
    second = {"digest": live_data.credential_digest(username, rotated["secret"])}
    assert known()["secrets"] == [second, first | {"until": 1795348860}]
    await client.delete(path, headers=ann)
    await refresh_live_data(here)
    assert known() is None


class TestBlocked:
    @pytest.fixture
    def settings(self, settings: Settings, tmp_path: Path) -> Settings:
        """Everybody begins with the plan ``small``: 10 emails."""
        (tmp_path / "plans.toml").write_text(CATALOGUE)
        return msgspec.structs.replace(settings, plans_file=str(tmp_path / "plans.toml"), default_plan="small")

    async def test_who_has_no_credit_left_is_blocked_until_there_is(
        self, client: Any, acme: Any, here: Any, folder: Path
    ) -> None:
        def blocked() -> Any:
            return json.loads((folder / "live" / live_data.BLOCKED).read_text())

        await client.post("/api/v1/smtp-credentials", json={"name": "shop"}, headers=acme)
        await refresh_live_data(here)
        assert blocked() == {}
        body = MAIL | {"to": [f"r{number}@example.org" for number in range(10)]}
        assert (await client.post("/api/v1/messages/send", json=body, headers=acme)).status_code == 202
        await refresh_live_data(here)
        assert blocked() == {"acme": "insufficient_credits"}
        organization_id = (await client.get("/api/v1/auth/me", headers=acme)).json()["organization"]["id"]
        grant = {"organization_id": organization_id, "type": "email", "amount": 1, "reason": "a gift"}
        answer = await client.post("/api/v1/credits/grant", json=grant, headers=acme)
        assert answer.status_code in (200, 201), answer.text
        await refresh_live_data(here)
        assert blocked() == {}


class TestUnmetered:
    @pytest.fixture
    def settings(self, settings: Settings, tmp_path: Path) -> Settings:
        """Everybody has a plan that counts and does not charge."""
        (tmp_path / "plans.toml").write_text(CATALOGUE)
        return msgspec.structs.replace(settings, plans_file=str(tmp_path / "plans.toml"), default_plan="own")

    async def test_who_needs_no_credit_is_never_blocked(self, client: Any, ann: Any, here: Any, folder: Path) -> None:
        await client.post("/api/v1/smtp-credentials", json={"name": "shop"}, headers=ann)
        assert (await client.get("/api/v1/billing/plan", headers=ann)).status_code == 200
        async with here.db.reading() as connection:
            assert [row.slug for row in await queries.without_credits(connection)] == ["acme"]
        await refresh_live_data(here)
        assert json.loads((folder / "live" / live_data.BLOCKED).read_text()) == {}
