"""The console's analytics, credits and billing."""

from __future__ import annotations

import re

import pytest

from tests.conftest import Client, join
from tests.console import Browser

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_analytics_of_nothing_and_of_something(client: Client, acme: dict[str, str]) -> None:
    browser = await Browser.logged_in(client)
    assert "Everything was taken" in (await browser.get("/console/analytics")).text
    message = {"from": "a@acme.test", "to": ["b@example.org"], "subject": "Hi", "text": "Hi", "tags": ["news"]}
    await client.post("/api/v1/messages/send", json=message, headers=acme)
    for period in ("24h", "7d", "30d", "90d"):
        page = await browser.get(f"/console/analytics?period={period}")
        assert page.status_code == 200
        assert re.search(r'<th scope="row">queued</th><td class="number">1</td>', page.text)
        every = "hour" if period == "24h" else "day"
        assert f"&#34;unit&#34;:&#34;count&#34;,&#34;every&#34;:&#34;{every}&#34;" in page.text
    assert (await browser.get("/console/analytics?period=1y")).status_code == 422
    exported = await browser.get("/console/analytics/export?period=24h&by=tag")
    assert exported.headers["content-disposition"].startswith('attachment; filename="analytics-acme-')
    assert "news" in exported.text
    report = await browser.get("/console/analytics/report")
    assert "attachment" in report.headers["content-disposition"]
    assert "acme" in report.text


async def test_thresholds_and_packages(client: Client, ann: dict[str, str], bob: dict[str, str]) -> None:
    browser, at = await Browser.logged_in(client), "/console/credits"
    refused = await browser.post(f"{at}/alerts", {"type": "email", "threshold": "few"}, at=at)
    assert (refused.status_code, 'id="e-threshold"' in refused.text) == (422, True)
    nobody = await browser.post(f"{at}/alerts", {"type": "email", "threshold": "9", "emails": "ops@acme.test"}, at=at)
    assert "this installation sends no mail of its own" in nobody.text
    await browser.post(f"{at}/alerts", {"type": "email", "threshold": "100"}, at=at)
    page = (await browser.get(at)).text
    assert "email: 100" in page
    [one] = re.findall(r"alerts/([0-9a-f-]{36})/delete", page)
    other = await Browser.logged_in(client, "bob@bolt.test")
    assert (await other.post(f"{at}/alerts/{one}/delete", {}, at=at)).status_code == 404
    await browser.post(f"{at}/alerts/{one}/delete", {}, at=at)
    assert "No threshold" in (await browser.get(at)).text
    assert (await browser.get(f"{at}/buy/nothing")).status_code == 404
    [package, *_] = (await client.get("/api/v1/credits/packages", headers=ann)).json()["data"]
    assert "They do not lapse." in (await browser.get(f"{at}/buy/{package['id']}")).text
    bought = await browser.post(f"{at}/buy/{package['id']}", {})
    assert "Invoice" in bought.text
    assert re.search(r'<th scope="row">[^<]+</th><td><span class="badge', (await browser.get("/console/billing")).text)


async def test_viewers_see_but_buy_nothing(client: Client, ann: dict[str, str]) -> None:
    await join(client, ann, "vera@acme.test", "viewer")
    viewer = await Browser.logged_in(client, "vera@acme.test")
    page = await viewer.get("/console/credits")
    assert (page.status_code, "Buy …" in page.text) == (200, False)
    token = await viewer.token("/console")
    assert (await viewer.send("/console/credits/alerts", {"csrf": token, "type": "email"})).status_code == 403
