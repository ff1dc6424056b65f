"""The policy in the console: planned, published as it was shown, gone back from, decided about, mended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.test_policy import add
from tests.api.test_releases import add_vmta, configure
from tests.console import Browser
from tests.fake_node import FakeNode

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PUBLISH = "/console/policy/publish"


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[FakeNode]:
    with FakeNode(tmp_path / "mx-1").serving() as node:
        yield node


@pytest.fixture
async def node(client: Any, ann: Any, serving: FakeNode) -> FakeNode:
    await add(client, ann, serving)
    return serving


@pytest.fixture
async def browser(client: Any, ann: Any) -> Browser:
    return await Browser.logged_in(client)


async def publish(browser: Browser, **fields: str) -> Any:
    """Publish what the page shows; the answer."""
    shown = (await browser.get(PUBLISH)).text
    digest = re.search(r'name="digest" value="(\w+)"', shown)
    assert digest is not None, shown
    return await browser.post(PUBLISH, {"digest": digest[1]} | fields)


async def test_what_is_shown_is_published_and_gone_back_from(
    client: Any, ann: Any, node: FakeNode, browser: Browser
) -> None:
    assert "Nothing was published yet" in (await browser.get("/console/policy")).text
    await publish(browser)
    await add_vmta(client, ann, 1)
    plan = (await browser.get("/console/policy/plan")).text
    assert all(
        words in plan for words in ("vMTA mx1 created", "generated/sources.lua", 'class="add"', "traffic", "Publish …")
    )
    asked = (await browser.get(PUBLISH)).text
    assert "Release 2 takes up 1 change and goes to 1 node." in asked
    assert "without a restart" in asked

    digest = re.search(r'name="digest" value="(\w+)"', asked)
    assert digest is not None
    await add_vmta(client, ann, 2)
    stale = await browser.post(PUBLISH, {"digest": digest[1]})
    assert (stale.status_code, "The configuration has changed since" in stale.text) == (422, True)
    assert "takes up 2 changes" in stale.text
    done = await publish(browser, reason="two <vMTAs>")
    assert done.headers["location"] == "/console/policy/releases/2"
    shown = (await browser.get("/console/policy/releases/2")).text
    assert "Release 2 is published. 1 node runs what is wanted." in shown
    assert "two &lt;vMTAs&gt;" in shown

    back = (await browser.get("/console/policy/releases/1/rollback")).text
    assert "The policy of release 1 comes back as a new release in the place of 2, on 1 node." in back
    done = await browser.post("/console/policy/releases/1/rollback", {"reason": "mx1 is listed"})
    assert done.headers["location"] == "/console/policy/releases/3"
    assert "the policy of 1" in (await browser.get("/console/policy")).text
    # What stands still says why, and what is wrong with a form is said beside it.
    assert 'class="notice warn"' in (await browser.get("/console/policy/plan")).text
    refused = await publish(browser, canary="nobody", minutes="soon")
    assert refused.status_code == 422
    for path in ("/console/policy/releases/9", "/console/policy/releases/9/stop", "/console/policy/releases/1/burn"):
        assert (await browser.get(path)).status_code == 404, path


async def test_a_proposal_is_decided_about(
    client: Any, ann: Any, node: FakeNode, browser: Browser, system: Any
) -> None:
    await publish(browser)
    configure(system, publish_approval=True)
    await add_vmta(client, ann, 1)
    await publish(browser)
    shown = (await browser.get("/console/policy/releases/2")).text
    assert "another operator approves it" in shown
    assert all(f"/console/policy/releases/2/{action}" in shown for action in ("approve", "reject"))
    own = await browser.post("/console/policy/releases/2/approve", {}, at="/console/policy/releases/2/approve")
    assert own.status_code == 403
    nameless = await browser.post("/console/policy/releases/2/reject", {})
    assert nameless.status_code == 422
    done = await browser.post("/console/policy/releases/2/reject", {"reason": "not before the sale"})
    assert "not before the sale" in (await browser.get(done.headers["location"])).text


async def test_drift_is_shown_and_mended(
    client: Any, ann: Any, node: FakeNode, browser: Browser, tmp_path: Path
) -> None:
    await publish(browser)
    assert "as published" in (await browser.get("/console/policy/drift")).text
    assert (await browser.get("/console/policy/drift/fix")).status_code == 409
    (rendered,) = (tmp_path / "mx-1/releases").glob("000001-*/init.lua")
    rendered.chmod(0o644)
    rendered.write_text("-- by hand")
    assert "init.lua</code> changed" in (await browser.get("/console/policy/drift")).text
    assert "1 file changed" in (await browser.get("/console/policy/drift/fix")).text
    await browser.post("/console/policy/drift/fix", {})
    assert "as published" in (await browser.get("/console/policy/drift")).text


async def test_it_is_for_operators(client: Any, ann: Any, bob: Any) -> None:
    owner = await Browser.logged_in(client, "bob@bolt.test")
    for path in ("", "/plan", "/drift", "/publish", "/releases/1", "/releases/1/rollback"):
        assert (await owner.get(f"/console/policy{path}")).status_code == 403, path
