"""Auto-block: from log records to a block, to mail that waits here and on the nodes, and to its end."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from sqlalchemy import func, insert, select, update

from postmta_ctl.clients.kumod import NodeAddress
from postmta_ctl.core.ids import new_id
from postmta_ctl.core.live_data import BLOCKED
from postmta_ctl.features.ingest.service import ingest
from postmta_ctl.features.live_data.contents import contents
from postmta_ctl.features.messages.relay import relay
from postmta_ctl.features.nodes import access
from postmta_ctl.features.queues.holds import reconcile_holds
from postmta_ctl.features.security.auto_block.watch import forget_outcomes, watch_rules
from postmta_ctl.recent import Recent
from postmta_ctl.settings import Settings
from postmta_ctl.store.tables import auto_blocks, events, nodes, outbox, rollup_outcomes, webhook_deliveries
from tests.api.test_queues import FakeNodes
from tests.conftest import PASSWORD, verify_domain

BLOCKS = "/api/v1/security/auto-block"
RULE = {
    "name": "Too many bounces",
    "metric": "bounce_rate",
    "scope": "organization",
    "window_minutes": 60,
    "threshold": 0.1,
    "minimum_volume": 20,
    "action": "pause",
    "block_minutes": 120,
}
VMTA = {"name": "mx1", "ip_address": "192.0.2.10", "ehlo_domain": "mx1.acme.test"}


@dataclass
class Fleet(FakeNodes):
    """Nodes that take mail as well, and say which queues they have."""

    queues: dict[str, int] = field(default_factory=dict)
    injected: list[str] = field(default_factory=list)
    dies: bool = False
    """The process that asks is gone before the answer."""

    async def metric_lines(self, node: NodeAddress) -> Any:
        if self.dies:
            raise asyncio.CancelledError
        for name, size in self.queues.items():
            yield f'scheduled_count{{queue="{name}"}} {size}'

    async def inject(self, node: NodeAddress, body: bytes) -> tuple[int, bytes]:
        taken = [one["email"] for one in json.loads(body)["recipients"]]
        self.injected += taken
        return 200, json.dumps({"success_count": len(taken), "fail_count": 0}).encode()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, metrics_token="metrics-token")


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


@pytest.fixture
async def system(system: Any, fleet: Fleet) -> Any:
    await system.kumod.close()
    object.__setattr__(system, "kumod", fleet)
    return system


@pytest.fixture
async def here(client: Any, acme: Any, system: Any, db: Any, clock: Any) -> Any:
    """The system of the test's own event loop, with two nodes."""
    async with db.transaction() as connection:
        for name in ("mx1", "mx2"):
            node_id = new_id(clock())
            await connection.execute(
                insert(nodes).values(
                    id=node_id,
                    name=name,
                    kind="kumod",
                    admin_url="http://127.0.0.1:1",
                    policy_dir=f"/{name}",
                    ingest_token_digest=name.encode(),
                    sealed_ingest_token=b"",
                    sealed_admin_token=access.seal(system, node_id, "sealed_admin_token", "t"),
                    online_since=clock(),
                    created_at=clock(),
                )
            )
    here = dataclasses.replace(system, db=db, node_addresses=Recent(3600))
    here.node_addresses.set((NodeAddress(name="mx1", admin_url="http://127.0.0.1:1", token="t"),))
    return here


def record(kind: str, at: datetime, **more: Any) -> bytes:
    """A line of a node's log about some mail of acme's."""
    code, words = {
        "Delivery": (250, "ok"),
        "Bounce": (550, "no such user"),
        "TransientFailure": (451, "try again"),
        "Feedback": (0, ""),
    }[kind]
    body = {
        "type": kind,
        "id": uuid.uuid4().hex,
        "sender": "news@acme.test",
        "recipient": "r@example.org",
        "queue": "acme@example.org",
        "site": "",
        "size": 100,
        "response": {"code": code, "enhanced_code": None, "content": words, "command": None},
        "timestamp": int(at.timestamp()),
        "event_time": at.isoformat(),
        "created": int(at.timestamp()),
        "num_attempts": 0,
        "egress_source": "acme.mx1.r1",
        "provider_name": "examplemail",
        "nodeid": "n",
        "meta": {"tenant": "acme"},
    }
    return json.dumps(body | more).encode()


async def happen(here: Any, *, delivered: int = 0, bounced: int = 0, ago: float = 1, **more: Any) -> None:
    """Have a node tell of so many deliveries and bounces, a minute ago."""
    at = here.now() - timedelta(minutes=ago)
    lines = [record("Delivery", at, **more) for _ in range(delivered)]
    lines += [record("Bounce", at, **more) for _ in range(bounced)]
    assert (await ingest(here, "mx1", b"\n".join(lines))).added == delivered + bounced


