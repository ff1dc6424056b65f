"""What a receiver makes of the mail that a node signs, by the published policy, while the keys change under it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import dkim
import pytest

from postmta_ctl.clients.kumod import KumodClient
from postmta_ctl.features.domains.rotation_job import rotate_keys
from postmta_ctl.features.policy.publish import publish
from postmta_ctl.features.policy.releasing import By
from postmta_ctl.luavm import Message, NodeRuntime, no_network
from tests.fake_node import FakeNode

QUEUED_AT_MOST = timedelta(days=3)
"""The ``max_age`` of the default policy."""


@dataclass
class Mail:
    """Everything signed so far, and whose DNS it is judged by."""

    node: FakeNode
    resolver: Any
    clock: Any
    signed: list[tuple[datetime, bytes]] = field(default_factory=list)
    numbers: Any = field(default_factory=count)

    def send(self) -> set[str]:
        """Sign a message by what the node runs now; the selectors of its signatures."""
        folder = self.node.policy_dir
        vm = NodeRuntime(folder, policy_dir=folder, launcher=True, http=no_network).start()
        text = b"From: ann@acme.test\r\nTo: bob@example.org\r\nSubject: Hi\r\nMessage-ID: <1@acme.test>\r\n\r\nHi\r\n"
        extra = {"tenant": "acme", "rid": f"r{next(self.numbers)}"}
        message = Message("m", "x@acme.test", ["bob@example.org"], text, {"extra": extra})
        assert vm.http_message_generated(message) is None
        self.signed.append((self.clock(), message.data))
        return self.selectors(message.data)

    def selectors(self, data: bytes) -> set[str]:
        """Of the two signatures, both of which must verify."""
        asked: set[str] = set()

        def look_up(name: bytes, timeout: float = 0) -> bytes | None:
            asked.add(name.decode().partition(".")[0])
            values = self.resolver.records.get((name.decode().rstrip("."), "TXT"))
            return values[0].encode() if values else None

        assert [dkim.DKIM(data).verify(idx=number, dnsfunc=look_up) for number in (0, 1)] == [True, True], asked
        return asked

    def verify_all(self) -> None:
        """Whatever may be on its way still verifies by the DNS of this moment."""
        for moment, data in self.signed:
            if self.clock() - moment <= QUEUED_AT_MOST:
                self.selectors(data)


@pytest.fixture
async def here(system: Any, db: Any) -> AsyncIterator[Any]:
    here = replace(system, db=db, kumod=KumodClient(timeout=5))
    yield here
    await here.kumod.close()


@pytest.fixture
async def mail(client: Any, acme: Any, here: Any, resolver: Any, clock: Any, tmp_path: Path) -> AsyncIterator[Mail]:
    with FakeNode(tmp_path / "node").serving() as node:
        body = {"name": "mx-1", "admin_url": node.url, "policy_dir": str(node.policy_dir)}
        assert (await client.post("/api/v1/nodes", json=body, headers=acme)).status_code == 201
        await publish(here, By("test"))
        yield Mail(node, resolver, clock)


def obey(resolver: Any, rotation: Any) -> None:
    """A customer who does what the answer says, and at once: publish, keep, remove."""
    for record in rotation["records"]:
        if record["action"] == "remove":
            resolver.records.pop((record["name"], record["type"]), None)
        else:
            resolver.records[record["name"], record["type"]] = (record["value"],)


async def test_every_message_verifies_at_every_moment(
    client: Any, acme: Any, ann: Any, mail: Mail, here: Any, resolver: Any, clock: Any
) -> None:
    (domain,) = (await client.get("/api/v1/domains", headers=acme)).json()["data"]
    scopes = ["domains:read", "domains:write"]
    key = (await client.post("/api/v1/api-keys", json={"name": "k", "scopes": scopes}, headers=ann)).json()["secret"]
    headers, path = {"X-API-Key": key}, f"/api/v1/domains/{domain['id']}"
    used = [mail.send()]
    await client.post(f"{path}/rotate-dkim", headers=headers)
    states = []
    for turn in range(22):
        shown = (await client.get(f"{path}/dkim-rotation", headers=headers)).json()
        states.append(shown["state"])
        if turn > 2:
            obey(resolver, shown)
        used.append(mail.send())
        mail.verify_all()
        await rotate_keys(here)
        used.append(mail.send())
        if turn % 3 == 2:
            await publish(here, By("test"))
        used.append(mail.send())
        mail.verify_all()
        clock.advance(hours=14)
    old, new = {"pmta", "pmta-ed25519"}, {"pmta-20261122", "pmta-20261122-ed25519"}
    assert list(dict.fromkeys(states)) == ["publishing", "switching", "grace", "done"]
    changes = [one for index, one in enumerate(used) if index == 0 or one != used[index - 1]]
    assert changes == [old, new], "one switch, and never a mixture"
    assert ("pmta._domainkey.acme.test", "TXT") not in resolver.records


async def test_a_node_that_missed_the_switch_signs_verifiably_when_it_is_back(
    client: Any, acme: Any, mail: Mail, here: Any, resolver: Any, clock: Any
) -> None:
    (domain,) = (await client.get("/api/v1/domains", headers=acme)).json()["data"]
    obey(resolver, (await client.post(f"/api/v1/domains/{domain['id']}/rotate-dkim", headers=acme)).json())
    release = (mail.node.policy_dir / "current").read_text()
    mail.node.stuck = True
    await rotate_keys(here)
    await publish(here, By("test"))
    switched = (mail.node.policy_dir / "current").read_text()
    (mail.node.policy_dir / "current").write_text(release)
    assert mail.send() == {"pmta", "pmta-ed25519"}
    (mail.node.policy_dir / "current").write_text(switched)
    assert mail.send() == {"pmta-20261122", "pmta-20261122-ed25519"}
