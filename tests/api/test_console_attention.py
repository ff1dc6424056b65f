"""What the overview says needs attention, as it really comes about: each leads to the page that mends it."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import update

from postmta_ctl.features.ingest.service import ingest
from postmta_ctl.features.security.auto_block.watch import watch_rules
from postmta_ctl.features.warmup.governor import govern
from postmta_ctl.settings import Settings
from postmta_ctl.store.tables import webhooks
from tests.api.credits_support import CATALOGUE
from tests.api.test_auto_block import make_rule, record
from tests.api.test_policy import add
from tests.api.test_releases import work
from tests.conftest import Client, FakeClock, FakeResolver
from tests.console import Browser
from tests.fake_node import FakeNode

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PART = "/console/overview/attention"
WARMING = {
    "name": "mx1",
    "ip_address": "192.0.2.11",
    "ehlo_domain": "mx1.acme.test",
    "warmup": {"daily_allowances": [100, 200, 400]},
}


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Everybody begins with the plan ``small``: 10 emails."""
    (tmp_path / "plans.toml").write_text(CATALOGUE.replace("vmtas = 1, webhooks = 1", "vmtas = 9, webhooks = 9"))
    return msgspec.structs.replace(settings, plans_file=str(tmp_path / "plans.toml"), default_plan="small")


@pytest.fixture
async def node(client: Any, acme: Any, tmp_path: Path) -> Any:
    with FakeNode(tmp_path / "mx-1").serving() as node:
        await add(client, acme, node)
        yield node


@pytest.fixture
async def browser(client: Client, acme: dict[str, str]) -> Browser:
    return await Browser.logged_in(client)


async def items(browser: Browser) -> dict[str, tuple[str, str, str]]:
    """What stands there: about what, words and link by what is to be done."""
    shown = (await browser.get(PART)).text
    rows = re.findall(r'<strong>(.*?)</strong><br>(.*?)</span>\s*<a [^>]*href="([^"]+)">(.*?)</a>', shown)
    return {row[3]: (html.unescape(row[0]), html.unescape(row[1]), html.unescape(row[2])) for row in rows}


async def happen(client: Any, clock: FakeClock, *, delivered: int, bounced: int) -> None:
    at = clock() - timedelta(seconds=30)
    lines = [record("Delivery", at) for _ in range(delivered)] + [record("Bounce", at) for _ in range(bounced)]
    await work(client, lambda system: ingest(system, "mx-1", b"\n".join(lines)))


async def test_a_block_and_a_warm_up_that_stands_still(
    client: Any, acme: Any, node: FakeNode, browser: Browser, clock: FakeClock
) -> None:
    made = await client.post("/api/v1/vmtas", json=WARMING, headers=acme)
    assert made.status_code == 201, made.text
    rule = await make_rule(client, acme)
    await work(client, govern)
    await happen(client, clock, delivered=60, bounced=20)
    await work(client, govern)
    await work(client, watch_rules)
    about, said, path = (await items(browser))["See the decision"]
    assert (about, said[:7]) == ("Warm-up of mx1", "On hold")
    page = (await browser.get(path)).text
    assert "stepped back" in page
    assert f'action="{path}/warmup/' in page or f'href="{path}/warmup/resume"' in page
    await browser.post(f"{path}/warmup/complete", {})
    assert "See the decision" not in await items(browser)

    about, said, path = (await items(browser))["See the block"]
    assert about == "organization acme"
    assert f"The rule {rule['name']} found bounce rate of 25.0 %, over 10.0 %." in said
    for lift in re.findall(r'href="([^"]+/resolve)"', (await browser.get(path)).text):
        await browser.post(lift, {"note": "the list is cleaned"})
    assert "See the block" not in await items(browser)


async def test_drift(client: Any, acme: Any, node: FakeNode, browser: Browser, tmp_path: Path) -> None:
    await client.post("/api/v1/policy/publish", headers=acme)
    assert "Mend it" not in await items(browser)
    (rendered,) = (tmp_path / "mx-1/releases").glob("000001-*/init.lua")
    rendered.chmod(0o644)
    rendered.write_text("-- by hand")
    about, said, path = (await items(browser))["Mend it"]
    assert (about, said) == ("Node mx-1", "Drift: 1 file changed.")
    await browser.post(path, {})
    assert "Mend it" not in await items(browser)


async def test_credits_that_run_low(client: Any, acme: Any, browser: Browser) -> None:
    mail = {"from": "ann@acme.test", "to": [f"r{n}@example.org" for n in range(10)], "subject": "Hi", "text": "Hi"}
    assert (await client.post("/api/v1/messages/send", json=mail | {"to": mail["to"][:9]}, headers=acme)).is_success
    assert "See the credits" not in await items(browser), "one of ten is not less than a tenth"
    assert (await client.post("/api/v1/messages/send", json=mail | {"to": mail["to"][9:]}, headers=acme)).is_success
    about, said, path = (await items(browser))["See the credits"]
    assert (about, said) == ("Credits for email", "0 credits left.")
    assert re.search(r'href="/console/credits/buy/email-100"', (await browser.get(path)).text)


async def test_an_endpoint_that_was_disabled_and_a_domain_without_its_records(
    client: Any, acme: Any, browser: Browser, system: Any, resolver: FakeResolver
) -> None:
    hook = {"url": "https://hooks.example.com/<b>", "events": ["message.bounced"]}
    assert (await client.post("/api/v1/webhooks", json=hook, headers=acme)).status_code == 201
    async with system.db.transaction() as connection:
        await connection.execute(update(webhooks).values(enabled=False, disabled_reason="gone"))
    [domain] = (await client.get("/api/v1/domains", headers=acme)).json()["data"]
    records, resolver.records = resolver.records, {}
    for _ in range(3):
        await client.post(f"/api/v1/domains/{domain['id']}/verify", headers=acme)
    found = await items(browser)
    about, said, path = found["Enable it"]
    assert (about, "was disabled" in said) == ("https://hooks.example.com/<b>", True)
    assert "Enable" in (await browser.get(path)).text
    await browser.post(f"{path}/switch", {"enabled": "true"}, at=path)

    about, said, path = found["See the records"]
    assert (about, said[:13]) == ("acme.test", "DNS fails for")
    resolver.records = records
    await browser.post(f"{path}/verify", {}, at=path)
    assert "Nothing needs attention" in (await browser.get(PART)).text