async def make_rule(client: Any, auth: Any, **changes: Any) -> Any:
    answer = await client.post(f"{BLOCKS}/rules", json=RULE | changes, headers=auth)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def blocks(client: Any, auth: Any, which: str = "active") -> list[Any]:
    answer = await client.get(f"{BLOCKS}/{which}", headers=auth)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


async def resolve(client: Any, auth: Any, block: Any, note: str | None = None) -> Any:
    answer = await client.post(f"{BLOCKS}/{block['id']}/resolve", json={"note": note}, headers=auth)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def login(client: Any) -> dict[str, str]:
    """Ann once more, after so long that her access token has expired."""
    answer = await client.post("/api/v1/auth/login", json={"email": "ann@acme.test", "password": PASSWORD})
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def send(client: Any, auth: Any, to: str = "bob@example.org", **changes: Any) -> Any:
    mail = {"from": "ann@acme.test", "to": [to], "subject": "Hello", "text": "Hi"}
    answer = await client.post("/api/v1/messages/send", json=mail | changes, headers=auth)
    assert answer.status_code == 202, answer.text
    return answer.json()


class TestRules:
    async def test_a_new_organization_has_rules_that_only_tell(self, client: Any, acme: Any, bob: Any) -> None:
        mine = (await client.get(f"{BLOCKS}/rules", headers=acme)).json()["data"]
        assert len(mine) == 4
        assert {(one["action"], one["enabled"]) for one in mine} == {("notify", True)}
        theirs = (await client.get(f"{BLOCKS}/rules", headers=bob)).json()["data"]
        assert {one["id"] for one in mine}.isdisjoint(one["id"] for one in theirs)

    async def test_a_rule_is_made_read_changed_switched_and_deleted(self, client: Any, acme: Any) -> None:
        rule = await make_rule(client, acme)
        url = f"{BLOCKS}/rules/{rule['id']}"
        read = await client.get(url, headers=acme)
        assert read.json() == rule
        assert {name: rule[name] for name in RULE} == RULE
        tag = {"If-Match": read.headers["ETag"]}
        changed = await client.put(url, json={"threshold": 0.2, "block_minutes": None}, headers=acme | tag)
        assert (changed.json()["threshold"], changed.json()["block_minutes"]) == (0.2, None)
        assert (await client.put(url, json={"threshold": 0.3}, headers=acme | tag)).status_code == 412
        off = await client.post(f"{BLOCKS}/toggle", json={"rule_id": rule["id"], "enabled": False}, headers=acme)
        assert off.json()["enabled"] is False
        assert (await client.delete(url, headers=acme)).status_code == 204
        assert (await client.get(url, headers=acme)).status_code == 404
        log = (await client.get("/api/v1/audit", headers=acme)).json()["data"]
        assert [one["action"] for one in log if one["target_id"] == rule["id"]] == [
            "auto_block_rule.deleted",
            "auto_block_rule.updated",
            "auto_block_rule.updated",
            "auto_block_rule.created",
        ]

    @pytest.mark.parametrize(
        "change",
        [
            {"name": ""},
            {"name": "   "},
            {"name": "a\nb"},
            {"name": "ab\n"},
            {"name": "a\x01b"},
            {"name": "a\u2028b"},
            {"name": "x" * 101},
            {"metric": "open_rate"},
            {"scope": "campaign"},
            {"window_minutes": 4},
            {"window_minutes": 10081},
            {"window_minutes": 1.5},
            {"threshold": 0},
            {"threshold": 1.01},
            {"threshold": "much"},
            {"threshold": None},
            {"minimum_volume": 0},
            {"minimum_volume": 10**12},
            {"action": "delete"},
            {"scope": "domain", "action": "hold"},
            {"block_minutes": 1},
            {"block_minutes": 10**6},
            {"color": "red"},
        ],
    )
    async def test_what_makes_no_sense_is_refused(self, client: Any, acme: Any, change: Any) -> None:
        answer = await client.post(f"{BLOCKS}/rules", json=RULE | change, headers=acme)
        assert answer.status_code == 422, answer.text

    async def test_a_change_to_what_makes_no_sense_is_refused_too(self, client: Any, acme: Any) -> None:
        rule = await make_rule(client, acme, scope="domain")
        for body in ({"action": "hold"}, {"threshold": 2}, {"scope": "vmta"}, {"name": None}):
            answer = await client.put(f"{BLOCKS}/rules/{rule['id']}", json=body, headers=acme)
            assert answer.status_code == 422, body

    async def test_names_are_given_once(self, client: Any, acme: Any, bob: Any) -> None:
        await make_rule(client, acme)
        again = await client.post(f"{BLOCKS}/rules", json=RULE, headers=acme)
        assert (again.status_code, again.json()["code"]) == (409, "already_exists")
        other = await make_rule(client, acme, name="Another")
        taken = await client.put(f"{BLOCKS}/rules/{other['id']}", json={"name": RULE["name"]}, headers=acme)
        assert taken.status_code == 409
        await make_rule(client, bob)

    async def test_an_organization_has_fifty_at_most(self, client: Any, acme: Any) -> None:
        for number in range(46):
            await make_rule(client, acme, name=f"rule {number}")
        answer = await client.post(f"{BLOCKS}/rules", json=RULE, headers=acme)
        assert (answer.status_code, answer.json()["code"]) == (409, "too_many_rules")

    async def test_seeing_is_not_switching(self, client: Any, acme: Any) -> None:
        rule = await make_rule(client, acme)
        body = {"name": "reader", "scopes": ["security:read"]}
        key = {"X-API-Key": (await client.post("/api/v1/api-keys", json=body, headers=acme)).json()["secret"]}
        assert (await client.get(f"{BLOCKS}/rules", headers=key)).status_code == 200
        toggle = {"rule_id": rule["id"], "enabled": False}
        assert (await client.post(f"{BLOCKS}/toggle", json=toggle, headers=key)).status_code == 403


