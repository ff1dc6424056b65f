"""Warm-up through the API, driven by the log records of a node, over days of a clock that tests move."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from postmta_ctl.clients.kumod import KumodClient
from postmta_ctl.core.ids import new_id
from postmta_ctl.core.tokens import digest
from postmta_ctl.features.nodes import access
from postmta_ctl.features.policy.load import load_model
from postmta_ctl.features.warmup.governor import govern
from postmta_ctl.store.tables import nodes, policy_changes, vmtas, warmup_counts, webhook_deliveries
from tests.conftest import register
from tests.fake_node import FakeNode

MX1 = {"name": "mx1", "ip_address": "192.0.2.10", "ehlo_domain": "mx1.acme.test"}
RECORDS = Path(__file__).parents[1] / "fixtures" / "kumomta" / "log-records.ndjson"


def example(kind: str) -> dict[str, Any]:
    """A record of this type, as a real node wrote it."""
    found = [json.loads(line) for line in RECORDS.read_bytes().splitlines()]
    return dict(next(record for record in found if record["type"] == kind))


class Receivers:
    """What receivers answer to mx1, told by the log of a node."""

    def __init__(self, client: Any, clock: Any) -> None:
        self.client, self.clock, self.number = client, clock, 0

    async def answer(self, kind: str, count: int, domain: str = "gmail.com", node: str = "node-token") -> None:
        known, now = example(kind), self.clock()
        lines = []
        for _ in range(count):
            self.number += 1
            moment = f"{now:%Y-%m-%dT%H:%M:%S}.{self.number:06d}Z"
            record = known | {
                "id": f"{self.number:032x}",
                "recipient": f"b{self.number}@{domain}",
                "queue": f"acme@{domain}",
                "timestamp": int(now.timestamp()),
                "event_time": moment,
                "egress_source": None if kind == "Feedback" else "acme.mx1.r1",
                "provider_name": None,
                "meta": {"tenant": "acme"},
            }
            lines.append(json.dumps(record))
        headers = {"Authorization": f"Bearer {node}"}
        answer = await self.client.post("/ingest/v1/logs", content="\n".join(lines), headers=headers)
        assert answer.json()["added"] == count, answer.text


@pytest.fixture
async def ann(client: Any) -> dict[str, str]:
    """An API key of the organization ``acme``: days pass in these tests, and sessions end."""
    owner = await register(client)
    body = {"name": "warm-up", "scopes": ["vmtas:read", "vmtas:write", "webhooks:write"]}
    return {"X-API-Key": (await client.post("/api/v1/api-keys", json=body, headers=owner)).json()["secret"]}


@pytest.fixture
async def here(system: Any, db: Any) -> AsyncIterator[Any]:
    """The parts for jobs, with connections of the test's own event loop."""
    kumod = KumodClient(timeout=5)
    yield dataclasses.replace(system, db=db, kumod=kumod)
    await kumod.close()


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeNode]:
    with FakeNode(tmp_path / "node").serving() as node:
        yield node


async def add_node(here: Any, fake: FakeNode, name: str = "n1", token: str = "node-token") -> None:
    """A node that has been up for a while, as the watch of the nodes would have written it."""
    fake.policy_dir.mkdir(exist_ok=True)
    clock, node_id = here.now, new_id(here.now())
    async with here.db.transaction() as connection:
        await connection.execute(
            insert(nodes).values(
                id=node_id,
                name=name,
                kind="kumod",
                admin_url=fake.url,
                policy_dir=str(fake.policy_dir),
                ingest_token_digest=digest(token),
                sealed_ingest_token=b"",
                sealed_admin_token=access.seal(here, node_id, "sealed_admin_token", "admin"),
                online_since=clock() - timedelta(hours=1),
                last_seen_at=clock() + timedelta(days=400),
                created_at=clock(),
            )
        )


@pytest.fixture
async def receivers(client: Any, ann: Any, here: Any, clock: Any, fake: FakeNode) -> Receivers:
    await add_node(here, fake)
    return Receivers(client, clock)


