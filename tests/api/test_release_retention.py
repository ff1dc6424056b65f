"""Old releases lose their files, and never those that somebody needs; their record stays."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select, update

from postmta_ctl.features.nodes import queries as nodes
from postmta_ctl.features.nodes.schemas import NodeCreate
from postmta_ctl.features.nodes.service import add
from postmta_ctl.features.policy import bringing, queries, retention
from postmta_ctl.features.policy.draft import load_bundle
from postmta_ctl.features.policy.publish import publish
from postmta_ctl.features.policy.releasing import By
from postmta_ctl.features.policy.retention import forget_old_releases
from postmta_ctl.store.locks import exclusive
from postmta_ctl.store.tables import blobs, releases


@pytest.fixture
def here(system: Any, db: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(bringing, "PROBE_SECONDS", 0.1)
    settings = msgspec.structs.replace(
        system.settings, releases_kept=2, releases_kept_days=10.0, event_retention_days=5
    )
    return dataclasses.replace(system, db=db, settings=settings)


async def release(client: Any, headers: Any, here: Any, number: int) -> None:
    """One more release, with one more vMTA."""
    body = {"name": f"mx{number}", "ip_address": f"192.0.2.{number}", "ehlo_domain": f"mx{number}.acme.test"}
    answer = await client.post("/api/v1/vmtas", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    assert (await publish(here, By("ann"))).release == number


async def published_ago(here: Any, days: dict[int, float]) -> None:
    """Have these releases been published so many days ago."""
    async with here.db.transaction() as connection:
        for number, ago in days.items():
            at = here.now() - timedelta(days=ago)
            await connection.execute(update(releases).where(releases.c.number == number).values(published_at=at))


async def kept(here: Any) -> list[int]:
    """Numbers of the releases that have their files, each of them whole."""
    async with here.db.reading() as connection:
        query = select(releases.c.number).where(releases.c.files_removed_at.is_(None)).order_by(releases.c.number)
        numbers = list(await connection.scalars(query))
        for number in numbers:
            row = await queries.by_number(connection, number)
            assert row is not None
            assert (await load_bundle(connection, await queries.files_of(connection, number))).digest == row.digest
    return numbers


async def count_blobs(here: Any) -> int:
    async with here.db.reading() as connection:
        return await connection.scalar(select(func.count()).select_from(blobs)) or 0


async def test_by_number_and_age_and_never_what_is_needed(
    client: Any, acme: Any, here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 6):
        await release(client, acme, here, number)
    await published_ago(here, {1: 40.0, 2: 9.0})
    await forget_old_releases(here)
    assert await kept(here) == [1, 2, 3, 4, 5], "all ran within ten days, the first until nine days ago"

    await published_ago(here, dict.fromkeys(range(1, 5), 30.0))
    async with exclusive(here.db, bringing.LOCK):
        assert await forget_old_releases(here) is False, "a publication goes before"
    assert await kept(here) == [1, 2, 3, 4, 5]

    # A node that has been away since release 2 goes on with that.
    body = NodeCreate(name="away", admin_url="http://127.0.0.1:1", policy_dir="/nowhere/policy", transport="agent")
    await add(here, body)
    async with here.db.transaction() as connection:
        (row,) = await nodes.all_nodes(connection)
        await nodes.change(connection, row.id, published_release=4, running_release=2)
    monkeypatch.setattr(retention, "AT_ONCE", 1)
    before = await count_blobs(here)
    assert await forget_old_releases(here) is True, "more is left for the next run"
    assert await forget_old_releases(here) is False
    # The fourth ran until five was published just now; the fifth is the newest.
    assert await kept(here) == [2, 4, 5]
    assert await count_blobs(here) < before

    async with here.db.transaction() as connection:
        await nodes.change(connection, row.id, published_release=5, running_release=5)
        # As a proposal of that time that still waits for somebody.
        await connection.execute(update(releases).where(releases.c.number == 2).values(state="proposed"))
    await published_ago(here, {5: 30.0})
    await forget_old_releases(here)
    assert await kept(here) == [2, 4, 5], "a proposal is kept; the two newest are, whatever their age"
    await release(client, acme, here, 6)
    assert await kept(here) == [2, 4, 5, 6], "what is published next is whole"


async def test_the_record_stays_and_the_rest_says_that_it_is_gone(client: Any, acme: Any, here: Any) -> None:
    for number in range(1, 6):
        await release(client, acme, here, number)
    await published_ago(here, dict.fromkeys(range(1, 5), 30.0))
    await forget_old_releases(here)
    assert await kept(here) == [4, 5]

    detail = (await client.get("/api/v1/policy/releases/2", headers=acme)).json()
    assert (detail["release"]["author"], detail["files"]) == ("ann", {})
    assert detail["release"]["files_removed_at"] is not None
    assert "mx2" in detail["diff"]
    assert detail["changes"]
    shown = (await client.get("/api/v1/policy/releases", headers=acme)).json()["data"]
    assert [one["number"] for one in shown] == [5, 4, 3, 2, 1]
    for method, path, body in (
        ("POST", "/api/v1/policy/rollback", {"release": 2}),
        ("GET", "/api/v1/policy/diff?from=2&to=5", None),
    ):
        answer = await client.request(method, path, json=body, headers=acme)
        assert (answer.status_code, answer.json()["code"]) == (404, "release_gone"), answer.text
        assert "release 2" in answer.json()["detail"]
    answer = await client.post("/api/v1/policy/rollback", json={"release": 4}, headers=acme)
    assert (answer.status_code, answer.json()["release"]) == (200, 6), answer.text
    assert await kept(here) == [4, 5, 6]