class TestOpening:
    async def test_a_block_tells_the_numbers_that_led_to_it(
        self, client: Any, acme: Any, here: Any, clock: Any, db: Any
    ) -> None:
        hook = {"url": "https://example.com/hook", "events": ["security.block_opened", "security.block_resolved"]}
        await client.post("/api/v1/webhooks", json=hook, headers=acme)
        rule = await make_rule(client, acme)
        await happen(here, delivered=18, bounced=2)
        await watch_rules(here)
        (block,) = await blocks(client, acme)
        assert block["cause"] == {
            "metric": "bounce_rate",
            "rate": 0.1,
            "threshold": 0.1,
            "count": 2,
            "volume": 20,
            "window_start": "2026-11-22T11:00:00Z",
            "window_end": "2026-11-22T12:00:00Z",
        }
        assert {name: block[name] for name in ("rule_id", "scope", "value", "action", "state", "expires_at")} == {
            "rule_id": rule["id"],
            "scope": "organization",
            "value": "acme",
            "action": "pause",
            "state": "active",
            "expires_at": "2026-11-22T14:00:00Z",
        }
        await resolve(client, acme, block, "cleaned the list")
        async with db.reading() as connection:
            sent = (await connection.execute(select(webhook_deliveries).order_by(webhook_deliveries.c.id))).all()
            kept = await connection.scalar(select(func.count()).where(events.c.type.startswith("security.")))
        told = [json.loads(one.payload) for one in sent]
        assert [one["type"] for one in told] == ["security.block_opened", "security.block_resolved"]
        assert (told[0]["data"]["count"], told[0]["data"]["volume"], told[0]["data"]["value"]) == (2, 20, "acme")
        assert (told[1]["data"]["end_reason"], told[1]["data"]["note"]) == ("resolved", "cleaned the list")
        assert kept == 2
        log = (await client.get("/api/v1/audit", headers=acme)).json()["data"]
        mine = [one for one in log if one["target_id"] == block["id"]]
        assert [(one["action"], one["actor"], one["actor_kind"]) for one in mine] == [
            ("auto_block.ended", "ann@acme.test", "user"),
            ("auto_block.opened", "auto-block", "system"),
        ]

    @pytest.mark.parametrize(("delivered", "bounced"), [(19, 1), (17, 2), (0, 19)])
    async def test_below_threshold_or_volume_nothing_happens(
        self, client: Any, acme: Any, here: Any, delivered: int, bounced: int
    ) -> None:
        await make_rule(client, acme)
        await happen(here, delivered=delivered, bounced=bounced)
        await watch_rules(here)
        assert await blocks(client, acme) == []

    async def test_what_is_older_than_the_window_is_not_counted(self, client: Any, acme: Any, here: Any) -> None:
        await make_rule(client, acme)
        await happen(here, bounced=20, ago=61)
        await watch_rules(here)
        assert await blocks(client, acme) == []
        await happen(here, bounced=20, ago=60)
        await watch_rules(here)
        assert len(await blocks(client, acme)) == 1

    async def test_what_our_own_holds_defer_is_not_counted(self, client: Any, acme: Any, here: Any) -> None:
        await make_rule(client, acme, metric="deferral_rate")
        held = {"code": 451, "enhanced_code": None, "command": None}
        held["content"] = "KumoMTA internal: scheduled queue is suspended: auto-block"
        at = here.now() - timedelta(minutes=1)
        lines = [record("TransientFailure", at, response=held) for _ in range(100)]
        await ingest(here, "mx1", b"\n".join(lines))
        await watch_rules(here)
        assert await blocks(client, acme) == []
        await ingest(here, "mx1", b"\n".join(record("TransientFailure", at) for _ in range(20)))
        await watch_rules(here)
        (block,) = await blocks(client, acme)
        assert (block["cause"]["count"], block["cause"]["volume"]) == (20, 20)

    async def test_each_value_of_the_scope_is_judged_by_itself(self, client: Any, acme: Any, here: Any) -> None:
        await make_rule(client, acme, scope="domain", action="notify")
        await happen(here, delivered=200, sender="a@good.test")
        await happen(here, bounced=20, sender="a@bad.test")
        await watch_rules(here)
        assert [one["value"] for one in await blocks(client, acme)] == ["bad.test"]

    async def test_a_rule_that_is_off_does_nothing(self, client: Any, acme: Any, here: Any) -> None:
        rule = await make_rule(client, acme, enabled=False)
        await happen(here, bounced=20)
        await watch_rules(here)
        assert await blocks(client, acme) == []
        await client.post(f"{BLOCKS}/toggle", json={"rule_id": rule["id"], "enabled": True}, headers=acme)
        await watch_rules(here)
        assert len(await blocks(client, acme)) == 1

    async def test_many_evaluators_open_one_block(self, client: Any, acme: Any, here: Any, db: Any) -> None:
        await make_rule(client, acme)
        await happen(here, bounced=20)
        await asyncio.gather(*(watch_rules(here) for _ in range(8)))
        await watch_rules(here)
        async with db.reading() as connection:
            assert await connection.scalar(select(func.count()).select_from(auto_blocks)) == 1
            opened = select(func.count()).where(events.c.type == "security.block_opened")
            assert await connection.scalar(opened) == 1

    async def test_everybody_else_of_no_known_provider_is_no_provider(self, client: Any, acme: Any, here: Any) -> None:
        await make_rule(client, acme, scope="provider")
        await happen(here, bounced=20, provider_name=None)
        await watch_rules(here)
        assert await blocks(client, acme) == []


