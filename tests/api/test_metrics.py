"""``/metrics`` and ``/health/ready``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from httpx import ASGITransport, AsyncClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert, select, text, update

from postmta_ctl.app import create_app
from postmta_ctl.clients.kumod import KumodClient, NodeAddress
from postmta_ctl.settings import Settings
from postmta_ctl.store.tables import credit_alerts, nodes, vmtas, warmup_counts

TOKEN = {"Authorization": "Bearer metrics-token"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, metrics_token="metrics-token")


def samples(body: str) -> dict[tuple[str, tuple[str, ...]], float]:
    families = text_string_to_metric_families(body)
    return {(one.name, tuple(one.labels.values())): one.value for family in families for one in family.samples}


async def scrape(client: Any) -> dict[tuple[str, tuple[str, ...]], float]:
    answer = await client.get("/metrics", headers=TOKEN)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert answer.headers["content-type"].count("charset=utf-8") == 1
    return samples(answer.text)


async def test_requests_are_counted_by_route_and_status(client: Any, ann: Any) -> None:
    for _ in range(3):
        await client.get("/api/v1/users/0193aaaa-0000-7000-8000-000000000000", headers=ann)
    await client.get("/nowhere/at/all")
    found = await scrape(client)
    route = "/api/v1/users/{user_id}"
    assert found["postmta_http_requests_total", ("GET", route, "404")] == 3
    assert found["postmta_http_requests_total", ("GET", "unknown", "404")] == 1
    assert found["postmta_http_request_seconds_count", ("GET", route)] == 3


async def test_what_waits_for_the_relay_is_seen(client: Any, acme: Any, clock: Any) -> None:
    body = {"from": "a@acme.test", "to": ["b@example.com", "c@example.com"], "subject": "Hi", "text": "Hi"}
    assert (await client.post("/api/v1/messages/send", json=body, headers=acme)).status_code == 202
    clock.advance(seconds=30)
    found = await scrape(client)
    assert found["postmta_accepted_recipients_total", ()] == 2
    assert found["postmta_outbox_recipients", ()] == found["postmta_outbox_due_recipients", ()] == 2
    assert found["postmta_relay_lag_seconds", ()] == 30


async def test_nodes_and_releases_are_seen(client: Any, ann: Any, tmp_path: Any) -> None:
    node = {"name": "n1", "admin_url": "http://127.0.0.1:1", "policy_dir": str(tmp_path / "node")}
    await client.post("/api/v1/nodes", json=node, headers=ann)
    await client.post("/api/v1/policy/publish", headers=ann)
    found = await scrape(client)
    assert (found["postmta_node_up", ("n1",)], found["postmta_node_release", ("n1",)]) == (0, 0)
    assert (found["postmta_release", ()], found["postmta_policy_pending_changes", ()]) == (1, 0)


async def test_the_warm_up_shows_what_is_used_of_its_allowance(client: Any, ann: Any, db: Any, clock: Any) -> None:
    vmta = {"name": "mx1", "ip_address": "192.0.2.10", "ehlo_domain": "mx1.acme.test"}
    await client.post("/api/v1/vmtas", json=vmta | {"warmup": {"daily_allowances": [50, 100]}}, headers=ann)
    async with db.transaction() as connection:
        vmta_id = await connection.scalar(select(vmtas.c.id))
        counts = {"delivered": 6, "deferred": 100, "bounced": 1, "complained": 0, "attempts": 107}
        for node in ("n1", "n2"):
            key = {"vmta_id": vmta_id, "day": clock().date(), "provider": "gmail", "node": node}
            await connection.execute(insert(warmup_counts).values(**key, **counts))
    found = await scrape(client)
    assert found["postmta_warmup_allowance", ("acme", "mx1")] == 50
    assert found["postmta_warmup_used", ("acme", "mx1")] == 12
    assert found["postmta_warmup_stage", ("acme", "mx1")] == 1


async def test_the_same_comes_as_json(client: Any, ann: Any) -> None:
    for path, accept in (("/metrics?format=json", "*/*"), ("/metrics", "application/json")):
        answer = await client.get(path, headers=TOKEN | {"Accept": accept})
        family = answer.json()["postmta_outbox_recipients"]
        assert family["type"] == "gauge"
        assert family["samples"] == [{"name": "postmta_outbox_recipients", "labels": {}, "value": 0.0}]
    assert (await client.get("/metrics?format=xml", headers=TOKEN)).status_code in (400, 422)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer other"}, {"Authorization": "metrics-token"}])
async def test_with_a_token_only_who_has_it_reads(client: Any, headers: dict[str, str]) -> None:
    assert (await client.get("/metrics", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    ("peer", "forwarded", "status"),
    [
        ("127.0.0.1", None, 200),
        ("::1", None, 200),
        ("192.0.2.1", None, 403),
        ("127.0.0.1", "192.0.2.1", 403),
        ("127.0.0.1", "127.0.0.1", 403),
        ("10.0.0.1", "127.0.0.1", 200),
        ("10.0.0.1", "192.0.2.1", 403),
    ],
)
async def test_without_a_token_only_this_host_reads(
    settings: Settings, system: Any, peer: str, forwarded: str | None, status: int
) -> None:
    settings = msgspec.structs.replace(settings, metrics_token="", trusted_proxies="10.0.0.1")
    object.__setattr__(system, "settings", settings)
    transport = ASGITransport(create_app(settings, system=system, jobs=False), client=(peer, 1))
    async with AsyncClient(transport=transport, base_url="http://postmta.test") as client:
        headers = {"X-Forwarded-For": forwarded} if forwarded else {}
        assert (await client.get("/metrics", headers=headers)).status_code == status


async def test_a_service_with_its_schema_is_ready(client: Any) -> None:
    answer = await client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["parts"] == {
        "database": {"status": "ok"},
        "schema": {"status": "ok"},
        "policy": {"status": "ok"},
    }


async def test_a_node_that_answers_with_an_old_release_is_named(
    client: Any, ann: Any, db: Any, clock: Any, tmp_path: Any
) -> None:
    node = {"name": "n1", "admin_url": "http://127.0.0.1:1", "policy_dir": str(tmp_path / "node")}
    await client.post("/api/v1/nodes", json=node, headers=ann)
    await client.post("/api/v1/policy/publish", headers=ann)

    async def told(release: int | None) -> tuple[Any, Any]:
        async with db.transaction() as connection:
            seen = {"last_seen_at": clock(), "last_error": None, "running_release": release}
            await connection.execute(update(nodes).values(seen))
        health, ready = (await client.get("/health")), (await client.get("/health/ready"))
        assert (health.status_code, ready.status_code) == (200, 200)
        return health.json()["parts"]["node:n1"], ready.json()["parts"]["policy"]

    assert await told(1) == ({"status": "ok"}, {"status": "ok"})
    behind, policy = await told(7)
    assert behind == {"status": "degraded", "detail": "runs release 7, the newest is 1"}
    assert policy == {"status": "degraded", "detail": "n1 runs release 7, the newest is 1"}
    assert (await told(None))[1]["detail"] == "n1 is not known to run a release, the newest is 1"


async def test_organizations_with_few_credits_are_counted_not_named(client: Any, ann: Any, bob: Any, db: Any) -> None:
    for headers in (ann, bob):
        for threshold in (5, 9):
            body = {"type": "av_scan", "threshold": threshold}
            await client.post("/api/v1/credits/alerts", json=body, headers=headers)
    async with db.transaction() as connection:
        await connection.execute(update(credit_alerts).values(fired_at=credit_alerts.c.created_at))
    found = await scrape(client)
    assert found["postmta_credits_low_organizations", ("av_scan",)] == 2
    assert found["postmta_credits_low_organizations", ("email",)] == 0


async def test_everything_that_operators_watch_is_there_in_both_forms(
    client: Any, ann: Any, system: Any, db: Any, tmp_path: Any, clock: Any
) -> None:
    node = {"name": "n1", "admin_url": "http://127.0.0.1:1", "policy_dir": str(tmp_path / "node")}
    await client.post("/api/v1/nodes", json=node, headers=ann)
    async with db.transaction() as connection:
        await connection.execute(update(nodes).values(online_since=clock()))
    object.__setattr__(system, "kumod", QueuesOfANode())
    system.metrics.relay_turn(injected=1, refused=0, later=0)
    system.metrics.batch("n1", added=1, duplicates=0, unreadable=0, oldest=clock(), now=clock())
    wanted = {
        "requests": "postmta_http_requests",
        "sending": "postmta_accepted_recipients",
        "relaying": "postmta_relayed_recipients",
        "its lag": "postmta_relay_lag_seconds",
        "ingestion": "postmta_ingested_records",
        "lag of that": "postmta_ingest_lag_seconds",
        "depth here": "postmta_outbox_recipients",
        "depth of the nodes": "postmta_node_messages",
        "nodes": "postmta_node_up",
        "their release": "postmta_node_release",
        "warm-up": "postmta_warmup_allowance",
        "credits": "postmta_credits_low_organizations",
        "webhooks": "postmta_webhook_backlog",
        "their lag": "postmta_webhook_lag_seconds",
    }
    text = (await client.get("/metrics", headers=TOKEN)).text
    families = {one.name for one in text_string_to_metric_families(text)}
    json = (await client.get("/metrics?format=json", headers=TOKEN)).json()
    assert {what: name for what, name in wanted.items() if name not in families or name not in json} == {}
    depth = {one["labels"]["queue"]: one["value"] for one in json["postmta_node_messages"]["samples"]}
    assert depth == {"scheduled": 7, "ready": 2}
    assert json["postmta_node_messages"]["samples"][0]["labels"]["node"] == "n1"


class QueuesOfANode(KumodClient):
    """Answers for every node with the same metrics."""

    async def metric_lines(self, node: NodeAddress) -> AsyncIterator[str]:
        yield 'scheduled_count{queue="acme@example.com"} 4'
        yield 'scheduled_count{queue="acme@example.org"} 3'
        yield 'ready_count{service="smtp_client:acme.mx1.r1->mx.example.com@smtp_client"} 2'


async def test_a_service_over_another_schema_is_not_ready(client: Any, db: Any) -> None:
    async with db.transaction() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = 'future'"))
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["parts"]["schema"]["status"]) == (503, "down")
    assert "future" in answer.json()["parts"]["schema"]["detail"]
