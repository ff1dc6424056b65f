"""The console's pages of domains."""

from __future__ import annotations

import re

import pytest

from tests.conftest import Client, FakeResolver, join
from tests.console import Browser

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_a_domain_from_its_form_to_a_rotation_given_up_and_its_end(
    client: Client, resolver: FakeResolver, ann: dict[str, str]
) -> None:
    browser = await Browser.logged_in(client)
    assert "No domain yet" in (await browser.get("/console/domains")).text
    wrong = await browser.post("/console/domains/new", {"domain": "not a domain"})
    assert wrong.status_code == 422
    assert 'id="e-domain"' in wrong.text
    made = await browser.post("/console/domains/new", {"domain": "acme.test"})
    at = made.headers["location"]
    again = await browser.post("/console/domains/new", {"domain": "acme.test"})
    assert (again.status_code, "has acme.test already" in again.text) == (409, True)

    domain = (await client.get(at.replace("/console", "/api/v1"), headers=ann)).json()
    page = (await browser.get(at)).text
    for record in domain["dns_records"]:
        assert f'data-copy="{record["name"]}"' in page
        resolver.records[record["name"], record["type"]] = (record["value"],)
    verified = await browser.post(f"{at}/verify", {}, at=at)
    assert verified.headers["location"] == at
    assert "acme.test is verified." in (await browser.get(at)).text

    assert "At no moment is mail unsigned" in (await browser.get(f"{at}/rotate")).text
    assert (await browser.post(f"{at}/rotate", {"dkim_selector": "second"})).status_code == 303
    page = (await browser.get(at)).text
    assert "second-ed25519" in page
    assert re.search(r'class="card now"><strong>published', page)
    assert (await browser.post(f"{at}/rotate/cancel", {})).status_code == 303
    assert "The rotation is cancelled." in (await browser.get(at)).text

    assert "DKIM keys" in (await browser.get(f"{at}/delete")).text
    assert (await browser.post(f"{at}/delete", {})).headers["location"] == "/console/domains"
    assert (await browser.get(at)).status_code == 404


async def test_what_dns_answers_is_text_whatever_it_is(
    client: Client, resolver: FakeResolver, ann: dict[str, str]
) -> None:
    browser = await Browser.logged_in(client)
    at = (await browser.post("/console/domains/new", {"domain": "acme.test"})).headers["location"]
    domain = (await client.get(at.replace("/console", "/api/v1"), headers=ann)).json()
    for record in domain["dns_records"]:
        resolver.records[record["name"], record["type"]] = ("<script>alert(1)</script>",)
    await browser.post(f"{at}/verify", {}, at=at)
    page = (await browser.get(at)).text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


async def test_a_logo_is_checked_and_a_bad_one_says_why(client: Client, acme: dict[str, str]) -> None:
    browser = await Browser.logged_in(client)
    [domain] = (await client.get("/api/v1/domains", headers=acme)).json()["data"]
    at = f"/console/domains/{domain['id']}"
    refused = await browser.post(f"{at}/bimi", {"logo_url": "http://acme.test/logo.svg"}, at=at)
    assert refused.status_code == 422
    assert 'value="http://acme.test/logo.svg"' in refused.text
    assert 'id="e-logo_url"' in refused.text


async def test_viewers_see_and_others_find_nothing(client: Client, acme: dict[str, str], bob: dict[str, str]) -> None:
    await join(client, acme, "vera@acme.test", "viewer")
    viewer, other = await Browser.logged_in(client, "vera@acme.test"), await Browser.logged_in(client, "bob@bolt.test")
    [domain] = (await client.get("/api/v1/domains", headers=acme)).json()["data"]
    at = f"/console/domains/{domain['id']}"
    page = await viewer.get(at)
    assert page.status_code == 200
    assert "Delete …" not in page.text
    assert (await viewer.get(f"{at}/delete")).status_code == 403
    token = await viewer.token("/console")
    assert (await viewer.send(f"{at}/delete", {"csrf": token})).status_code == 403
    assert (await other.get(at)).status_code == 404
    token = await other.token("/console")
    assert (await other.send(f"{at}/delete", {"csrf": token})).status_code == 404
    assert (await other.get("/console/domains/x")).status_code == 404
