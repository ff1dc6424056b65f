"""Greylisting: its configuration, and the figures of both sides, from records as nodes write them."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from postmta_ctl.core.greylisting import outcome_of
from postmta_ctl.core.kumo_log import decode
from postmta_ctl.settings import PolicySettings, Settings
from tests.api.test_ingest import HEADERS, add_messages, add_node, hook_lines, injected

CONFIG = "/api/v1/security/greylisting/config"
STATS = "/api/v1/security/greylisting/stats"
PLAN = "/api/v1/policy/plan"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    policy = PolicySettings(relay_domains={"corp.example": ("[192.0.2.9]:25",)})
    return structs.replace(settings, policy=policy)


async def put(client: Any, auth: Any, **body: Any) -> Any:
    answer = await client.put(CONFIG, json=body, headers=auth)
    assert answer.status_code == 200, answer.text
    return answer.json()


class TestTheConfiguration:
    async def test_it_is_off_until_switched_on(self, client: Any, ann: Any) -> None:
        shown = (await client.get(CONFIG, headers=ann)).json()
        assert (shown["enabled"], shown["delay_seconds"], shown["relay_domains"]) == (False, 300, ["corp.example"])
        assert (shown["updated_at"], shown["updated_by"]) == (None, None)

    async def test_what_is_absent_stays_as_it_is(self, client: Any, ann: Any) -> None:
        await put(client, ann, enabled=True, delay_seconds=60, allowed_sender_domains=["Good.Example", "good.example"])
        shown = await put(client, ann, allowed_networks=["198.51.100.7", "2001:db8::/32"])
        assert (shown["enabled"], shown["delay_seconds"]) == (True, 60)
        assert shown["allowed_sender_domains"] == ["good.example"]
        assert shown["allowed_networks"] == ["198.51.100.7/32", "2001:db8::/32"]
        assert shown["updated_by"] == "ann@acme.test"
        assert (await client.get(CONFIG, headers=ann)).json() == shown

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"delay_seconds": 0}, "delay_seconds"),
            ({"delay_seconds": "soon"}, "delay_seconds"),
            ({"window_seconds": 10**12}, "window_seconds"),
            ({"delay_seconds": 600, "window_seconds": 600}, "window_seconds"),
            ({"allow_after_passes": -1}, "allow_after_passes"),
            ({"allowed_networks": ["10.0.0.1/8"]}, "allowed_networks[0]"),
            ({"allowed_networks": ["10.0.0.0/8", 'x"]] os.execute()']}, "allowed_networks[1]"),
            ({"allowed_networks": ["fe80::%eth0/64"]}, "allowed_networks[0]"),
            ({"allowed_sender_domains": ["two\nlines"]}, "allowed_sender_domains[0]"),
            ({"colour": "red"}, "colour"),
            ({"enabled": None}, "enabled"),
        ],
    )
    async def test_what_makes_no_sense_is_refused(self, client: Any, ann: Any, body: Any, field: str) -> None:
        answer = await client.put(CONFIG, json=body, headers=ann)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), answer.text

    async def test_only_operators_change_it(self, client: Any, bob: Any) -> None:
        assert (await client.put(CONFIG, json={"enabled": True}, headers=bob)).status_code == 403
        assert (await client.get(CONFIG, headers=bob)).status_code == 200

    async def test_of_two_editors_the_second_learns_of_the_first(self, client: Any, ann: Any) -> None:
        tag = (await client.get(CONFIG, headers=ann)).headers["ETag"]
        bodies = [{"delay_seconds": 60 + number} for number in range(4)]
        answers = await asyncio.gather(
            *(client.put(CONFIG, json=one, headers=ann | {"If-Match": tag}) for one in bodies)
        )
        assert sorted(one.status_code for one in answers) == [200, 412, 412, 412]

    async def test_it_goes_into_the_policy_and_the_audit_log(self, client: Any, ann: Any) -> None:
        await client.post("/api/v1/policy/publish", headers=ann)
        assert (await client.get(PLAN, headers=ann)).json()["change_class"]["kind"] == "nothing"
        await put(client, ann, enabled=True, delay_seconds=77)
        plan = (await client.get(PLAN, headers=ann)).json()
        assert plan["change_class"]["kind"] == "live", plan
        assert "+  delay = 77," in plan["diff"]
        assert not [proof for proof in plan["proofs"] if proof["ok"] is False]
        entries = (await client.get("/api/v1/audit", headers=ann)).json()["data"]
        changed = next(one for one in entries if one["action"] == "greylisting.updated")
        assert (changed["before"]["delay_seconds"], changed["after"]["delay_seconds"]) == (300, 77)


def rejection(at: datetime, text: str, recipient: str = "ann@corp.example", **fields: Any) -> bytes:
    record = {
        "type": "Rejection",
        "id": "",
        "sender": "bob@example.org",
        "recipient": recipient,
        "response": {"code": 451, "enhanced_code": {"class": 4, "subject": 7, "detail": 1}, "content": text},
        "event_time": at.isoformat(),
        "session_id": "s",
        "nodeid": "n",
    }
    return json.dumps(record | fields).encode()


def reception(at: datetime, outcome: Any, spool_id: str) -> bytes:
    record = {
        "type": "Reception",
        "id": spool_id,
        "sender": "bob@example.org",
        "recipient": "ann@corp.example",
        "queue": "corp.example",
        "response": {"code": 250, "content": ""},
        "event_time": at.isoformat(),
        "nodeid": "n",
        "meta": {"x_greylist": outcome},
    }
    return json.dumps(record).encode()


async def post(client: Any, lines: list[bytes]) -> None:
    answer = await client.post("/ingest/v1/logs", content=b"\n".join(lines), headers=HEADERS)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("kind", "content", "meta", "outcome"),
    [
        ("Rejection", "Greylisted, try again in 5 seconds", {}, "new"),
        ("Rejection", "4.7.1 Greylisted still, try again in 5 seconds", {}, "early"),
        ("Rejection", "Greylisted by somebody", {}, None),
        ("Bounce", "Greylisted, try again in 5 seconds", {}, None),
        ("Reception", "", {"x_greylist": "passed"}, "passed"),
        ("Reception", "", {"x_greylist": "new"}, None),
        ("Reception", "", {"x_greylist": ["passed"]}, None),
        ("Reception", "", {}, None),
    ],
)
def test_what_a_record_tells(kind: str, content: str, meta: Any, outcome: str | None) -> None:
    line = {"type": kind, "timestamp": 1, "response": {"code": 451, "content": content}, "meta": meta}
    [record] = decode(json.dumps(line).encode()).records
    assert outcome_of(record) == outcome


class TestWhatComesIn:
    async def test_nothing_is_zero_and_not_made_up(self, client: Any, ann: Any) -> None:
        shown = (await client.get(STATS, headers=ann)).json()
        assert set(shown["inbound"].values()) == {0}
        assert len(shown["inbound_by_day"]) == 8, "seven days of hours, the present one being the last"
        assert shown["outbound"] == {
            "deferrals": 0,
            "recipients": 0,
            "delivered": 0,
            "median_wait_seconds": None,
            "by_provider": [],
            "by_domain": [],
        }

    async def test_records_are_counted_once_by_day(self, client: Any, ann: Any, db: Any, clock: Any) -> None:
        await add_node(db)
        now, yesterday = clock.moment, clock.moment - timedelta(days=1)
        lines = [
            rejection(yesterday, "Greylisted, try again in 300 seconds"),
            rejection(now, "Greylisted, try again in 300 seconds", "ben@corp.example"),
            rejection(now, "Greylisted still, try again in 100 seconds", "ben@corp.example"),
            rejection(now, "relaying denied", "eve@corp.example"),
            reception(now, "passed", "a" * 32),
            reception(now, "known", "b" * 32),
            reception(now, "allowed", "c" * 32),
            reception(now, "nonsense", "d" * 32),
        ]
        await post(client, lines)
        await post(client, lines)
        clock.advance(minutes=1)
        shown = (await client.get(STATS, headers=ann)).json()
        assert shown["inbound"] == {
            "greylisted_new": 2,
            "greylisted_early": 1,
            "passed": 1,
            "known": 1,
            "allowed": 1,
            "unavailable": 0,
        }
        days = {one["day"]: (one["greylisted_new"], one["passed"]) for one in shown["inbound_by_day"]}
        assert (days[yesterday.date().isoformat()], days[now.date().isoformat()]) == ((1, 0), (1, 1))
        today = (await client.get(f"{STATS}?from={now:%Y-%m-%d}T00:00:00Z", headers=ann)).json()
        assert (today["inbound"]["greylisted_new"], len(today["inbound_by_day"])) == (1, 1)

    async def test_it_is_for_operators(self, client: Any, bob: Any) -> None:
        shown = (await client.get(STATS, headers=bob)).json()
        assert (shown["inbound"], shown["inbound_by_day"]) == (None, None)

    @pytest.mark.parametrize("query", ["period=1y", "from=yesterday", "period=7d&from=2026-11-01T00:00:00Z"])
    async def test_periods_are_checked(self, client: Any, ann: Any, query: str) -> None:
        assert (await client.get(f"{STATS}?{query}", headers=ann)).status_code in (400, 422)


class TestHowReceiversPutOffOurs:
    async def test_of_a_real_stream(self, client: Any, ann: Any, db: Any) -> None:
        people = injected()
        mine = {one["rid"] for one in people if one["tenant"] == "acme"}
        grey = {one["rid"] for one in people if one["fate"] == "grey"}
        await add_node(db)
        await add_messages(db, [one for one in people if one["tenant"] != "acme"])
        await post(client, hook_lines())
        shown = (await client.get(f"{STATS}?period=24h", headers=ann)).json()["outbound"]
        expected = len(mine & grey)
        assert (shown["recipients"], shown["delivered"]) == (expected, expected)
        assert expected > 0
        assert shown["deferrals"] >= expected
        assert 0 < shown["median_wait_seconds"] < 60
        assert sum(one["recipients"] for one in shown["by_domain"]) == expected
        assert sum(one["deferrals"] for one in shown["by_provider"]) == shown["deferrals"]

    async def test_the_median_and_what_is_not_delivered(self, client: Any, ann: Any, db: Any, clock: Any) -> None:
        await add_node(db)
        start = clock.moment - timedelta(hours=3)
        lines = []
        for number, wait in enumerate([30, 600, 90, None]):
            lines.append(self.attempt("TransientFailure", number, start, 451, "Greylisted, come back later"))
            lines.append(
                self.attempt("TransientFailure", number, start + timedelta(seconds=9), 451, "still greylisted")
            )
            if wait is not None:
                lines.append(self.attempt("Delivery", number, start + timedelta(seconds=wait), 250, "OK"))
        lines.append(self.attempt("TransientFailure", 9, start, 421, "too many connections"))
        await post(client, lines)
        shown = (await client.get(STATS, headers=ann)).json()["outbound"]
        assert (shown["deferrals"], shown["recipients"], shown["delivered"]) == (8, 4, 3)
        assert shown["median_wait_seconds"] == 90
        [domain] = shown["by_domain"]
        assert (domain["name"], domain["deferrals"], domain["median_wait_seconds"]) == ("dest.test", 8, 90)

    async def test_others_see_none_of_it(self, client: Any, ann: Any, bob: Any, db: Any, clock: Any) -> None:
        await add_node(db)
        await post(client, [self.attempt("TransientFailure", 1, clock.moment, 451, "Greylisted")])
        assert (await client.get(STATS, headers=ann)).json()["outbound"]["recipients"] == 1
        assert (await client.get(STATS, headers=bob)).json()["outbound"]["recipients"] == 0

    def attempt(self, kind: str, number: int, at: datetime, code: int, text: str) -> bytes:
        record = {
            "type": kind,
            "id": f"{number:032x}",
            "sender": "a@acme.test",
            "recipient": f"r{number}@Dest.Test",
            "queue": "acme@dest.test",
            "response": {"code": code, "content": text},
            "event_time": at.isoformat(),
            "nodeid": "n",
            "egress_source": "acme.mx1.r1",
            "meta": {"tenant": "acme", "x_rid": f"rid-{number}"},
        }
        return json.dumps(record).encode()