async def make(client: Any, headers: Any, allowances: list[int], **more: Any) -> str:
    body = MX1 | {"warmup": {"daily_allowances": allowances} | more}
    answer = await client.post("/api/v1/vmtas", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def status(client: Any, headers: Any, vmta_id: str) -> dict[str, Any]:
    answer = await client.get(f"/api/v1/vmtas/{vmta_id}/warmup", headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def tickets(fake: FakeNode) -> dict[str, Any]:
    path = fake.policy_dir / "live" / "warmup.json"
    return dict(json.loads(path.read_text())["vmtas"]) if path.exists() else {}


async def test_a_day_passes_and_the_next_allowance_is_in_force(
    client: Any, ann: Any, here: Any, clock: Any, receivers: Receivers, fake: FakeNode
) -> None:
    vmta_id = await make(client, ann, [10, 20, 40])
    await govern(here)
    assert tickets(fake)["acme.mx1"] == {"serial": 1, "size": 10, "day": 10, "limits": {}}
    assert fake.bumps == 1
    await govern(here)
    assert fake.bumps == 2, "once more, for queues that met a pool of before"

    await receivers.answer("Delivery", 7)
    await receivers.answer("Delivery", 3, "outlook.com")
    await receivers.answer("TransientFailure", 1, "outlook.com")
    shown = await status(client, ann, vmta_id)
    assert shown["today"] | {"day": ""} == {
        "day": "",
        "provider": None,
        "stage": 1,
        "allowance": 10,
        "delivered": 10,
        "deferred": 1,
        "bounced": 0,
        "complained": 0,
    }
    assert [(one["provider"], one["delivered"], one["deferred"]) for one in shown["providers"]] == [
        ("gmail", 7, 0),
        ("outlook", 3, 1),
    ]
    assert [(one["node"], one["size"], one["left"]) for one in shown["nodes"]] == [("n1", 10, 0)]
    assert [one["allowance"] for one in shown["plan"]] == [10, 20, 40]
    assert shown["full_on"] == "2026-11-25"

    clock.advance(hours=1)
    await govern(here)
    assert tickets(fake)["acme.mx1"]["serial"] == 1, "today's is used"
    clock.advance(hours=12)
    await govern(here)
    assert tickets(fake)["acme.mx1"] == {"serial": 2, "size": 20, "day": 20, "limits": {}}
    shown = await status(client, ann, vmta_id)
    assert (shown["stage"], shown["today"]["allowance"], shown["today"]["delivered"]) == (2, 20, 0)
    (decision,) = shown["decisions"]
    assert (decision["kind"], decision["from_allowance"], decision["to_allowance"]) == ("advanced", 10, 20)
    assert (decision["author"], decision["figures"]["delivered"]) == ("postmta", 10)
    assert [(one["day"], one["allowance"], one["delivered"]) for one in shown["days"]] == [
        ("2026-11-23", 20, 0),
        ("2026-11-22", 10, 10),
    ]


async def test_a_day_without_mail_is_no_sending_day(
    client: Any, ann: Any, here: Any, clock: Any, receivers: Receivers
) -> None:
    vmta_id = await make(client, ann, [10, 20])
    for _ in range(5):
        await govern(here)
        clock.advance(days=1)
    shown = await status(client, ann, vmta_id)
    assert (shown["stage"], shown["decisions"]) == (1, [])


async def test_bounces_step_it_back_and_it_resumes_by_itself(
    client: Any, ann: Any, here: Any, db: Any, clock: Any, receivers: Receivers, fake: FakeNode
) -> None:
    body = {"url": "https://example.com/hook", "events": ["vmta.warmup_stepped_back"]}
    await client.post("/api/v1/webhooks", json=body, headers=ann)
    vmta_id = await make(client, ann, [100, 100, 400, 800])
    async with db.transaction() as connection:
        progress = (await connection.execute(select(vmtas.c.warmup))).scalar()
        await connection.execute(update(vmtas).values(warmup=progress | {"day": 4}))
    await govern(here)
    await receivers.answer("Delivery", 60)
    await receivers.answer("Bounce", 3)
    await govern(here)
    assert (await status(client, ann, vmta_id))["state"] == "warming", "three decide nothing"

    await receivers.answer("Bounce", 1)
    await govern(here)
    await govern(here)
    shown = await status(client, ann, vmta_id)
    assert (shown["state"], shown["stage"], shown["today"]["allowance"]) == ("stopped", 3, 0)
    assert shown["held"]["kind"] == "stepped_back"
    assert shown["held"]["rates"] == {"bounce_rate": 0.0625}
    assert shown["held"]["thresholds"] == {"bounce_rate": 0.03, "min_settled": 40.0, "min_cases": 4.0}
    assert len(shown["decisions"]) == 1
    assert tickets(fake)["acme.mx1"]["size"] == 0
    async with db.reading() as connection:
        rows = (await connection.execute(select(webhook_deliveries.c.type))).scalars().all()
    assert list(rows) == ["vmta.warmup_stepped_back"]

    clock.advance(days=1)
    await govern(here)
    shown = await status(client, ann, vmta_id)
    assert (shown["state"], shown["today"]["allowance"]) == ("warming", 400)
    assert [one["kind"] for one in shown["decisions"]] == ["resumed", "stepped_back"]
    assert tickets(fake)["acme.mx1"]["size"] == 67


async def test_a_provider_that_puts_off_is_held_alone(
    client: Any, ann: Any, here: Any, receivers: Receivers, fake: FakeNode
) -> None:
    vmta_id = await make(client, ann, [400, 800], provider_shares={"outlook": 0.5})
    await govern(here)
    await receivers.answer("Delivery", 20)
    await receivers.answer("TransientFailure", 20)
    await receivers.answer("Delivery", 20, "yahoo.com")
    await govern(here)
    shown = await status(client, ann, vmta_id)
    assert {one["provider"]: one["allowance"] for one in shown["providers"]} == {
        "gmail": 20,
        "outlook": 200,
        "yahoo": None,
    }
    assert (shown["held"]["kind"], shown["held"]["provider"]) == ("provider_held", "gmail")
    assert tickets(fake)["acme.mx1"]["limits"] == {"gmail": 0}
    assert tickets(fake)["acme.mx1"]["size"] == 67


async def test_after_the_last_day_it_is_established_and_the_next_release_knows(
    client: Any, ann: Any, here: Any, db: Any, clock: Any, receivers: Receivers, fake: FakeNode
) -> None:
    vmta_id = await make(client, ann, [10])
    await govern(here)
    await receivers.answer("Delivery", 10)
    clock.advance(days=1)
    await govern(here)
    assert (await client.get(f"/api/v1/vmtas/{vmta_id}", headers=ann)).json()["state"] == "active"
    shown = await status(client, ann, vmta_id)
    assert (shown["state"], shown["decisions"][0]["kind"]) == ("completed", "completed")
    assert tickets(fake)["acme.mx1"] == {"free": True}
    async with db.reading() as connection:
        summaries = (await connection.execute(select(policy_changes.c.summary))).scalars().all()
        model = await load_model(connection, here.settings)
    assert "vMTA mx1 is established" in summaries
    assert model.vmtas[0].state == "active"


async def test_a_restarted_node_gets_what_is_left(
    client: Any, ann: Any, here: Any, db: Any, clock: Any, receivers: Receivers, fake: FakeNode
) -> None:
    await make(client, ann, [20])
    await govern(here)
    await receivers.answer("Delivery", 8)
    clock.advance(minutes=1)
    async with db.transaction() as connection:
        await connection.execute(update(nodes).values(online_since=clock()))
    await govern(here)
    assert tickets(fake) == {}, "first it reports what it had sent"
    await receivers.answer("Delivery", 2)
    clock.advance(seconds=15)
    await govern(here)
    assert tickets(fake)["acme.mx1"] | {"serial": 0} == {"serial": 0, "size": 10, "day": 20, "limits": {}}
    assert tickets(fake)["acme.mx1"]["serial"] == 2


async def test_several_nodes_never_have_more_than_the_allowance(
    client: Any, ann: Any, here: Any, db: Any, clock: Any, receivers: Receivers, fake: FakeNode, tmp_path: Path
) -> None:
    with FakeNode(tmp_path / "second").serving() as second:
        await add_node(here, second, "n2", "second-token")
        await make(client, ann, [16])
        await govern(here)
        sizes = [tickets(node)["acme.mx1"]["size"] for node in (fake, second)]
        assert (sum(sizes), min(sizes)) == (16, 6)
        await receivers.answer("Delivery", sizes[0])
        clock.advance(minutes=11)
        await govern(here)
        await govern(here)
        again = [tickets(node)["acme.mx1"]["size"] for node in (fake, second)]
        assert sum(again) == 16 - sizes[0], "what the second does not use, the first gets"
        assert again[0] > 0


async def test_a_node_that_cannot_be_told_is_told_again(
    client: Any, ann: Any, here: Any, db: Any, receivers: Receivers, fake: FakeNode
) -> None:
    vmta_id = await make(client, ann, [10])
    async with db.transaction() as connection:
        await connection.execute(update(nodes).values(admin_url="http://127.0.0.1:1"))
    await govern(here)
    assert "cannot connect" in (await status(client, ann, vmta_id))["nodes"][0]["error"]
    async with db.transaction() as connection:
        await connection.execute(update(nodes).values(admin_url=fake.url))
    await govern(here)
    assert (await status(client, ann, vmta_id))["nodes"][0]["error"] is None
    for _ in range(3):
        await govern(here)
    assert fake.bumps == 2, "and then left in peace"


async def test_two_governors_at_once_are_one(
    client: Any, ann: Any, here: Any, receivers: Receivers, fake: FakeNode, clock: Any
) -> None:
    vmta_id = await make(client, ann, [10, 20])
    await asyncio.gather(*(govern(here) for _ in range(5)))
    await receivers.answer("Delivery", 10)
    clock.advance(days=1)
    await asyncio.gather(*(govern(here) for _ in range(5)))
    shown = await status(client, ann, vmta_id)
    assert ([one["kind"] for one in shown["decisions"]], shown["stage"]) == (["advanced"], 2)
    assert tickets(fake)["acme.mx1"]["serial"] == 2


async def test_what_was_written_down_and_not_told_is_told_as_it_was(
    client: Any, ann: Any, here: Any, receivers: Receivers, fake: FakeNode
) -> None:
    await make(client, ann, [10])
    moved = fake.policy_dir.rename(fake.policy_dir.with_name("away"))
    await govern(here)
    moved.rename(fake.policy_dir)
    for _ in range(3):
        await govern(here)
    assert tickets(fake)["acme.mx1"] == {"serial": 1, "size": 10, "day": 10, "limits": {}}


async def test_records_of_mail_that_is_nobodys_and_of_sources_unknown_are_not_counted(
    client: Any, ann: Any, db: Any, receivers: Receivers
) -> None:
    await make(client, ann, [10])
    known = example("Delivery")
    strange: list[dict[str, Any]] = [
        {"egress_source": "acme.mx9.r1"},
        {"egress_source": None},
        {"meta": {"tenant": "nobody"}, "egress_source": "acme.mx1.r1"},
    ]
    records = [known | {"id": f"{number:032x}", "meta": {"tenant": "acme"}} | one for number, one in enumerate(strange)]
    headers = {"Authorization": "Bearer node-token"}
    answer = await client.post("/ingest/v1/logs", json=records, headers=headers)
    assert answer.json()["added"] == len(strange), answer.text
    async with db.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(warmup_counts)) == 0


async def test_what_no_receiver_said_is_an_attempt_and_no_answer(
    client: Any, ann: Any, db: Any, receivers: Receivers
) -> None:
    await make(client, ann, [10])
    known = example("TransientFailure")
    internal = {"code": 400, "enhanced_code": None, "content": "KumoMTA internal: failed to connect to any host"}
    source = {"meta": {"tenant": "acme"}, "egress_source": "acme.mx1.r1"}
    records = [
        known | source | {"id": "1" * 32, "response": known["response"] | internal},
        known | source | {"id": "2" * 32, "type": "Expiration"},
        known | source | {"id": "3" * 32},
    ]
    headers = {"Authorization": "Bearer node-token"}
    answer = await client.post("/ingest/v1/logs", json=records, headers=headers)
    assert answer.json()["added"] == len(records), answer.text
    async with db.reading() as connection:
        row = (await connection.execute(select(warmup_counts))).mappings().one()
    assert (row["deferred"], row["bounced"], row["attempts"]) == (1, 0, 2)


async def test_a_deleted_vmta_takes_its_tickets_along(
    client: Any, ann: Any, here: Any, receivers: Receivers, fake: FakeNode
) -> None:
    vmta_id = await make(client, ann, [10])
    await govern(here)
    await receivers.answer("Delivery", 3)
    await make_another(client, ann)
    assert (await client.delete(f"/api/v1/vmtas/{vmta_id}", headers=ann)).status_code == 204
    await govern(here)
    assert set(tickets(fake)) == {"acme.mx2"}


async def make_another(client: Any, headers: Any) -> None:
    body = {"name": "mx2", "ip_address": "192.0.2.11", "ehlo_domain": "mx2.acme.test"}
    answer = await client.post("/api/v1/vmtas", json=body | {"warmup": {"schedule": "standard"}}, headers=headers)
    assert answer.status_code == 201, answer.text


async def test_established_vmtas_are_not_counted(client: Any, ann: Any, db: Any, receivers: Receivers) -> None:
    await client.post("/api/v1/vmtas", json=MX1, headers=ann)
    await receivers.answer("Delivery", 5)
    async with db.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(warmup_counts)) == 0


