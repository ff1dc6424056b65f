"""Pages of an installation with thousands of rows: cut into pages, and quick."""

from __future__ import annotations

import html
import re
import time
from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from postmta_ctl.console.policy_words import drift_words
from postmta_ctl.core.ids import new_id
from postmta_ctl.features.policy.drift import NodeDrift
from postmta_ctl.store.tables import messages, organizations, recipients, vmtas
from postmta_ctl.system import System
from tests.api.test_auto_block import Fleet
from tests.api.test_console_pages import with_nodes
from tests.conftest import Client
from tests.console import Browser
from tests.many_domains import add_domains

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
MESSAGES, DOMAINS, VMTAS, QUEUES = 5000, 2000, 500, 1000
SECONDS = 1.0
"""Of the processor, since other programs have the clock of the wall slow down."""


@pytest.fixture
async def system(system: System) -> System:
    queues = {f"spring:acme@d{number}.example.org": number + 1 for number in range(QUEUES)}
    return await with_nodes(system, Fleet(queues=queues))


async def fill(system: System) -> None:
    now = system.now()
    async with system.db.transaction() as connection:
        owner = {"organization_id": await connection.scalar(select(organizations.c.id))}
        rows, people = [], []
        for number in range(MESSAGES):
            at = now - timedelta(seconds=number)
            row = owner | {"id": new_id(at), "sender": "a@acme.test", "domain": "acme.test", "subject": "S" * 500}
            flags = {"tags": [], "metadata": {}, "track_opens": False, "track_clicks": False}
            rows.append(row | flags | {"status": "delivered", "created_at": at})
            address = f"{'l' * 64}@{'d' * 63}.{'e' * 63}.{number}.example.org"
            person = owner | {"id": new_id(at), "message_id": row["id"], "address": address, "mailbox": address}
            people.append(person | {"kind": "to", "status": "delivered", "status_at": at, "created_at": at})
        await connection.execute(insert(messages), rows)
        await connection.execute(insert(recipients), people)
        known = [
            owner
            | {"id": new_id(now), "name": f"mx{n}", "ip_address": f"198.18.{n // 250}.{n % 250}", "state": "active"}
            for n in range(VMTAS)
        ]
        made = {"ehlo_domain": "mx.acme.test", "created_at": now, "updated_at": now}
        await connection.execute(insert(vmtas), [one | made for one in known])
    await add_domains(system, owner["organization_id"], DOMAINS)


async def test_lists_of_thousands_are_paged_and_quick(client: Client, ann: dict[str, str], system: System) -> None:
    await fill(system)
    browser = await Browser.logged_in(client)
    for name in ("messages", "domains", "vmtas", "queues/table"):
        first = await quickly(browser, f"/console/{name}")
        (onward,) = re.findall(r'rel="next" href="[^"?]+([^"]+)"', first)
        second = await quickly(browser, f"/console/{name}{html.unescape(onward)}")
        assert [page.count('<th scope="row"') for page in (first, second)] == [50, 50], name
        assert len({*re.findall(r'<th scope="row".*', first), *re.findall(r'<th scope="row".*', second)}) == 100, name
    for name in ("", "queues/sums", "pools", "overview/attention", "analytics", "policy"):
        await quickly(browser, f"/console/{name}")


async def quickly(browser: Browser, path: str) -> str:
    """The page, which neither takes long nor is long."""
    begun = time.process_time()
    answer = await browser.get(path)
    took = time.process_time() - begun
    assert (answer.status_code, took < SECONDS, len(answer.text) < 200_000) == (200, True, True), (path, took)
    return answer.text


@pytest.mark.usefixtures("database_url")
def test_of_many_problems_a_node_tells_the_first() -> None:
    problems = [f"a key of d{number}.example is missing" for number in range(2000)]
    node = NodeDrift(node="n", is_as_published=False, release=1, running_release=1, problems=problems)
    said = drift_words(node)
    assert said.endswith("a key of d2.example is missing; 1,997 more problems")
