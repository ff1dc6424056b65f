"""``/metrics`` and ``/health/ready``."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from httpx import ASGITransport, AsyncClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert, select, text

from postmta_ctl.app import create_app
from postmta_ctl.settings import Settings
from postmta_ctl.store.tables import vmtas, warmup_counts

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
    assert answer.json()["parts"] == {"database": {"status": "ok"}, "schema": {"status": "ok"}}


async def test_a_service_over_another_schema_is_not_ready(client: Any, db: Any) -> None:
    async with db.transaction() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = 'future'"))
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["parts"]["schema"]["status"]) == (503, "down")
    assert "future" in answer.json()["parts"]["schema"]["detail"]
