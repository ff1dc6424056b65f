"""The overview tells what needs attention and where it is mended; the first steps verify each before the next."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from postmta_ctl.console import first_steps
from postmta_ctl.features.nodes.watch import watch_nodes
from postmta_ctl.store.tables import domains, nodes, webhooks
from postmta_ctl.system import System
from tests.api.test_policy import add
from tests.api.test_releases import add_vmta
from tests.conftest import Client, FakeClock, FakeResolver, work
from tests.console import Browser
from tests.fake_node import FakeNode

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PART = "/console/overview/attention"


async def test_what_needs_attention_is_told_with_the_page_that_mends_it(
    client: Client, acme: dict[str, str], system: System, clock: FakeClock, tmp_path: Any
) -> None:
    browser = await Browser.logged_in(client)
    assert "Nothing needs attention" in (await browser.get(PART)).text
    await client.post("/api/v1/domains", json={"domain": "new.test"}, headers=acme)
    with FakeNode(tmp_path / "mx-1").serving() as node:
        await add(client, acme, node)
        await client.post("/api/v1/policy/publish", headers=acme)
    await add_vmta(client, acme, 1)
    made = await client.get("/api/v1/vmtas", headers=acme)
    await client.post(f"/api/v1/vmtas/{made.json()['data'][0]['id']}/pause", json={"reason": "<listed>"}, headers=acme)
    hook = {"url": "https://hooks.example.com/", "events": ["message.bounced"]}
    assert (await client.post("/api/v1/webhooks", json=hook, headers=acme)).status_code == 201
    async with system.db.transaction() as connection:
        await connection.execute(update(domains).where(domains.c.name == "acme.test").values(status="failing"))
        await connection.execute(update(webhooks).values(enabled=False, disabled_reason="failing"))
        await connection.execute(update(nodes).values(last_seen_at=clock() - timedelta(hours=1)))
    shown = (await browser.get(PART)).text
    for words in ("acme.test", "new.test", "vMTA mx1", "&lt;listed&gt;", "hooks.example.com", "Node mx-1"):
        assert words in shown, words
    # What stops mail comes first, and every action leads to a page.
    assert shown.index("hooks.example.com") < shown.index("new.test")
    for path in re.findall(r'href="([^"]+)"', shown):
        assert (await browser.get(path.partition("#")[0])).status_code == 200, path


async def test_the_first_steps_come_one_after_the_other(
    client: Client, ann: dict[str, str], resolver: FakeResolver, tmp_path: Any
) -> None:
    browser = await Browser.logged_in(client)
    at = "/console/first-steps"
    page = (await browser.get(at)).text
    assert (page.count('card good"'), page.count('card now"'), "policy_dir" in page) == (1, 1, True)
    bad = await browser.post(f"{at}/node", {"name": "mx 1", "admin_url": "x", "policy_dir": "y"}, at=at)
    assert (bad.status_code, 'value="mx 1"' in bad.text) == (422, True)
    with FakeNode(tmp_path / "mx-1").serving() as node:
        fields = {"name": "mx-1", "admin_url": node.url, "policy_dir": str(tmp_path / "mx-1")}
        assert (await browser.post(f"{at}/node", fields, at=at)).status_code == 303
        assert "Waiting for a node" in (await browser.get(at)).text
        await client.post("/api/v1/policy/publish", headers=ann)
        await work(client, watch_nodes)
        assert "Add the domain" in (await browser.get(at)).text
        await browser.post(f"{at}/domain", {"domain": "acme.test"}, at=at)
        page = (await browser.get(at)).text
        (domain_id,) = re.findall(r'name="domain_id" value="([^"]+)"', page)
        missing = await browser.post(f"{at}/verify", {"domain_id": domain_id}, at=at)
        assert "not verified yet" in (await browser.get(missing.headers["location"])).text
        made = (await client.get(f"/api/v1/domains/{domain_id}", headers=ann)).json()
        for record in made["dns_records"]:
            resolver.records[record["name"], record["type"]] = (record["value"],)
        await browser.post(f"{at}/verify", {"domain_id": domain_id}, at=at)
        vmta = {"name": "mx1", "ip_address": "192.0.2.10", "ehlo_domain": "mx1.acme.test"}
        wrong = await browser.post(f"{at}/vmta", vmta | {"ip_address": "here"}, at=at)
        assert (wrong.status_code, 'id="e-ip_address"' in wrong.text) == (422, True)
        await browser.post(f"{at}/vmta", vmta, at=at)
        # Made is not published: the next step begins when the nodes have it.
        page = (await browser.get(at)).text
        assert ("Publish the policy" in page, "Send it" in page) == (True, False)
        await client.post("/api/v1/policy/publish", headers=ann)
        assert 'value="test@acme.test"' in (await browser.get(at)).text
        await browser.post(f"{at}/message", {"from": "test@acme.test", "to": "ok@example.org"}, at=at)
        page = (await browser.get(at)).text
    assert (page.count('card good"'), "A first message" in page, 'hx-trigger="every 2s"' in page) == (4, True, True)


@pytest.mark.usefixtures("database_url")
def test_a_step_that_was_never_reached_is_not_done() -> None:
    nothing = first_steps.Found(nodes=[], domains=[], vmtas=[], is_published=True, messages=[])
    states = [one.state for one in first_steps.steps(nothing)]
    assert states == ["good", "now", "later", "later", "later"]
