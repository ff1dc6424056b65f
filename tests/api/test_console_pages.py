"""Messages and queues in the console: what is found, followed, asked before and done; whose it is; and nothing runs."""

from __future__ import annotations

import dataclasses
import re
from html import unescape

import pytest
from sqlalchemy import insert

from postmta_ctl.core.ids import new_id
from postmta_ctl.features.nodes import access
from postmta_ctl.store.tables import nodes
from postmta_ctl.system import System
from tests.api.test_queues import FakeNodes
from tests.conftest import Client, join
from tests.console import Browser

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "' autofocus onfocus='alert(1)",
    "<!-- --><svg/onload=alert(1)>",
)


@pytest.fixture
def fake() -> FakeNodes:
    return FakeNodes()


@pytest.fixture
async def system(system: System, fake: FakeNodes) -> System:
    """With two nodes that are faked behind their client."""
    return await with_nodes(system, fake)


async def with_nodes(system: System, fake: FakeNodes) -> System:
    """The parts, with the nodes mx1 and mx2 faked behind their client."""
    await system.kumod.close()
    changed = dataclasses.replace(system, kumod=fake)  # type: ignore[arg-type]
    async with changed.db.transaction() as connection:
        for name in ("mx1", "mx2"):
            node_id = new_id(changed.now())
            await connection.execute(
                insert(nodes).values(
                    id=node_id,
                    name=name,
                    kind="kumod",
                    admin_url="http://127.0.0.1:1",
                    policy_dir=f"/nowhere/{name}",
                    ingest_token_digest=f"{name}".encode(),
                    sealed_ingest_token=access.seal(changed, node_id, "sealed_ingest_token", "x"),
                    sealed_admin_token=access.seal(changed, node_id, "sealed_admin_token", "x"),
                    online_since=changed.now(),
                    last_seen_at=changed.now(),
                    created_at=changed.now(),
                )
            )
    return changed


async def send(browser: Browser, **fields: str) -> str:
    """Send a message by the form; its page."""
    form = {"from": "Ann <ann@acme.test>", "to": "bob@example.com", "subject": "Hello", "text": "Hi"} | fields
    once = re.search(r'name="once" value="([^"]+)"', (await browser.get("/console/messages/new")).text)
    assert once is not None
    answer = await browser.post("/console/messages/new", {"once": once[1]} | form)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def test_a_message_is_sent_found_and_cancelled(client: Client, acme: dict[str, str]) -> None:
    browser = await Browser.logged_in(client)
    empty = await browser.get("/console/messages")
    assert "No message yet" in empty.text
    wrong = await browser.post("/console/messages/new", {"from": "ann@other.test", "to": "b@example.com", "text": "x"})
    assert wrong.status_code == 422
    assert "other.test is not a verified domain" in wrong.text
    assert 'value="ann@other.test"' in wrong.text

    at = await send(browser, to="bob@example.com, Eve <eve@example.com>", tags="spring, news")
    shown = (await browser.get(at)).text
    assert "The message is accepted." in shown
    assert all(
        word in shown for word in ("bob@example.com", "eve@example.com", "spring", "queued", 'hx-trigger="every 2s"')
    )
    await send(browser, subject="Other", to="carl@example.org")
    found = [(await browser.get(f"/console/messages?{query}")).text for query in ("to=EVE@example.com", "tag=news")]
    assert [("Hello" in page, "Other" in page) for page in found] == [(True, False)] * 2
    assert (await browser.get(f"/console/messages?id={at.rpartition('/')[2]}")).headers["location"] == at
    assert "No message is like this" in (await browser.get("/console/messages?status=bounced")).text
    bad = await browser.get("/console/messages?to=nobody&id=")
    assert (bad.status_code, 'id="e-to"' in bad.text) == (422, True)

    asked = await browser.get(f"{at}/cancel")
    assert "2 of its 2 recipients" in asked.text
    await browser.post(f"{at}/cancel", {})
    over = (await browser.get(f"{at}/progress")).text
    assert over.count('badge warn">cancelled') + over.count('badge plain">cancelled') == 3
    assert "hx-trigger" not in over
    assert "Result: cancelled." in (await browser.get(at)).text


async def test_a_form_that_is_sent_twice_sends_one_message(client: Client, acme: dict[str, str]) -> None:
    browser = await Browser.logged_in(client)
    form = {"from": "ann@acme.test", "to": "b@example.com", "text": "x", "once": "0193a5b2-7c40-7000-8f3a-5e1d2c4b6a79"}
    first, second = [await browser.post("/console/messages/new", form) for _ in range(2)]
    assert first.headers["location"] == second.headers["location"]


