"""The console's frame: log-in and back, forms, headers, what is refused and how."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from postmta_ctl.console import rendering
from postmta_ctl.console.pages import files
from tests.conftest import PASSWORD, Client, FakeClock, join
from tests.console import Browser

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
EMAIL = "ann@acme.test"


async def test_the_first_account_is_made_here_and_a_log_in_leads_back_to_the_page_asked_for(client: Client) -> None:
    browser = Browser(client)
    assert (await browser.get("/console/login")).headers["location"] == "/console/register"
    short = await browser.post("/console/register", {"email": EMAIL, "password": "short", "organization": "Acme"})
    assert short.status_code == 422
    assert 'aria-describedby="e-password"' in short.text
    assert "short" not in re.sub(r"<label.*", "", short.text).split("<form", 1)[1].split("csrf")[0]
    made = await browser.post("/console/register", {"email": EMAIL, "password": PASSWORD, "organization": "Acme"})
    assert (made.status_code, made.headers["location"]) == (303, "/console/first-steps")
    assert (await browser.get("/console")).status_code == 200

    out = await browser.post("/console/logout", {}, at="/console")
    assert out.headers["location"] == "/console/login"
    assert "You are logged out." in (await browser.get("/console/login")).text
    asked = await browser.get("/console?period=7d")
    assert parse_qs(urlsplit(asked.headers["location"]).query) == {"next": ["/console?period=7d"]}
    wrong = await browser.post(asked.headers["location"], {"email": EMAIL, "password": "not this one at all"})
    assert wrong.status_code == 401
    assert "Email or password is wrong." in wrong.text
    back = await browser.post(asked.headers["location"], {"email": EMAIL, "password": PASSWORD})
    assert back.headers["location"] == "/console?period=7d"
    cookie = next(one for one in back.headers.get_list("set-cookie") if one.startswith("postmta_console="))
    assert {"HttpOnly", "SameSite=lax", "Path=/console"} <= set(cookie.split("; "))


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.test/", "//evil.test", "/console\\@evil.test", "/console/logout", ""]
)
async def test_a_log_in_leads_nowhere_else(client: Client, ann: dict[str, str], elsewhere: str) -> None:
    browser = Browser(client)
    page = f"/console/login?{httpx.QueryParams(next=elsewhere)}"
    assert (await browser.post(page, {"email": EMAIL, "password": PASSWORD})).headers["location"] == "/console"


async def test_forms_of_other_sites_and_other_browsers_do_nothing(client: Client, ann: dict[str, str]) -> None:
    browser = await Browser.logged_in(client)
    for token in ("", "0" * 64, (await Browser(client).token("/console/login"))):
        refused = await browser.send("/console/logout", {"csrf": token})
        assert refused.status_code == 403
        assert "expired" in refused.text
    own = await browser.token("/console")
    foreign = await browser.send("/console/logout", {"csrf": own}, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    assert (await browser.get("/console")).status_code == 200
    # Without any cookie there is nothing that a token could be of.
    assert (await Browser(client).send("/console/login", {"csrf": own, "email": EMAIL})).status_code == 403


async def test_a_login_that_ended_leads_to_the_log_in_also_from_parts_of_pages(
    client: Client, ann: dict[str, str], clock: FakeClock
) -> None:
    browser, other = await Browser.logged_in(client), await Browser.logged_in(client)
    clock.advance(hours=11)
    assert (await browser.get("/console")).status_code == 200
    clock.advance(hours=2)
    assert (await browser.get("/console")).headers["location"].startswith("/console/login?next=")
    part = {"HX-Request": "true", "HX-Current-URL": "http://testserver.local/console?period=7d"}
    answer = await browser.get("/console/overview/nodes", headers=part)
    assert answer.headers["hx-redirect"] == "/console/login?next=%2Fconsole%3Fperiod%3D7d"

    # A cookie that somebody else exchanged through the API ends with its login.
    third = await Browser.logged_in(client)
    stolen = third.cookies["postmta_console"]
    tokens = await client.post("/api/v1/auth/refresh", json={"refresh_token": stolen})
    assert tokens.status_code == 200
    assert (await third.get("/console")).status_code == 303
    bearer = {"Authorization": f"Bearer {tokens.json()['access_token']}"}
    assert (await client.get("/api/v1/auth/me", headers=bearer)).status_code == 401
    assert other.cookies != third.cookies


async def test_everything_is_guarded_by_headers_and_nothing_comes_from_elsewhere(
    client: Client, ann: dict[str, str]
) -> None:
    browser = await Browser.logged_in(client)
    for path in (
        "/console",
        "/console/login",
        "/console/nothing/here",
        "/console/assets/console.js",
        "/console/x?a=%00",
    ):
        answer = await browser.get(path)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert (answer.headers["x-content-type-options"], answer.headers["referrer-policy"]) == (
            "nosniff",
            "no-referrer",
        )
    missing = await browser.get("/console/nothing/here")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "text/html; charset=utf-8")
    page = (await browser.get("/console")).text
    for address in re.findall(r'(?:src|href|action|hx-get)="([^"]+)"', page):
        assert address.startswith(("/console", "#")), address
    assert not re.search(r"<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=|hx-on", page)


async def test_files_are_kept_for_ever_by_their_content_and_only_ours_are_served(client: Client) -> None:
    for name in files.MEDIA_TYPES:
        answer = await client.get(rendering.asset_path(name))
        assert (answer.status_code, "immutable" in answer.headers["cache-control"]) == (200, True)
    assert (await client.get("/console/assets/console.js?v=old")).headers["cache-control"] == "no-cache"
    for name in ("README.md", "..%2Fguard.py", "LICENSE.htmx"):
        assert (await client.get(f"/console/assets/{name}")).status_code == 404
    shipped = {path.name for path in rendering.ASSETS.iterdir()}
    assert shipped - set(files.MEDIA_TYPES) == {"README.md", "LICENSE.htmx", "LICENSE.uplot"}


async def test_roles_see_what_they_may(client: Client, ann: dict[str, str], bob: dict[str, str]) -> None:
    operator, owner = await Browser.logged_in(client), await Browser.logged_in(client, "bob@bolt.test")
    assert "Nodes</h2>" in (await operator.get("/console")).text
    assert "Nodes</h2>" not in (await owner.get("/console")).text
    refused = await owner.get("/console/overview/nodes", headers={"HX-Request": "true"})
    assert refused.status_code == 403
    assert refused.text.startswith('<div class="notice bad"')
    await join(client, ann, "vera@acme.test", "viewer")
    viewer = await Browser.logged_in(client, "vera@acme.test")
    # Whatever the menu offers opens, for the weakest and for the strongest.
    for browser in (viewer, operator, owner):
        for path in re.findall(r'<li><a href="([^"]+)"', (await browser.get("/console")).text):
            assert (await browser.get(path)).status_code == 200, path
