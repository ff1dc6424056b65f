"""The console's templates and security."""

from __future__ import annotations

import re

import pytest

from tests.conftest import Client, join
from tests.console import Browser

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
CONTENT = {"subject": "Hello {{ name }}", "html": "<h1 onclick=x>{{ name }}</h1><script>alert(1)</script>"}


async def test_a_template_is_kept_by_versions_and_shown_in_a_frame_where_nothing_runs(
    client: Client, ann: dict[str, str], bob: dict[str, str]
) -> None:
    browser = await Browser.logged_in(client)
    refused = await browser.post("/console/templates/new", {"name": "x", "subject": "{{", "text": "x"})
    assert refused.status_code == 422
    made = await browser.post("/console/templates/new", {"name": "<b>welcome", **CONTENT})
    at = made.headers["location"]
    page = await browser.get(f'{at}?version=1&variables={{"name": "<i>Eve"}}')
    assert "<h3>Hello &lt;i&gt;Eve</h3>" in page.text
    assert "<script>alert" not in page.text
    [frame] = re.findall(r'<iframe class="preview" sandbox title="HTML body" src="([^"]+)"', page.text)
    shown = await browser.get(frame.replace("&amp;", "&"))
    assert "&lt;i&gt;Eve" in shown.text
    policy = shown.headers["content-security-policy"]
    assert policy.endswith("sandbox")
    assert "script-src" not in policy
    assert policy.startswith("default-src 'none'")
    assert (await browser.get(f"{at}?variables=[")).status_code == 422

    stale = {"based_on": "1", "subject": "Bye {{ name }}", "text": "Bye"}
    assert (await browser.post(at, stale)).status_code == 303
    assert (await browser.post(at, stale)).status_code == 409
    assert "Bye {{ name }}" in (await browser.get(at)).text
    other = await Browser.logged_in(client, "bob@bolt.test")
    assert (await other.get(at)).status_code == 404
    assert "All 2 versions" in (await browser.get(f"{at}/delete")).text
    await browser.post(f"{at}/delete", {})
    assert "No template yet" in (await browser.get("/console/templates")).text


async def test_rules_are_turned_on_and_off_and_greylisting_by_operators(
    client: Client, ann: dict[str, str], bob: dict[str, str]
) -> None:
    browser, at = await Browser.logged_in(client), "/console/security"
    rules = (await client.get("/api/v1/security/auto-block/rules", headers=ann)).json()["data"]
    rule = rules[0]
    await browser.post(f"{at}/rules", {"rule_id": rule["id"], "enabled": str(not rule["enabled"]).lower()}, at=at)
    changed = (await client.get("/api/v1/security/auto-block/rules", headers=ann)).json()["data"]
    assert {one["id"]: one["enabled"] for one in changed}[rule["id"]] is not rule["enabled"]
    assert (await browser.post(f"{at}/greylisting", {"enabled": "true"}, at=at)).status_code == 303
    assert "Greylisting is on with the next release." in (await browser.get(at)).text
    owner = await Browser.logged_in(client, "bob@bolt.test")
    assert (await owner.post(f"{at}/greylisting", {"enabled": "false"}, at=at)).status_code == 403
    assert (await owner.get(at)).status_code == 200
    assert (await owner.post(f"{at}/rules", {"rule_id": rule["id"], "enabled": "true"}, at=at)).status_code == 404
    nothing = "01900000-0000-7000-8000-000000000000"
    assert (await owner.get(f"{at}/blocks/{nothing}/resolve")).status_code == 404
    await join(client, ann, "vera@acme.test", "viewer")
    viewer = await Browser.logged_in(client, "vera@acme.test")
    assert "Turn o" not in (await viewer.get(at)).text