async def test_a_paused_vmta_gets_no_tickets_and_is_not_judged(
    client: Any, ann: Any, here: Any, clock: Any, receivers: Receivers, fake: FakeNode
) -> None:
    vmta_id = await make(client, ann, [100, 200])
    await govern(here)
    await client.post(f"/api/v1/vmtas/{vmta_id}/pause", headers=ann)
    await govern(here)
    assert tickets(fake)["acme.mx1"]["size"] == 0
    assert (await status(client, ann, vmta_id))["state"] == "paused"


class TestByHand:
    async def act(self, client: Any, headers: Any, vmta_id: str, action: str, body: Any = None) -> Any:
        return await client.post(f"/api/v1/vmtas/{vmta_id}/warmup/{action}", json=body, headers=headers)

    async def test_pause_and_resume_keep_the_stage(
        self, client: Any, ann: Any, here: Any, receivers: Receivers, fake: FakeNode
    ) -> None:
        vmta_id = await make(client, ann, [10, 20])
        await self.act(client, ann, vmta_id, "skip")
        paused = (await self.act(client, ann, vmta_id, "pause")).json()
        assert (paused["state"], paused["stage"], paused["full_on"]) == ("paused", 2, None)
        await govern(here)
        assert "acme.mx1" not in tickets(fake)
        assert (await self.act(client, ann, vmta_id, "pause")).json()["code"] == "warmup_paused"
        resumed = (await self.act(client, ann, vmta_id, "resume")).json()
        assert (resumed["state"], resumed["today"]["allowance"]) == ("warming", 20)
        assert [one["kind"] for one in resumed["decisions"]] == ["resumed", "paused", "skipped"]
        assert all(one["author"].startswith("api key ") for one in resumed["decisions"])
        assert (await self.act(client, ann, vmta_id, "resume")).json()["code"] == "warmup_not_paused"

    async def test_the_last_stage_skipped_is_the_end(self, client: Any, ann: Any) -> None:
        vmta_id = await make(client, ann, [10])
        assert (await self.act(client, ann, vmta_id, "skip")).json()["state"] == "completed"
        for action in ("skip", "pause", "resume", "complete"):
            answer = await self.act(client, ann, vmta_id, action)
            assert (answer.status_code, answer.json()["code"]) == (409, "not_warming")

    async def test_an_established_one_can_be_warmed_up_anew(
        self, client: Any, ann: Any, db: Any, receivers: Receivers
    ) -> None:
        vmta_id = await make(client, ann, [10])
        await receivers.answer("Delivery", 5)
        await self.act(client, ann, vmta_id, "complete")
        answer = await self.act(client, ann, vmta_id, "start", {"schedule": "standard"})
        assert answer.status_code == 200, answer.text
        assert (answer.json()["state"], answer.json()["stage"]) == ("warming", 1)
        assert answer.json()["today"]["delivered"] == 0
        again = await self.act(client, ann, vmta_id, "start", {"schedule": "standard"})
        assert (again.status_code, again.json()["code"]) == (409, "already_warming")

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "schedule"),
            ({"schedule": "hasty"}, "schedule"),
            ({"schedule": "standard", "daily_allowances": [1]}, "schedule"),
            ({"daily_allowances": []}, "daily_allowances"),
            ({"daily_allowances": [1], "provider_shares": {"gmial": 1}}, "provider_shares"),
            ({"daily_allowances": [1], "provider_shares": {"gmail": 2}}, "provider_shares[...]"),
            ({"schedule": "standard", "more": 1}, "more"),
        ],
    )
    async def test_what_is_no_schedule_is_refused(self, client: Any, ann: Any, body: Any, field: str) -> None:
        made = await client.post("/api/v1/vmtas", json=MX1, headers=ann)
        answer = await self.act(client, ann, made.json()["id"], "start", body)
        assert answer.status_code == 422, answer.text
        assert [one["field"] for one in answer.json()["errors"]] == [field]

    async def test_of_two_at_once_one_is_refused(self, client: Any, ann: Any) -> None:
        vmta_id = await make(client, ann, [10, 20])
        answers = await asyncio.gather(*(self.act(client, ann, vmta_id, "pause") for _ in range(6)))
        assert sorted(one.status_code for one in answers) == [200] + [409] * 5

    async def test_another_organizations_is_not_found(self, client: Any, ann: Any, bob: Any) -> None:
        vmta_id = await make(client, ann, [10])
        for action in ("skip", "pause", "complete"):
            assert (await self.act(client, bob, vmta_id, action)).status_code == 404
        assert (await client.get(f"/api/v1/vmtas/{vmta_id}/warmup", headers=bob)).status_code == 404

    async def test_a_vmta_that_was_never_warmed_up_says_so(self, client: Any, ann: Any) -> None:
        made = await client.post("/api/v1/vmtas", json=MX1, headers=ann)
        shown = await status(client, ann, made.json()["id"])
        assert (shown["state"], shown["today"], shown["stage"]) == ("none", None, 0)