class TestKeepingHere:
    async def test_mail_is_accepted_and_waits_here_until_the_block_is_resolved(
        self, client: Any, acme: Any, here: Any, fleet: Fleet, clock: Any, db: Any
    ) -> None:
        await make_rule(client, acme)
        await happen(here, bounced=20)
        await watch_rules(here)
        sent = await send(client, acme)
        await relay(here)
        assert fleet.injected == []
        (block,) = await blocks(client, acme)
        assert (block["effect"]["keeps_here"], block["effect"]["waiting_here"]) == (True, 1)
        shown = (await client.get(f"/api/v1/messages/{sent['id']}", headers=acme)).json()["recipients"][0]
        assert shown["status"] == "queued"
        assert block["id"] in shown["kept_here"]
        assert "Too many bounces" in shown["kept_here"]
        over = await resolve(client, acme, block)
        assert (over["state"], over["effect"]["waiting_here"], over["ended_by"]) == ("resolved", 0, "ann@acme.test")
        await relay(here)
        assert fleet.injected == ["bob@example.org"]

    async def test_what_was_leased_while_the_block_ended_is_looked_at_again(
        self, client: Any, acme: Any, here: Any, fleet: Fleet, clock: Any
    ) -> None:
        await make_rule(client, acme)
        await happen(here, bounced=20)
        await watch_rules(here)
        await send(client, acme)
        for _ in range(3):
            await relay(here)
            clock.advance(minutes=10)
        assert fleet.injected == []
        clock.advance(minutes=100)
        await watch_rules(here)
        await relay(here)
        assert fleet.injected == ["bob@example.org"]

    async def test_only_the_blocked_domains_mail_waits(
        self, client: Any, acme: Any, here: Any, fleet: Fleet, resolver: Any
    ) -> None:
        await verify_domain(client, resolver, acme, "other.test")
        await make_rule(client, acme, scope="domain")
        await happen(here, bounced=20)
        await watch_rules(here)
        await send(client, acme, "kept@example.org")
        await send(client, acme, "goes@example.org", **{"from": "ann@other.test"})
        await relay(here)
        assert fleet.injected == ["goes@example.org"]

    async def test_only_mail_to_the_blocked_provider_waits(
        self, client: Any, acme: Any, here: Any, fleet: Fleet
    ) -> None:
        await make_rule(client, acme, scope="provider")
        await happen(here, bounced=20, recipient="x@hosted.test", provider_name="gmail")
        await watch_rules(here)
        for address in ("a@gmail.com", "b@hosted.test", "c@example.org"):
            await send(client, acme, address)
        await relay(here)
        assert fleet.injected == ["c@example.org"]

    @pytest.mark.parametrize(
        ("scope", "keys"),
        [
            ("organization", {"acme"}),
            ("domain", {"acme/acme.test"}),
            ("provider", {"acme/@hosted.test", "acme/@gmail.com", "acme/@googlemail.com"}),
        ],
    )
    async def test_nodes_put_off_what_is_submitted_to_them(
        self, client: Any, acme: Any, here: Any, scope: str, keys: set[str]
    ) -> None:
        async def put_off() -> Any:
            async with here.db.reading() as connection:
                return json.loads((await contents(here, connection, [BLOCKED]))[BLOCKED])

        await make_rule(client, acme, scope=scope)
        await happen(here, bounced=20, recipient="x@hosted.test", provider_name="gmail")
        await watch_rules(here)
        assert await put_off() == dict.fromkeys(keys, "auto_block")
        (block,) = await blocks(client, acme)
        await resolve(client, acme, block)
        assert await put_off() == {}

    async def test_another_organization_sends_on(
        self, client: Any, acme: Any, bob: Any, here: Any, fleet: Fleet, resolver: Any
    ) -> None:
        await verify_domain(client, resolver, bob, "bolt.test")
        await make_rule(client, acme)
        await make_rule(client, bob)
        await happen(here, bounced=20)
        await watch_rules(here)
        assert await blocks(client, bob) == []
        await send(client, bob, "theirs@example.org", **{"from": "bob@bolt.test"})
        await send(client, acme, "ours@example.org")
        await relay(here)
        assert fleet.injected == ["theirs@example.org"]

    async def test_a_rescheduled_message_keeps_its_moment(
        self, client: Any, acme: Any, here: Any, fleet: Fleet, clock: Any, db: Any
    ) -> None:
        await make_rule(client, acme)
        await happen(here, bounced=20)
        await watch_rules(here)
        sent = await send(client, acme)
        await relay(here)
        moved = {"send_at": "2026-11-22T20:00:00Z"}
        answer = await client.put(f"/api/v1/messages/{sent['id']}/schedule", json=moved, headers=acme)
        assert answer.status_code == 200, answer.text
        (block,) = await blocks(client, acme)
        await resolve(client, acme, block)
        await relay(here)
        assert fleet.injected == []
        async with db.reading() as connection:
            due = await connection.scalar(select(outbox.c.due_at))
        assert due.isoformat() == "2026-11-22T20:00:00+00:00"

    async def test_notify_stops_nothing(self, client: Any, acme: Any, here: Any, fleet: Fleet) -> None:
        await make_rule(client, acme, action="notify")
        await happen(here, bounced=20)
        await watch_rules(here)
        (block,) = await blocks(client, acme)
        assert not block["effect"]["keeps_here"]
        await send(client, acme)
        await relay(here)
        assert fleet.injected == ["bob@example.org"]