async def test_long_lists_are_paged(client: Client, acme: dict[str, str]) -> None:
    batch = [{"from": "a@acme.test", "to": ["b@example.com"], "subject": f"No {n}", "text": "x"} for n in range(60)]
    await client.post("/api/v1/messages/batch", json={"messages": batch}, headers=acme)
    browser = await Browser.logged_in(client)
    first = (await browser.get("/console/messages?to=b@example.com")).text
    (onward,) = re.findall(r'rel="next" href="([^"]+)"', unescape(first))
    second = (await browser.get(onward)).text
    assert (first.count('<th scope="row"'), second.count('<th scope="row"'), "Next page" in second) == (50, 10, False)
    assert "to=b%40example.com" in onward


async def test_nothing_that_is_displayed_runs(client: Client, acme: dict[str, str]) -> None:
    browser = await Browser.logged_in(client)
    for text in HOSTILE:
        at = await send(browser, subject=text, tags=text.replace(",", " "))
        for page in (at, "/console/messages", "/console/messages?tag=%22%3E%3Cscript%3E&status=%3Cb%3E"):
            shown = (await browser.get(page)).text
            assert not re.search(r"<(script|img)(?! src=\"/console/assets)|<svg|<b>", shown), page
        assert text in unescape((await browser.get(at)).text)


async def test_what_belongs_to_others_is_not_there(
    client: Client, acme: dict[str, str], bob: dict[str, str], fake: FakeNodes
) -> None:
    ann, other = await Browser.logged_in(client), await Browser.logged_in(client, "bob@bolt.test")
    at = await send(ann)
    for path in (at, f"{at}/cancel", "/console/messages/none", "/console/queues/hold?queue=spring:acme@example.org"):
        assert (await other.get(path)).status_code == 404, path
    for part in (f"{at}/progress", f"{at}/explanation"):
        assert (await other.get(part, headers={"HX-Request": "true"})).status_code == 404
    assert (await other.send(f"{at}/cancel", {"csrf": await other.token("/console")})).status_code == 404
    token = await other.token("/console")
    forged = await other.send("/console/queues/hold", {"csrf": token, "queue": "spring:acme@example.org"})
    assert forged.status_code == 404
    assert fake.holding() == {"mx1": [], "mx2": []}
    assert "acme" not in (await other.get("/console/queues/table")).text
    assert "queued" in (await ann.get(f"{at}/progress")).text


async def test_a_queue_is_held_and_released_by_who_was_told_how_many_messages_it_is(
    client: Client, acme: dict[str, str], fake: FakeNodes
) -> None:
    browser = await Browser.logged_in(client)
    listed = (await browser.get("/console/queues/table?sort=-size")).text
    assert listed.index("spring:acme@example.org") < listed.index("acme.mx1@example.org")
    assert "log_hook" not in listed
    queue = "spring:acme@example.org"
    asked = (await browser.get(f"/console/queues/hold?queue={queue}")).text
    assert "This touches 10 messages" in asked
    fields = {"queue": queue, "reason": "the receiver asked <us> to wait", "for": "3600"}
    done = await browser.post("/console/queues/hold", fields, at=f"/console/queues/hold?queue={queue}")
    assert fake.holding() == {"mx1": [queue], "mx2": [queue]}
    assert f"{queue} is held on 2 nodes." in (await browser.get(done.headers["location"])).text
    held = (await browser.get("/console/queues/table?held=yes")).text
    assert "the receiver asked &lt;us&gt; to wait" in held
    assert "until 2026-11-22 13:00:00 UTC" in held

    too_long = fields | {"reason": "x" * 501}
    refused = await browser.post("/console/queues/hold", too_long, at=f"/console/queues/hold?queue={queue}")
    assert (refused.status_code, 'id="e-reason"' in refused.text) == (422, True)
    fake.away = {"mx2"}
    done = await browser.post("/console/queues/release", {"queue": queue}, at=f"/console/queues/release?queue={queue}")
    assert fake.holding() == {"mx1": [], "mx2": [queue]}
    said = unescape((await browser.get(done.headers["location"])).text)
    assert "released on 1 node. Not on mx2: node mx2: cannot connect" in said
    missing = (await browser.get("/console/queues/table")).text
    assert "No answer from mx2" in missing
    assert (
        "Not counted, since there is no answer: mx2."
        in (await browser.get(f"/console/queues/flush?queue={queue}")).text
    )


async def test_viewers_see_queues_and_do_nothing_to_them(client: Client, bob: dict[str, str]) -> None:
    owner = await Browser.logged_in(client, "bob@bolt.test")
    assert "Hold" in (await owner.get("/console/queues/table")).text
    await join(client, bob, "vic@bolt.test", "viewer")
    viewer = await Browser.logged_in(client, "vic@bolt.test")
    shown = (await viewer.get("/console/queues/table")).text
    assert ("bolt@example.org" in shown, "queues/hold" in shown) == (True, False)
    assert (await viewer.get("/console/queues/hold?queue=bolt@example.org")).status_code == 403
