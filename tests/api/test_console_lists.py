"""The console's suppressions and audit log."""

from __future__ import annotations

import pytest

from tests.conftest import Client, join
from tests.console import Browser

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_suppressions_are_added_searched_exported_and_removed(
    client: Client, ann: dict[str, str], bob: dict[str, str]
) -> None:
    browser, at = await Browser.logged_in(client), "/console/suppressions"
    assert "Nobody is suppressed" in (await browser.get(at)).text
    refused = await browser.post(at, {"address": "nobody", "note": "<b>"})
    assert (refused.status_code, 'value="&lt;b&gt;"' in refused.text) == (422, True)
    await browser.post(at, {"address": "Bob@example.org", "note": "<script>x</script>"})
    page = (await browser.get(f"{at}?address=bob@example.org")).text
    assert "&lt;script&gt;x" in page
    assert "Nothing is found" in (await browser.get(f"{at}?domain=example.com")).text
    assert (await browser.get(f"{at}?address=nobody")).status_code == 422
    exported = await browser.get(f"{at}/export")
    assert (exported.headers["content-type"], "bob@example.org,manual" in exported.text) == (
        "text/csv; charset=utf-8",
        True,
    )
    [entry] = (await client.get("/api/v1/suppressions", headers=ann)).json()["data"]
    other = await Browser.logged_in(client, "bob@bolt.test")
    assert (await other.get(f"{at}/{entry['id']}/remove")).status_code == 404
    await browser.post(f"{at}/{entry['id']}/remove", {})
    assert "bob@example.org is off the list." in (await browser.get(at)).text


async def test_a_file_is_taken_line_by_line(client: Client, ann: dict[str, str]) -> None:
    browser, at = await Browser.logged_in(client), "/console/suppressions"
    token = await browser.token(at)
    client.cookies.clear()
    answer = await client.post(
        f"{at}/import",
        data={"csrf": token},
        files={"file": ("list.csv", b"address\na@example.org\nnobody\na@example.org\n", "text/csv")},
        headers={"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())},
    )
    assert answer.status_code == 200, answer.text
    assert [f"<dd>{count}" in answer.text for count in (1, 1, 1)] == [True] * 3
    assert "<dt>Refused</dt><dd>1" in answer.text
    nothing = await browser.send(f"{at}/import", {"csrf": await browser.token(at)})
    assert nothing.status_code == 422


async def test_the_audit_log_says_who_did_what_and_how_it_was(client: Client, acme: dict[str, str]) -> None:
    await join(client, acme, "vera@acme.test", "viewer")
    browser = await Browser.logged_in(client)
    page = (await browser.get("/console/audit?action=domain.created")).text
    assert "ann@acme.test" in page
    assert "&#34;domain&#34;: &#34;acme.test&#34;" in page
    assert "Nothing is found" in (await browser.get("/console/audit?action=nothing")).text