class TestHoldingOnNodes:
    @pytest.fixture
    async def held(self, client: Any, acme: Any, here: Any, fleet: Fleet) -> Any:
        """A block that holds the two queues of acme's."""
        fleet.queues = {"acme@example.org": 5, "spring:acme.mx1@gmail.com": 1, "bolt@example.org": 9}
        fleet.queues["postmta.log_hook"] = 3
        await make_rule(client, acme, action="hold")
        await happen(here, bounced=20)
        await watch_rules(here)
        (block,) = await blocks(client, acme)
        return block

    async def test_every_queue_of_the_organization_is_held_and_no_other(
        self, client: Any, acme: Any, here: Any, fleet: Fleet, held: Any
    ) -> None:
        mine = ["acme@example.org", "spring:acme.mx1@gmail.com"]
        assert fleet.holding() == {"mx1": mine, "mx2": mine}
        assert held["effect"]["queues"] == [{"queue": name, "held": True} for name in mine]
        (reason,) = {rule["reason"] for rule in fleet.held["mx1"].values()}
        assert reason == "auto-block: Too many bounces: bounce_rate 100 % (20 of 20) reaches 10 %"
        assert {rule["expires"] for rule in fleet.held["mx2"].values()} == {"2026-11-22T14:00:00+00:00"}
        shown = (await client.get("/api/v1/queues?held=true", headers=acme)).json()["data"]
        assert [(one["id"], one["hold"]["author"]) for one in shown] == [(name, "auto-block") for name in mine]
        over = await resolve(client, acme, held)
        assert fleet.holding() == {"mx1": [], "mx2": []}
        assert [one["held"] for one in over["effect"]["queues"]] == [False, False]

    async def test_a_queue_that_appears_later_is_held_too(
        self, client: Any, acme: Any, here: Any, fleet: Fleet, held: Any
    ) -> None:
        fleet.queues["acme@late.test"] = 1
        await watch_rules(here)
        assert "acme@late.test" in fleet.holding()["mx1"]

    async def test_a_queue_that_only_events_name_is_held(self, client: Any, acme: Any, here: Any, fleet: Fleet) -> None:
        await make_rule(client, acme, action="hold")
        await happen(here, bounced=20, queue="news:acme@example.org")
        await happen(here, bounced=1, queue="postmta.log_hook")
        await watch_rules(here)
        assert fleet.holding() == {"mx1": ["news:acme@example.org"], "mx2": ["news:acme@example.org"]}

    async def test_whoever_releases_a_queue_by_hand_is_obeyed(
        self, client: Any, acme: Any, here: Any, fleet: Fleet, held: Any
    ) -> None:
        url = f"/api/v1/queues/{quote('acme@example.org', safe='')}/release"
        assert (await client.post(url, headers=acme)).status_code == 200
        await watch_rules(here)
        assert fleet.holding()["mx1"] == ["spring:acme.mx1@gmail.com"]
        (block,) = await blocks(client, acme)
        assert [one["held"] for one in block["effect"]["queues"]] == [False, True]

    async def test_a_hold_by_hand_outlives_the_block(
        self, client: Any, acme: Any, here: Any, fleet: Fleet, held: Any
    ) -> None:
        url = f"/api/v1/queues/{quote('acme@example.org', safe='')}/hold"
        assert (await client.post(url, json={"reason": "mine"}, headers=acme)).status_code == 200
        await resolve(client, acme, held)
        assert fleet.holding() == {"mx1": ["acme@example.org"], "mx2": ["acme@example.org"]}

    async def test_it_ends_by_itself(
        self, client: Any, acme: Any, here: Any, fleet: Fleet, held: Any, clock: Any
    ) -> None:
        clock.advance(minutes=121)
        await watch_rules(here)
        acme = await login(client)
        assert await blocks(client, acme) == []
        (past,) = await blocks(client, acme, "history")
        assert (past["state"], past["ended_by"]) == ("expired", "auto-block")
        assert fleet.holding() == {"mx1": [], "mx2": []}

    async def test_a_node_that_forgot_is_told_again(
        self, client: Any, acme: Any, here: Any, fleet: Fleet, held: Any, clock: Any, db: Any
    ) -> None:
        fleet.held["mx1"].clear()
        clock.advance(seconds=30)
        async with db.transaction() as connection:
            await connection.execute(update(nodes).where(nodes.c.name == "mx1").values(online_since=clock()))
        await reconcile_holds(here)
        assert len(fleet.holding()["mx1"]) == 2

    async def test_of_two_blocks_the_second_takes_over_what_the_first_held(
        self, client: Any, acme: Any, here: Any, fleet: Fleet, held: Any
    ) -> None:
        await make_rule(client, acme, name="Another", action="hold")
        await watch_rules(here)
        await resolve(client, acme, held)
        await watch_rules(here)
        assert len(fleet.holding()["mx1"]) == 2

    async def test_only_queues_to_the_blocked_provider_are_held(
        self, client: Any, acme: Any, here: Any, fleet: Fleet
    ) -> None:
        fleet.queues = {"acme@gmail.com": 1, "acme@hosted.test": 1, "acme@example.org": 1, "bolt@gmail.com": 1}
        await make_rule(client, acme, scope="provider", action="hold")
        await happen(here, bounced=20, recipient="x@hosted.test", provider_name="gmail")
        await watch_rules(here)
        assert fleet.holding()["mx1"] == ["acme@gmail.com", "acme@hosted.test"]


