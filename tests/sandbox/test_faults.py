"""Faults on order: each does what it says, for as many calls as it was ordered for."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from postmta_ctl.sandbox.faults import MEANINGS
from tests.sandbox.fleet import injection
from tests.sandbox.process import SandboxProcess


@pytest.fixture
def node(shared: SandboxProcess) -> Iterator[SandboxProcess]:
    yield shared
    shared.http.request("DELETE", "/sandbox/faults")


def scheduled(node: SandboxProcess, domain: str) -> int:
    answer = node.http.get("/api/admin/inspect-sched-q/v1", params={"queue_name": f"bolt@{domain}"})
    return int(answer.json()["num_scheduled"]) if answer.status_code == 200 else 0


def call(node: SandboxProcess, domain: str, count: int = 4) -> httpx.Response:
    recipients = [f"defer{number}@{domain}" for number in range(count)]
    return node.http.post("/api/inject/v1", json=injection(*recipients, tenant="bolt"), timeout=1)


@pytest.mark.parametrize(("mode", "status"), [("unavailable", 503), ("refuse", 401)])
def test_refusals_accept_nothing_and_end_after_their_count(node: SandboxProcess, mode: str, status: int) -> None:
    node.post("/sandbox/faults", mode=mode, count=2)
    domain = f"{mode}.org"
    assert [call(node, domain).status_code for _ in range(2)] == [status, status]
    assert scheduled(node, domain) == 0
    assert call(node, domain).json()["success_count"] == 4


def test_a_hanging_node_answers_nobody_until_it_is_given_up(node: SandboxProcess) -> None:
    node.post("/sandbox/faults", mode="hang")
    with pytest.raises(httpx.ReadTimeout):
        call(node, "hang.org")
    assert scheduled(node, "hang.org") == 0
    assert call(node, "hang.org").status_code == 200


@pytest.mark.parametrize(("mode", "accepted"), [("reset_before", 0), ("reset_after", 4), ("partial", 2)])
def test_a_connection_is_cut_after_what_was_accepted(node: SandboxProcess, mode: str, accepted: int) -> None:
    node.post("/sandbox/faults", mode=mode)
    domain = f"fault-{mode.replace('_', '-')}.org"
    with pytest.raises(httpx.TransportError):
        call(node, domain)
    assert scheduled(node, domain) == accepted


def test_an_internal_failure_looks_like_kumomtas(node: SandboxProcess) -> None:
    node.post("/sandbox/faults", mode="internal")
    answer = call(node, "internal.org").json()
    assert (answer["success_count"], answer["fail_count"]) == (0, 4)
    assert (
        "KumoMTA internal: QueueManager::insert failed during reception: resolving egress pool" in answer["errors"][0]
    )
    assert scheduled(node, "internal.org") == 0


def test_garbage_is_no_json(node: SandboxProcess) -> None:
    node.post("/sandbox/faults", mode="garbage")
    answer = call(node, "garbage.org")
    assert answer.status_code == 200
    with pytest.raises(ValueError, match="Expecting value"):
        answer.json()
    assert scheduled(node, "garbage.org") == 4


def test_orders_can_be_seen_and_taken_back(node: SandboxProcess) -> None:
    node.post("/sandbox/faults", mode="unavailable", count=3)
    shown = node.get("/sandbox/faults")
    assert shown["ordered"] == [{"mode": "unavailable", "count": 3}]
    assert shown["modes"] == MEANINGS
    assert node.http.post("/sandbox/faults", json={"mode": "explode"}).status_code == 422
    assert node.http.request("DELETE", "/sandbox/faults").json()["ordered"] == []
    assert call(node, "clear.org").status_code == 200


def test_holds_are_forgotten_as_by_a_restart(node: SandboxProcess) -> None:
    before = node.get("/api/machine-info")["online_since"]
    node.post("/api/admin/suspend/v1", domain="forgotten.org", reason="held")
    node.post("/sandbox/forget-holds")
    assert node.get("/api/admin/suspend/v1") == []
    assert node.get("/api/machine-info")["online_since"] > before
