"""The pixel and the redirect, as recipients' programs meet them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from postmta_ctl.core.tracking import PIXEL
from postmta_ctl.features.tracking.noting import AT_ONCE, keep_fetches
from postmta_ctl.features.tracking.service import tracker
from postmta_ctl.journal import Journal
from postmta_ctl.store.tables import rollup_types
from tests.conftest import work

BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
MAIL = {
    "from": "ann@acme.test",
    "to": ["bob@example.org"],
    "subject": "x",
    "html": "<a href='https://example.com/'>x</a>",
}


@pytest.fixture
async def sent(client: Any, acme: Any) -> Any:
    return (await client.post("/api/v1/messages/send", json=MAIL, headers=acme)).json()


async def timeline(client: Any, acme: Any, sent: Any) -> list[str]:
    shown = (await client.get(f"/api/v1/messages/{sent['id']}", headers=acme)).json()
    return [entry["type"] for entry in shown["timeline"]]


async def test_an_open_is_noted(client: Any, acme: Any, sent: Any, system: Any) -> None:
    path = tracker(system).open_url(sent["recipients"][0]["id"]).removeprefix(system.settings.url)
    answer = await client.get(path)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, PIXEL, "image/gif")
    assert "no-store" in answer.headers["cache-control"]
    await work(client, keep_fetches)
    assert await timeline(client, acme, sent) == ["message.queued", "message.opened"]


async def test_a_click_is_noted_and_leads_where_the_message_pointed(
    client: Any, acme: Any, sent: Any, system: Any
) -> None:
    url = tracker(system).click_url(sent["recipients"][0]["id"], "https://example.com/?a=1&b=ü")
    answer = await client.get(url.removeprefix(system.settings.url), follow_redirects=False)
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("https://example.com/?a=1&b=")
    await work(client, keep_fetches)
    assert await timeline(client, acme, sent) == ["message.queued", "message.clicked"]


@pytest.mark.parametrize("token", ["x", "aHR0cHM6Ly9ldmlsLnRlc3Q", "%00", "." * 500])
async def test_a_foreign_token_leads_nowhere_and_shows_a_pixel(client: Any, token: str) -> None:
    assert (await client.get(f"/track/click/{token}", follow_redirects=False)).status_code == 404
    assert (await client.get(f"/track/open/{token}")).content == PIXEL


async def test_a_link_to_a_deleted_message_still_works(client: Any, acme: Any, system: Any) -> None:
    url = tracker(system).click_url("gone", "https://example.com/")
    answer = await client.get(url.removeprefix(system.settings.url), follow_redirects=False)
    assert answer.headers["location"] == "https://example.com/"


async def test_fetches_at_the_same_time_are_each_an_event_and_one_is_the_first(
    client: Any, acme: Any, sent: Any, system: Any, db: Any
) -> None:
    rid = sent["recipients"][0]["id"]
    opens = [tracker(system).open_url(rid), tracker(system).open_url("gone")]
    paths = [url.removeprefix(system.settings.url) for url in opens * 10]
    answers = await asyncio.gather(*(client.get(path, headers=BROWSER) for path in paths))
    assert {answer.content for answer in answers} == {PIXEL}
    await work(client, keep_fetches)
    assert (await timeline(client, acme, sent)).count("message.opened") == 10
    async with db.reading() as connection:
        rows = await connection.execute(select(rollup_types.c.type, rollup_types.c.count))
        counts = {row.type: row.count for row in rows}
    assert (counts["message.opened"], counts["message.opened_first"]) == (10, 1)


async def test_lines_that_come_again_count_once(client: Any, acme: Any, sent: Any, system: Any, db: Any) -> None:
    path = tracker(system).open_url(sent["recipients"][0]["id"]).removeprefix(system.settings.url)
    for _ in range(3):
        await client.get(path, headers=BROWSER)
    lines = system.fetches.oldest(AT_ONCE)
    await work(client, keep_fetches)
    # As if the process had been killed between the commit and the removal of the lines, twice.
    for line in [*lines, b"\x00cut short", *lines]:
        system.fetches.append(line)
    await work(client, keep_fetches)
    assert (await timeline(client, acme, sent)).count("message.opened") == 3
    async with db.reading() as connection:
        rows = await connection.execute(select(rollup_types.c.type, rollup_types.c.count))
        counts = {row.type: row.count for row in rows}
    assert (counts["message.opened"], counts["message.opened_first"]) == (3, 1)


async def test_a_link_leads_on_while_the_database_is_away(client: Any, acme: Any, sent: Any, system: Any) -> None:
    url = tracker(system).click_url(sent["recipients"][0]["id"], "https://example.com/")
    async with system.db.transaction() as connection:
        assert (await client.get(url.removeprefix(system.settings.url), follow_redirects=False)).status_code == 302
        await connection.rollback()
    await work(client, keep_fetches)
    assert await timeline(client, acme, sent) == ["message.queued", "message.clicked"]


async def test_what_cannot_be_noted_is_not_answered_as_if_it_were(
    client: Any, sent: Any, system: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    system.fetches.close()
    object.__setattr__(system, "fetches", Journal(tmp_path / "file"))
    path = tracker(system).open_url(sent["recipients"][0]["id"]).removeprefix(system.settings.url)
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "busy", "5")
