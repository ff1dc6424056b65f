"""Where mail goes when there are several nodes: by weight, by health, and by where the address of its vMTA lives."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from postmta_ctl.clients.kumod import NodeAddress
from postmta_ctl.errors import NodeUnreachable
from postmta_ctl.features.messages.relay import NODE_WAIT, relay
from postmta_ctl.features.policy.load import load_model
from postmta_ctl.features.warmup.governor import govern
from postmta_ctl.features.warmup.handing_out import hand_out
from postmta_ctl.recent import Recent
from postmta_ctl.store.tables import nodes, outbox, warmup_tickets
from tests.api.test_relay import FakeNode as OneNode


class Fleet(OneNode):
    """Nodes that answer alike; some of them cannot be reached."""

    def __init__(self) -> None:
        super().__init__()
        self.dead: set[str] = set()
        self.got: Counter[tuple[str, str]] = Counter()

    async def inject(self, node: NodeAddress, body: bytes) -> tuple[int, bytes]:
        if node.name in self.dead:
            raise NodeUnreachable(f"{node.name}: connection refused")
        status, answer = await super().inject(node, body)
        for one in self.requests[-1]["recipients"]:
            self.got[node.name, one["metadata"]["tenant"]] += 1
        return status, answer

    async def bump_epoch(self, node: NodeAddress) -> None:
        pass


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


@pytest.fixture
async def here(system: Any, db: Any, fleet: Fleet, client: Any, ann: Any, acme: Any, tmp_path: Path) -> Any:
    """The system of the test's event loop, with nodes n1 to n3, which run a release, and vMTAs of acme on them."""
    for name in ("n1", "n2", "n3"):
        body = {"name": name, "admin_url": f"http://{name}.test:8000", "policy_dir": str(tmp_path / name)}
        assert (await client.post("/api/v1/nodes", json=body, headers=ann)).status_code == 201
    async with db.transaction() as connection:
        await connection.execute(update(nodes).values(running_release=1))
    for number, name in enumerate(["n1", "n2"], 1):
        vmta = {"name": f"mx{number}", "ip_address": f"192.0.2.{number}", "ehlo_domain": "mx.acme.test"}
        made = await client.post("/api/v1/vmtas", json=vmta | {"nodes": [name, name]}, headers=acme)
        assert made.status_code == 201, made.text
        assert made.json()["nodes"] == [name]
    return replace(system, db=db, kumod=fleet, node_addresses=Recent(0.0), placements=Recent(0.0))


async def send(client: Any, headers: Any, count: int = 1, **changes: Any) -> None:
    mail = {"from": "ann@acme.test", "subject": "Hello", "text": "Hi"}
    for number in range(count):
        body = mail | {"to": [f"bob{number}@example.org"]} | changes
        answer = await client.post("/api/v1/messages/send", json=body, headers=headers)
        assert answer.status_code == 202, answer.text


async def waiting(db: Any) -> list[tuple[str | None, str | None]]:
    async with db.reading() as connection:
        return [tuple(row) for row in await connection.execute(select(outbox.c.node, outbox.c.last_error))]


async def of(client: Any, headers: Any, path: str) -> dict[str, Any]:
    return {one["name"]: one for one in (await client.get(path, headers=headers)).json()["data"]}


async def test_mail_goes_to_a_node_that_has_the_address(
    client: Any, ann: Any, acme: Any, here: Any, fleet: Fleet, db: Any, clock: Any
) -> None:
    await send(client, acme, vmta="mx2")
    await send(client, acme, count=7)
    await relay(here)
    assert fleet.got == {("n2", "acme.mx2"): 1, ("n1", "acme"): 4, ("n2", "acme"): 3}, "n3 has no address of acme"

    fleet.got.clear()
    known = await of(client, ann, "/api/v1/nodes")
    changed = await client.patch(f"/api/v1/nodes/{known['n1']['id']}", json={"weight": 3}, headers=ann)
    assert (changed.status_code, changed.json()["weight"]) == (200, 3)
    await send(client, acme, count=8)
    await relay(here)
    assert fleet.got == {("n1", "acme"): 6, ("n2", "acme"): 2}

    fleet.got.clear()
    fleet.dead = {"n2"}
    await send(client, acme, count=4)
    await send(client, acme, vmta="mx2")
    await relay(here)
    assert fleet.got == {("n1", "acme"): 4}, "what n2 did not take went to n1, but for what leaves from n2 alone"
    assert await waiting(db) == [
        (
            None,
            "the addresses that acme.mx2 leaves from are on n2, and no mail is taken there now: n2: connection refused",
        )
    ]
    fleet.dead.clear()
    clock.advance(seconds=2)
    await relay(here)
    assert fleet.got["n2", "acme.mx2"] == 1


