"""The console's pages of vMTAs and their warm-up."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest

from tests.conftest import Client, join
from tests.console import Browser

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
FORM = {"name": "mx1", "ip_address": "192.0.2.10", "ehlo_domain": "mx1.acme.test"}


def plot_of(page: str) -> dict[str, Any]:
    found = re.search(r'data-plot="([^"]*)"', page)
    assert found is not None
    return json.loads(html.unescape(found[1]))  # type: ignore[no-any-return]


async def test_a_vmta_from_its_form_to_its_end(client: Client, acme: dict[str, str]) -> None:
    browser = await Browser.logged_in(client)
    assert "No vMTA yet" in (await browser.get("/console/vmtas")).text
    wrong = await browser.post("/console/vmtas/new", FORM | {"ip_address": "'; x"})
    assert (wrong.status_code, 'id="e-ip_address"' in wrong.text) == (422, True)
    at = (await browser.post("/console/vmtas/new", FORM)).headers["location"]
    assert "It sends without a limit" in (await browser.get(at)).text
    changed = await browser.post(f"{at}/change", {"ehlo_domain": "mx2.acme.test"}, at=at)
    assert changed.status_code == 303
    assert "mx2.acme.test" in (await browser.get(at)).text
    await browser.post(f"{at}/change", {"ipv6_address": "2001:DB8::0:10"}, at=at)
    assert "<code>2001:db8::10</code>" in (await browser.get("/console/vmtas")).text
    assert "192.0.2.10 and 2001:db8::10" in (await browser.get(f"{at}/pause")).text
    wrong = await browser.post(f"{at}/change", {"ipv6_address": "192.0.2.11"}, at=at)
    assert (wrong.status_code, 'id="e-ipv6_address"' in wrong.text) == (422, True)
    await browser.post(f"{at}/change", {"ipv6_address": ""}, at=at)
    assert "2001:db8::10" not in (await browser.get(at)).text.replace('placeholder="2001:db8::10"', "")
    refused = await browser.post(f"{at}/change", {"ehlo_domain": "<b>"}, at=at)
    assert (refused.status_code, 'value="&lt;b&gt;"' in refused.text) == (422, True)

    await browser.post(f"{at}/pause", {"reason": "<i>listed</i>"})
    page = (await browser.get(at)).text
    assert "Nothing leaves from it: &lt;i&gt;listed" in page
    await browser.post(f"{at}/resume", {}, at=at)
    assert "Nothing leaves from it" not in (await browser.get(at)).text
    assert "for this vMTA only" in (await browser.get(f"{at}/waiting")).text
    assert (await browser.post(f"{at}/delete", {})).headers["location"] == "/console/vmtas"


async def test_a_warm_up_is_forecast_before_it_starts_and_steered_by_hand(client: Client, acme: dict[str, str]) -> None:
    browser = await Browser.logged_in(client)
    at = (await browser.post("/console/vmtas/new", FORM)).headers["location"]
    plan = (await browser.get(f"{at}/warmup?schedule=aggressive&volume=20,000")).text
    drawn = plot_of(plan)
    assert len(drawn["times"]) == 45
    assert (drawn["every"], {time % 86400 for time in drawn["times"]}) == ("day", {0})
    assert [one["name"] for one in drawn["series"]][:2] == ["Planned", "Through new vMTAs"]
    assert drawn["series"][0]["values"][0] == 20000
    refused = await browser.get(f"{at}/warmup?volume=many")
    assert (refused.status_code, 'id="e-volume"' in refused.text) == (422, True)

    await browser.post(f"{at}/warmup", {"schedule": "aggressive"})
    page = (await browser.get(at)).text
    assert "<strong>started</strong>" in page
    assert plot_of(page)["marks"][0]["label"] == "started"
    for action, words in {"pause": "is paused", "resume": "goes on", "skip": "a stage further"}.items():
        assert f"/warmup/{action}" in (await browser.get(at)).text
        await browser.post(f"{at}/warmup/{action}", {})
        assert words in (await browser.get(at)).text
    await browser.post(f"{at}/warmup/complete", {})
    assert "Plan and start" in (await browser.get(at)).text
    assert (await browser.get(f"{at}/warmup/explode")).status_code == 422


async def test_viewers_see_and_others_find_nothing(client: Client, acme: dict[str, str], bob: dict[str, str]) -> None:
    await join(client, acme, "vera@acme.test", "viewer")
    owner = await Browser.logged_in(client)
    at = (await owner.post("/console/vmtas/new", FORM)).headers["location"]
    viewer, other = await Browser.logged_in(client, "vera@acme.test"), await Browser.logged_in(client, "bob@bolt.test")
    page = await viewer.get(at)
    assert (page.status_code, "Pause …" in page.text) == (200, False)
    assert (await viewer.get(f"{at}/pause")).status_code == 403
    for path in (at, f"{at}/waiting", f"{at}/pause", f"{at}/warmup", f"{at}/warmup/skip"):
        assert (await other.get(path)).status_code == 404
