"""Every page of the console, asked with what nobody would type: none may be answered by a server error."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from litestar import Litestar

from tests.conftest import Client
from tests.console import Browser

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
WEIRD = ("x" * 3000, "\0", "9" * 40, "é\u2028<b>%\n😀", "0193a5b2-7c40-7000-8f3a-5e1d2c4b6a79")
# fmt: off
QUERY = (
    "queue", "cursor", "sort", "held", "domain", "to", "tag", "status", "id", "limit", "period", "next",
    "invitation", "provider", "format", "from", "v", "sender", "organization", "target",
)
FORM = (
    "queue", "reason", "for", "to", "from", "text", "subject", "tags", "once", "digest", "canary", "minutes", "name",
    "admin_url", "policy_dir", "domain", "domain_id", "ip_address", "ehlo_domain", "email", "password",
    "organization", "until", "schedule", "url", "events", "type", "amount", "percent", "members", "domains", "default",
    "version", "toml", "kind", "target", "connection_limit", "max_message_rate", "note",
)
# fmt: on
BODIES = (
    ("application/json", b'{"csrf":"x"}'),
    ("multipart/form-data", b"nonsense"),
    ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\nz\r\n--x--\r\n'),
    ("application/x-www-form-urlencoded", b"\xff\xfe=%ff%fe&csrf=%zz"),
    ("application/x-www-form-urlencoded", b"a=1&" * 20_000),
    ("text/plain", b"csrf=1"),
)
COOKIES = (b"postmta_console=\xe9", b"postmta_console=" + b"a" * 6000, b"postmta_notice=%ff%fe", b"postmta_form=<>")


async def test_no_page_breaks(client: Client, acme: dict[str, str], application: Litestar) -> None:
    browser = await Browser.logged_in(client)
    token = await browser.token("/console")
    broken = []
    routes = [one for one in application.routes if one.path.startswith("/console") and "logout" not in one.path]
    assert len(routes) > 20
    for route in routes:
        for text in WEIRD:
            path = re.sub(r"{[^}]*}", lambda _, text=text: quote(text[:200], safe=""), route.path)
            answers = [await browser.get(f"{path}?{'&'.join(f'{name}={quote(text)}' for name in QUERY)}")]
            if "POST" in getattr(route, "methods", ()):
                answers.append(await browser.send(path, {"csrf": token} | dict.fromkeys(FORM, text)))
            broken += [(one.request.method, path, one.status_code) for one in answers if one.status_code >= 500]
    assert broken == []


async def test_bodies_and_cookies_that_are_none_are_refused(client: Client, acme: dict[str, str]) -> None:
    browser = await Browser.logged_in(client)
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    for kind, body in BODIES:
        answer = await client.post(
            "/console/messages/new", content=body, headers={"Content-Type": kind, "Cookie": cookies}
        )
        assert answer.status_code in (400, 403, 413), (kind, answer.status_code)
    for cookie in COOKIES:
        answer = await client.get("/console/login", headers=[(b"Cookie", cookie)])
        assert answer.status_code == 200, cookie