class TestVmtas:
    @pytest.fixture
    async def vmta(self, client: Any, acme: Any) -> str:
        return str((await client.post("/api/v1/vmtas", json=VMTA, headers=acme)).json()["id"])

    async def state(self, client: Any, auth: Any, vmta: str) -> str:
        return str((await client.get(f"/api/v1/vmtas/{vmta}", headers=auth)).json()["state"])

    async def test_a_vmta_is_paused_and_resumed(
        self, client: Any, acme: Any, here: Any, vmta: str, fleet: Fleet
    ) -> None:
        await make_rule(client, acme, scope="vmta")
        await happen(here, bounced=20)
        await watch_rules(here)
        assert await self.state(client, acme, vmta) == "paused"
        (block,) = await blocks(client, acme)
        assert (block["value"], block["effect"]["vmta"]) == ("mx1", {"id": vmta, "paused": True})
        await send(client, acme, "pinned@example.org", vmta="mx1")
        await send(client, acme, "free@example.org")
        await relay(here)
        assert fleet.injected == ["free@example.org"]
        over = await resolve(client, acme, block)
        assert over["effect"]["vmta"] == {"id": vmta, "paused": False}
        assert await self.state(client, acme, vmta) == "active"

    async def test_one_that_was_paused_by_hand_stays_paused(self, client: Any, acme: Any, here: Any, vmta: str) -> None:
        await client.post(f"/api/v1/vmtas/{vmta}/pause", headers=acme)
        await make_rule(client, acme, scope="vmta")
        await happen(here, bounced=20)
        await watch_rules(here)
        (block,) = await blocks(client, acme)
        assert block["effect"]["vmta"] is None
        await resolve(client, acme, block)
        assert await self.state(client, acme, vmta) == "paused"

    async def test_one_that_was_resumed_by_hand_is_not_paused_again(
        self, client: Any, acme: Any, here: Any, vmta: str
    ) -> None:
        await make_rule(client, acme, scope="vmta")
        await happen(here, bounced=20)
        await watch_rules(here)
        await client.post(f"/api/v1/vmtas/{vmta}/resume", headers=acme)
        await watch_rules(here)
        assert await self.state(client, acme, vmta) == "active"
        (block,) = await blocks(client, acme)
        assert block["effect"]["vmta"] == {"id": vmta, "paused": False}

    async def test_the_second_block_takes_over_the_pause(self, client: Any, acme: Any, here: Any, vmta: str) -> None:
        await make_rule(client, acme, scope="vmta")
        await happen(here, bounced=20)
        await watch_rules(here)
        (first,) = await blocks(client, acme)
        await make_rule(client, acme, scope="vmta", name="Another")
        await watch_rules(here)
        await resolve(client, acme, first)
        assert await self.state(client, acme, vmta) == "paused"
        (second,) = await blocks(client, acme)
        await resolve(client, acme, second)
        assert await self.state(client, acme, vmta) == "active"

    async def test_a_source_that_is_no_vmta_is_passed_over(self, client: Any, acme: Any, here: Any) -> None:
        await make_rule(client, acme, scope="vmta")
        await happen(here, bounced=20, egress_source="unspecified")
        await watch_rules(here)
        assert await blocks(client, acme) == []