class TestSchedules:
    async def test_one_of_its_own_is_used_by_its_name(self, client: Any, ann: Any, bob: Any) -> None:
        body = {"name": "slow", "daily_allowances": [5, 6], "provider_shares": {"gmail": 0.5}}
        made = await client.post("/api/v1/warmup/schedules", json=body, headers=ann)
        assert made.status_code == 201, made.text
        listed = (await client.get("/api/v1/warmup/schedules", headers=ann)).json()["data"]
        assert [one["name"] for one in listed] == ["conservative", "standard", "aggressive", "slow"]
        vmta = await client.post("/api/v1/vmtas", json=MX1 | {"warmup": {"schedule": "slow"}}, headers=ann)
        assert vmta.json()["warmup"]["daily_allowances"] == [5, 6]
        assert vmta.json()["warmup"]["provider_shares"] == {"gmail": 0.5}
        other = MX1 | {"ip_address": "192.0.2.99", "warmup": {"schedule": "slow"}}
        assert (await client.post("/api/v1/vmtas", json=other, headers=bob)).status_code == 422
        path = f"/api/v1/warmup/schedules/{made.json()['id']}"
        assert (await client.get(path, headers=bob)).status_code == 404
        assert (await client.delete(path, headers=ann)).status_code == 204
        assert (await status(client, ann, vmta.json()["id"]))["daily_allowances"] == [5, 6]

    async def test_of_two_who_change_it_the_second_learns(self, client: Any, ann: Any) -> None:
        body = {"name": "slow", "daily_allowances": [5, 6]}
        made = await client.post("/api/v1/warmup/schedules", json=body, headers=ann)
        path, known = f"/api/v1/warmup/schedules/{made.json()['id']}", {"If-Match": made.headers["etag"]}
        first = await client.put(path, json={"daily_allowances": [7]}, headers=ann | known)
        assert (first.status_code, first.json()["daily_allowances"]) == (200, [7])
        assert (await client.put(path, json={"name": "other"}, headers=ann | known)).status_code == 412

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"name": "standard"}, 409),
            ({"name": "taken"}, 409),
            ({"name": "No Name"}, 422),
            ({"daily_allowances": [0]}, 422),
            ({"provider_shares": {"gmial": 0.1}}, 422),
        ],
    )
    async def test_what_cannot_be_kept_is_refused(self, client: Any, ann: Any, change: Any, code: int) -> None:
        body = {"name": "taken", "daily_allowances": [5]}
        await client.post("/api/v1/warmup/schedules", json=body, headers=ann)
        answer = await client.post("/api/v1/warmup/schedules", json=body | {"name": "slow"} | change, headers=ann)
        assert answer.status_code == code, answer.text