async def test_mail_waits_for_the_node_of_its_address(
    client: Any, ann: Any, acme: Any, here: Any, fleet: Fleet, db: Any, clock: Any
) -> None:
    async with db.transaction() as connection:
        await connection.execute(update(nodes).where(nodes.c.name == "n2").values(running_release=None))
    await send(client, acme, vmta="mx2")
    await relay(here)
    assert not fleet.got
    assert await waiting(db) == [
        (None, "the addresses that acme.mx2 leaves from are on n2, and no mail is taken there now")
    ]
    vmta = (await of(client, acme, "/api/v1/vmtas"))["mx2"]
    moved = await client.put(f"/api/v1/vmtas/{vmta['id']}", json={"nodes": ["n3"]}, headers=acme)
    assert (moved.json()["nodes"], moved.json()["version"]) == (["n3"], 2)
    clock.advance(seconds=NODE_WAIT.total_seconds() + 1)
    await relay(here)
    assert fleet.got == {("n3", "acme.mx2"): 1}

    async with db.reading() as connection:
        model = await load_model(connection, here.settings)
    assert [(each.name, each.nodes) for each in model.vmtas] == [("mx1", ("n1",)), ("mx2", ("n3",))]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_policy_with_places_is_proved_for_the_fleet(client: Any, ann: Any) -> None:
    proofs = (await client.get("/api/v1/policy/check", headers=ann)).json()["proofs"]
    assert [proof["findings"] for proof in proofs if proof["name"] in ("lua", "traffic")] == [[], []]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_cannot_be(client: Any, ann: Any, acme: Any, here: Any) -> None:
    known, vmta = await of(client, ann, "/api/v1/nodes"), (await of(client, acme, "/api/v1/vmtas"))["mx1"]
    unknown = await client.put(f"/api/v1/vmtas/{vmta['id']}", json={"nodes": ["n1", "n9"]}, headers=acme)
    assert (unknown.status_code, unknown.json()["errors"][0]["code"]) == (422, "node_unknown")
    for weight in (-1, 1_000_001, "much", None):
        answer = await client.patch(f"/api/v1/nodes/{known['n1']['id']}", json={"weight": weight}, headers=ann)
        assert answer.status_code in (400, 422), answer.text


async def test_tickets_go_to_nodes_that_have_the_address(
    client: Any, ann: Any, acme: Any, here: Any, db: Any, clock: Any
) -> None:
    vmta = {"name": "new", "ip_address": "192.0.2.9", "ehlo_domain": "new.acme.test", "nodes": ["n2", "n3"]}
    made = await client.post("/api/v1/vmtas", json=vmta | {"warmup": {"daily_allowances": [1000]}}, headers=acme)
    assert made.status_code == 201, made.text
    async with db.transaction() as connection:
        seen = {"online_since": here.now(), "last_seen_at": here.now()}
        await connection.execute(update(nodes).values(**seen))
    clock.advance(seconds=11)
    await govern(here)
    await hand_out(here)
    async with db.reading() as connection:
        query = select(nodes.c.name).join(warmup_tickets, warmup_tickets.c.node_id == nodes.c.id)
        assert sorted(await connection.scalars(query)) == ["n2", "n3"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_state_file_has_both(client: Any, ann: Any, acme: Any, here: Any) -> None:
    exported = (await client.get("/api/v1/state", headers=ann)).json()["yaml"]
    assert "n1: {weight: 1}" in exported or "weight: 1" in exported
    wanted = "version: 1\nnodes: {n1: {weight: 5}}\norganizations: {acme: {vmtas: {mx1: {nodes: [n3, n1]}}}}\n"
    answer = await client.post("/api/v1/state/apply", json={"yaml": wanted}, headers=ann)
    assert answer.json()["problems"] == [], answer.text
    assert answer.json()["applied"], answer.text
    assert (await of(client, ann, "/api/v1/nodes"))["n1"]["weight"] == 5
    assert (await of(client, acme, "/api/v1/vmtas"))["mx1"]["nodes"] == ["n1", "n3"]
    again = await client.post("/api/v1/state/plan", json={"yaml": wanted}, headers=ann)
    assert again.json()["steps"] == []
    wrong = await client.post("/api/v1/state/apply", json={"yaml": "version: 1\nnodes: {n7: {weight: 5}}"}, headers=ann)
    assert wrong.status_code >= 400
    assert "postmta node add" in wrong.text