class TestEnding:
    async def test_only_what_happens_after_it_can_lead_to_the_next(
        self, client: Any, acme: Any, here: Any, clock: Any
    ) -> None:
        await make_rule(client, acme)
        await happen(here, bounced=20)
        await watch_rules(here)
        (block,) = await blocks(client, acme)
        clock.advance(minutes=1)
        await resolve(client, acme, block)
        await watch_rules(here)
        await happen(here, bounced=50, ago=0.5)
        await watch_rules(here)
        assert await blocks(client, acme) == [], "the same old events"
        clock.advance(minutes=10)
        await happen(here, bounced=19)
        await watch_rules(here)
        assert await blocks(client, acme) == [], "too few since"
        await happen(here, bounced=1)
        await watch_rules(here)
        (again,) = await blocks(client, acme)
        assert (again["cause"]["volume"], again["cause"]["window_start"]) == (20, "2026-11-22T12:05:00Z")

    async def test_a_block_that_expired_does_not_come_back_by_itself(
        self, client: Any, acme: Any, here: Any, clock: Any
    ) -> None:
        await make_rule(client, acme, block_minutes=5)
        await happen(here, bounced=20)
        await watch_rules(here)
        clock.advance(minutes=6)
        await watch_rules(here)
        await watch_rules(here)
        assert await blocks(client, acme) == []

    async def test_it_is_resolved_once(self, client: Any, acme: Any, here: Any) -> None:
        await make_rule(client, acme)
        await happen(here, bounced=20)
        await watch_rules(here)
        (block,) = await blocks(client, acme)
        url = f"{BLOCKS}/{block['id']}/resolve"
        answers = await asyncio.gather(*(client.post(url, headers=acme) for _ in range(5)))
        assert sorted(one.status_code for one in answers) == [200, 409, 409, 409, 409]
        assert answers[0].json() != answers[1].json()
        (past,) = await blocks(client, acme, "history")
        assert past["state"] == "resolved"

    @pytest.mark.parametrize("note", ["", "x" * 501, "a\nb", 5])
    async def test_a_note_is_one_line(self, client: Any, acme: Any, here: Any, note: Any) -> None:
        await make_rule(client, acme)
        await happen(here, bounced=20)
        await watch_rules(here)
        (block,) = await blocks(client, acme)
        answer = await client.post(f"{BLOCKS}/{block['id']}/resolve", json={"note": note}, headers=acme)
        assert answer.status_code == 422
        assert len(await blocks(client, acme)) == 1

    async def test_deleting_the_rule_lifts_its_blocks(self, client: Any, acme: Any, here: Any, fleet: Fleet) -> None:
        fleet.queues = {"acme@example.org": 5}
        rule = await make_rule(client, acme, action="hold")
        await happen(here, bounced=20)
        await watch_rules(here)
        await send(client, acme)
        await relay(here)
        assert (await client.delete(f"{BLOCKS}/rules/{rule['id']}", headers=acme)).status_code == 204
        (past,) = await blocks(client, acme, "history")
        assert (past["state"], past["rule_id"], past["rule_name"]) == ("rule_deleted", None, "Too many bounces")
        assert fleet.holding()["mx1"] == []
        await relay(here)
        assert fleet.injected == ["bob@example.org"]

    async def test_operators_see_and_resolve_everybodys(self, client: Any, acme: Any, bob: Any, here: Any) -> None:
        await make_rule(client, bob)
        await happen(here, bounced=20, meta={"tenant": "bolt"})
        await watch_rules(here)
        assert await blocks(client, acme) == []
        (block,) = (await client.get(f"{BLOCKS}/active?everybody=true", headers=acme)).json()["data"]
        assert block["value"] == "bolt"
        for which in ("active", "history"):
            assert (await client.get(f"{BLOCKS}/{which}?everybody=true", headers=bob)).status_code == 403
        assert (await resolve(client, acme, block))["state"] == "resolved"
        assert await blocks(client, bob) == []

    async def test_a_foreign_block_is_not_found(self, client: Any, acme: Any, bob: Any, here: Any) -> None:
        await make_rule(client, acme)
        await happen(here, bounced=20)
        await watch_rules(here)
        (block,) = await blocks(client, acme)
        assert (await client.get(f"{BLOCKS}/{block['id']}", headers=bob)).status_code == 404
        assert (await client.post(f"{BLOCKS}/{block['id']}/resolve", headers=bob)).status_code == 404
        assert len(await blocks(client, acme)) == 1


