"""The console's pages of what operators say about the policy: pools, shaping and scenarios."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from tests.api.test_releases import add_vmta
from tests.api.test_scenarios import GOOD
from tests.conftest import Client, FakeClock, join
from tests.console import Browser

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
HOSTILE = "<img src=x onerror=alert(1)>\"'"


async def test_a_pool_from_its_form_to_its_end(client: Client, acme: dict[str, str], bob: dict[str, str]) -> None:
    for number in (1, 2):
        await add_vmta(client, acme, number)
    browser, at = await Browser.logged_in(client), "/console/pools"
    assert "No pool yet" in (await browser.get(at)).text
    for wrong, field in (({"name": "News!"}, "name"), ({"members": f"mx9 {HOSTILE}"}, "members")):
        refused = await browser.post(f"{at}/new", {"name": "news", "domains": "n.test"} | wrong)
        assert (refused.status_code, f'id="e-{field}"' in refused.text) == (422, True), refused.text
        assert "<img src=x" not in refused.text
    made = await browser.post(f"{at}/new", {"name": "news", "members": "mx1\nmx2 3", "domains": "News.acme.test"})
    one = made.headers["location"]
    page = (await browser.get(one)).text
    assert "news is added." in page
    assert [share in page for share in ("25.0 %", "75.0 %", "mx1\nmx2 3", "news.acme.test")] == [True] * 4
    assert "mx1, mx2" in (await browser.get(at)).text

    version = html.unescape(re.findall(r'name="version" value="([^"]+)"', page)[0])
    fields = {"version": version, "members": "mx2", "default": "true"}
    assert (await browser.post(f"{one}/change", fields, at=one)).status_code == 303
    assert "mx2" in (await browser.get(one)).text
    late = await browser.post(f"{one}/change", fields | {"members": "mx1"}, at=one)
    assert (late.status_code, "It was changed since you read it" in late.text) == (412, True)
    version = html.unescape(re.findall(r'name="version" value="([^"]+)"', (await browser.get(one)).text)[0])
    asked = await browser.post(f"{one}/change", {"version": version}, at=one)
    assert (asked.status_code, "Leave news without any vMTA?" in asked.text) == (200, True)
    assert (await client.get(f"/api/v1{one.removeprefix('/console')}", headers=acme)).json()["members"] != []
    await browser.post(f"{one}/change", {"version": version, "sure": "yes"}, at=one)
    assert "Mail for this pool waits" in (await browser.get(one)).text

    other = await Browser.logged_in(client, "bob@bolt.test")
    assert [(await other.get(f"{one}{path}")).status_code for path in ("", "/delete")] == [404, 404]
    await join(client, acme, "vera@acme.test", "viewer")
    viewer = await Browser.logged_in(client, "vera@acme.test")
    assert (">Change<" in (await viewer.get(one)).text, (await viewer.get(f"{one}/delete")).status_code) == (False, 403)
    assert (await browser.post(f"{one}/delete", {})).headers["location"] == at
    assert "news is deleted." in (await browser.get(at)).text


async def test_a_rule_of_shaping_from_what_is_maintained_to_its_end(
    client: Client, acme: dict[str, str], bob: dict[str, str]
) -> None:
    browser, at = await Browser.logged_in(client), "/console/shaping"
    page = (await browser.get(at)).text
    assert "No rule yet" in page
    assert "postmaster.comcast.net" in page
    begun = (await browser.get(f"{at}/new?target=gmail")).text
    assert all(f'value="{value}"' in begun for value in ("gmail", "20", "100"))
    for wrong in ({"max_message_rate": HOSTILE}, {"connection_limit": "many"}, {"target": "gmial"}, {}):
        refused = await browser.post(f"{at}/new", {"kind": "provider", "target": "gmail"} | wrong)
        assert (refused.status_code, "<img src=x" in refused.text) == (422, False), wrong
    rule = {"kind": "provider", "target": "gmail", "connection_limit": "3", "note": HOSTILE}
    made = await browser.post(f"{at}/new", rule)
    assert made.status_code == 303
    again = await browser.post(f"{at}/new", rule)
    assert (again.status_code, "there is a rule for it already" in again.text) == (409, True)
    one = made.headers["location"]
    page = (await browser.get(one)).text
    assert ("connections at once: 3" in page, "&lt;img" in page, "<img src=x" in page) == (True, True, False)
    version = html.unescape(re.findall(r'name="version" value="([^"]+)"', page)[0])
    changed = {"version": version, "max_message_rate": "100/min"}
    assert (await browser.post(f"{one}/change", changed, at=one)).status_code == 303
    assert "messages: 100/min" in (await browser.get(at)).text
    assert (await browser.post(f"{one}/change", changed | {"note": "late"}, at=one)).status_code == 412
    assert "messages: 100/min" in (await browser.get(f"{one}/delete")).text
    await browser.post(f"{one}/delete", {})
    assert "No rule yet" in (await browser.get(at)).text
    other = await Browser.logged_in(client, "bob@bolt.test")
    assert [(await other.get(path)).status_code for path in (at, f"{at}/new", one)] == [403, 403, 403]


async def test_what_holds_for_a_destination_is_told_by_the_published_policy(
    client: Client, acme: dict[str, str], bob: dict[str, str]
) -> None:
    browser, at = await Browser.logged_in(client), "/console/shaping/destination"
    assert "Nothing asked yet" in (await browser.get(at)).text
    nothing = await browser.get(f"{at}?sender=acme.test&to=gmail.com")
    assert (nothing.status_code, "No policy has been published yet." in nothing.text) == (409, True)
    await add_vmta(client, acme, 1)
    await client.post("/api/v1/policy/publish", headers=acme)
    page = (await browser.get(f"{at}?sender=acme.test&to=gmail.com")).text
    assert "for mail of acme to postmaster@gmail.com" in page
    limit = re.search(r"<code>additional_connection_limits[^<]*</code></th><td>20</td>", page)
    assert limit is not None, page
    assert (await browser.get(f"{at}?sender=%3Cb%3E&to=x@y")).status_code == 422
    other = await Browser.logged_in(client, "bob@bolt.test")
    assert (await other.get(f"{at}?sender=bolt.test&to=gmail.com&organization=acme")).status_code == 403


async def test_scenarios_are_kept_tried_changed_and_removed(
    client: Client, acme: dict[str, str], bob: dict[str, str], clock: FakeClock
) -> None:
    await add_vmta(client, acme, 1)
    browser, at = await Browser.logged_in(client), "/console/policy/scenarios"
    assert "No scenario yet" in (await browser.get(at)).text
    wrong = await browser.post(f"{at}/new", {"toml": f"[[scenario]]\nname = '{HOSTILE[:20]}'"})
    assert (wrong.status_code, 'id="e-toml"' in wrong.text, "<img" in wrong.text.split("<main")[1]) == (
        422,
        True,
        False,
    )
    assert (await _keep(browser, f"{at}/new", GOOD)).status_code == 303
    page = (await browser.get(at)).text
    assert ("news@acme.test to bob@gmail.com" in page, "not tried" in page) == (True, True)
    assert "holds" in (await browser.get(f"{at}/run")).text
    await client.post("/api/v1/policy/publish", headers=acme)
    assert "Tried with release 1" in (await browser.get(at)).text

    second = GOOD.replace("acme leaves", "<b>acme</b> leaves").replace('["mx1"]', '["mx2"]')
    stale = await _version(browser, f"{at}/0")
    clock.advance(minutes=1)
    await _keep(browser, f"{at}/new", second)
    assert "they have changed since" in (await browser.get(at)).text
    run = (await browser.get(f"{at}/run")).text
    assert ("vmtas: expected mx2, found mx1" in run, "<b>" in run) == (True, False)
    late = await _keep(browser, f"{at}/0", GOOD, version=stale)
    assert (late.status_code, "It was changed since you read it" in late.text) == (412, True)
    await _keep(browser, f"{at}/1", second.replace('["mx2"]', '["mx1"]'))
    assert "failed" not in (await browser.get(f"{at}/run")).text
    asked = (await browser.get(f"{at}/1/remove")).text
    assert "&lt;b&gt;acme&lt;/b&gt; leaves by mx1" in asked
    version = await _version(browser, f"{at}/1/remove")
    await browser.post(f"{at}/1/remove", {"version": version})
    kept = (await client.get("/api/v1/policy/scenarios", headers=acme)).json()
    assert (len(kept["scenarios"]), "# Comments stay." in kept["toml"]) == (1, True)
    assert [(await browser.get(f"{at}/{path}")).status_code for path in ("1", "7/remove")] == [404, 404]
    assert (await _keep(browser, f"{at}/text", "")).status_code == 303
    assert "No scenario yet" in (await browser.get(at)).text
    other = await Browser.logged_in(client, "bob@bolt.test")
    for path in ("", "/run", "/new", "/text", "/0"):
        assert (await other.get(f"{at}{path}")).status_code == 403, path


async def _version(browser: Browser, at: str) -> str:
    return html.unescape(re.findall(r'name="version" value="([^"]+)"', (await browser.get(at)).text)[0])


async def _keep(browser: Browser, at: str, text: str, version: str = "") -> Any:
    return await browser.post(at, {"toml": text, "version": version or await _version(browser, at)})
