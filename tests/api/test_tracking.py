"""The pixel and the redirect, as recipients' programs meet them."""

from __future__ import annotations

from typing import Any

import pytest

from postmta_ctl.core.tracking import PIXEL
from postmta_ctl.features.tracking.service import tracker

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
    assert await timeline(client, acme, sent) == ["message.queued", "message.opened"]


async def test_a_click_is_noted_and_leads_where_the_message_pointed(
    client: Any, acme: Any, sent: Any, system: Any
) -> None:
    url = tracker(system).click_url(sent["recipients"][0]["id"], "https://example.com/?a=1&b=ü")
    answer = await client.get(url.removeprefix(system.settings.url), follow_redirects=False)
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("https://example.com/?a=1&b=")
    assert await timeline(client, acme, sent) == ["message.queued", "message.clicked"]


@pytest.mark.parametrize("token", ["x", "aHR0cHM6Ly9ldmlsLnRlc3Q", "%00", "." * 500])
async def test_a_foreign_token_leads_nowhere_and_shows_a_pixel(client: Any, token: str) -> None:
    assert (await client.get(f"/track/click/{token}", follow_redirects=False)).status_code == 404
    assert (await client.get(f"/track/open/{token}")).content == PIXEL


async def test_a_link_to_a_deleted_message_still_works(client: Any, acme: Any, system: Any) -> None:
    url = tracker(system).click_url("gone", "https://example.com/")
    answer = await client.get(url.removeprefix(system.settings.url), follow_redirects=False)
    assert answer.headers["location"] == "https://example.com/"