async def test_a_killed_turn_is_finished_by_the_next(client: Any, acme: Any, here: Any, fleet: Fleet) -> None:
    """The block is on durable storage, the nodes were not told."""
    fleet.queues = {"acme@example.org": 5}
    await make_rule(client, acme, action="hold")
    await happen(here, bounced=20)
    fleet.dies = True
    with pytest.raises(asyncio.CancelledError):
        await watch_rules(here)
    assert len(await blocks(client, acme)) == 1
    assert fleet.holding()["mx1"] == []
    fleet.dies = False
    await watch_rules(here)
    assert fleet.holding()["mx1"] == ["acme@example.org"]


async def test_metrics_count_active_blocks_by_action(client: Any, acme: Any, here: Any) -> None:
    await make_rule(client, acme)
    await make_rule(client, acme, name="Another", action="notify")
    await happen(here, bounced=20)
    await watch_rules(here)
    answer = await client.get("/metrics?format=json", headers={"Authorization": "Bearer metrics-token"})
    shown = answer.json()["postmta_auto_blocks"]["samples"]
    assert {one["labels"]["action"]: one["value"] for one in shown} == {"pause": 1, "hold": 0, "notify": 1}


async def test_counts_that_no_window_reaches_are_dropped(here: Any, db: Any) -> None:
    await happen(here, bounced=1, ago=8 * 24 * 60)
    await happen(here, bounced=1, ago=6 * 24 * 60)
    await forget_outcomes(here)
    async with db.reading() as connection:
        slots = set(await connection.scalars(select(rollup_outcomes.c.slot)))
    assert len(slots) == 1
