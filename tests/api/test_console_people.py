"""The console's keys, users and webhooks."""

from __future__ import annotations

import re

import pytest

from tests.conftest import Client, join
from tests.console import Browser

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_a_keys_secret_is_shown_once_and_opens_what_it_says(client: Client, ann: dict[str, str]) -> None:
    browser, at = await Browser.logged_in(client), "/console/keys"
    refused = await browser.post(at, {"name": "<b>", "scopes": "messages:fly"})
    assert (refused.status_code, 'value="&lt;b&gt;"' in refused.text, 'id="e-scopes"' in refused.text) == (
        422,
        True,
        True,
    )
    made = await browser.post(at, {"name": "shop", "scopes": "messages:send\ndomains:read"})
    [secret] = re.findall(r"<code>(pmta_[^<]+)</code>", made.text)
    opened = await client.get("/api/v1/domains", headers={"Authorization": f"Bearer {secret}"})
    assert opened.status_code == 200
    page = (await browser.get(at)).text
    assert secret not in page
    [one] = re.findall(rf"{at}/([0-9a-f-]{{36}})/rotate", page)
    renewed = await browser.post(f"{at}/{one}/rotate", {})
    assert re.search(r"<code>pmta_", renewed.text)
    assert "old secret until" in (await browser.get(at)).text
    await browser.post(f"{at}/{one}/delete", {})
    assert (await client.get("/api/v1/domains", headers={"Authorization": f"Bearer {secret}"})).status_code == 401


async def test_users_are_invited_given_roles_and_removed(
    client: Client, ann: dict[str, str], bob: dict[str, str]
) -> None:
    browser, at = await Browser.logged_in(client), "/console/users"
    invited = await browser.post(at, {"email": "eve@acme.test", "role": "developer"})
    assert "/console/register?invitation=" in invited.text
    [one] = re.findall(r"invitations/([0-9a-f-]{36})/withdraw", (await browser.get(at)).text)
    await browser.post(f"{at}/invitations/{one}/withdraw", {}, at=at)
    assert "The invitation is withdrawn." in (await browser.get(at)).text

    await join(client, ann, "vera@acme.test", "viewer")
    page = (await browser.get(at)).text
    ids = {
        re.findall(r'Role of ([^"]+)"', part)[0]: part[:36]
        for part in page.split("/console/users/")[1:]
        if "/role" in part[:42]
    }
    await browser.post(f"{at}/{ids['vera@acme.test']}/role", {"role": "admin"}, at=at)
    assert "vera@acme.test is admin now." in (await browser.get(at)).text
    last = await browser.post(f"{at}/{ids['ann@acme.test']}/role", {"role": "viewer"}, at=at)
    assert last.status_code == 409
    other = await Browser.logged_in(client, "bob@bolt.test")
    assert (await other.get(f"{at}/{ids['vera@acme.test']}/remove")).status_code == 404
    await browser.post(f"{at}/{ids['vera@acme.test']}/remove", {})
    assert "vera@acme.test" not in (await browser.get(at)).text


async def test_an_endpoint_is_added_tested_switched_and_replayed(
    client: Client, ann: dict[str, str], bob: dict[str, str]
) -> None:
    browser, at = await Browser.logged_in(client), "/console/webhooks"
    refused = await browser.post(at, {"url": "https://hooks.example.com/", "events": "message.flown"})
    assert (refused.status_code, 'id="e-events"' in refused.text) == (422, True)
    made = await browser.post(at, {"url": "https://hooks.example.com/", "events": "message.delivered"})
    assert "<code>whsec_" in made.text
    [one] = re.findall(rf'href="{at}/([0-9a-f-]{{36}})"', made.text)
    # Nobody answers there; that is a delivery, too.
    assert (await browser.post(f"{at}/{one}/test", {}, at=f"{at}/{one}")).status_code == 303
    page = (await browser.get(f"{at}/{one}")).text
    assert "webhook.test" in page
    [delivery] = re.findall(r"deliveries/([0-9a-f-]{36})/replay", page)
    assert (await browser.post(f"{at}/{one}/deliveries/{delivery}/replay", {}, at=f"{at}/{one}")).status_code == 303
    await browser.post(f"{at}/{one}/switch", {"enabled": "false"}, at=f"{at}/{one}")
    assert "somebody disabled it" in (await browser.get(f"{at}/{one}")).text
    assert "<code>whsec_" in (await browser.post(f"{at}/{one}/secret", {})).text
    other = await Browser.logged_in(client, "bob@bolt.test")
    assert (await other.get(f"{at}/{one}")).status_code == 404
    await browser.post(f"{at}/{one}/delete", {})
    assert "No endpoint yet" in (await browser.get(at)).text
