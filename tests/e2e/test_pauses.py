"""A paused vMTA on a real node: its mail stops, waits, is neither bounced nor leaked, and goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.installation import FIRST_VMTA, Installation
from tests.e2e.kumod import KUMOD
from tests.serving import wait_for

pytestmark = [pytest.mark.kumod, pytest.mark.skipif(not KUMOD, reason="needs KUMOD=/path/to/kumod")]


@pytest.fixture
def mx1(installation: Installation) -> Iterator[str]:
    """The only vMTA, which sends again when the test is over."""
    (found,) = installation.service.call("GET", "/api/v1/vmtas")["data"]
    yield str(found["id"])
    if installation.service.call("GET", f"/api/v1/vmtas/{found['id']}")["state"] == "paused":
        installation.service.call("POST", f"/api/v1/vmtas/{found['id']}/resume")
        installation.publish()


def suspended(installation: Installation, mx1: str) -> list[dict[str, Any]]:
    """What the node itself holds back, by the queue status."""
    status = installation.service.call("GET", f"/api/v1/vmtas/{mx1}/queue")
    assert [one["ok"] for one in status["nodes"]] == [True]
    return [rule for site in status["sites"] for rule in site["suspended"]]


def test_a_pause_holds_at_once_and_its_end_lets_the_mail_go(installation: Installation, mx1: str) -> None:
    service, sink = installation.service, installation.sink
    service.wait_for_status(service.send("before-pause@dest.test"), "delivered")

    answer = service.call("POST", f"/api/v1/vmtas/{mx1}/pause", {"reason": "trying it out"})
    assert [one["ok"] for one in answer["nodes"]] == [True]
    assert [rule["reason"] for rule in suspended(installation, mx1)] == ["vMTA paused: trying it out"]
    # Before anything is published, what it has an attempt for finds no way out either.
    early = service.send("early@dest.test")
    service.wait_for_status(early, "deferred")
    installation.publish()
    late = [service.send(f"paused{number}@dest.test") for number in range(3)]
    for message_id in late:
        service.wait_for_status(message_id, "deferred")
    assert sink.to("early@dest.test") == []

    service.call("POST", f"/api/v1/vmtas/{mx1}/resume")
    assert suspended(installation, mx1) == []
    installation.publish()
    for message_id in (early, *late):
        kinds = [one["type"] for one in service.wait_for_status(message_id, "delivered", seconds=60)["timeline"]]
        assert "message.bounced" not in kinds
    for address in ("early@dest.test", *(f"paused{number}@dest.test" for number in range(3))):
        assert [one.source_address for one in sink.to(address)] == [FIRST_VMTA]


def test_a_pause_survives_the_node(installation: Installation, mx1: str) -> None:
    service = installation.service
    installation.kumod.kill()
    answer = service.call("POST", f"/api/v1/vmtas/{mx1}/pause", {"reason": "while it is away"})
    assert [one["ok"] for one in answer["nodes"]] == [False]
    message_id = service.send("survivor@dest.test")
    service.command("policy", "publish", status=1)
    installation.start_kumod()
    service.wait_for_status(message_id, "deferred")
    assert installation.sink.to("survivor@dest.test") == []
    service.call("POST", f"/api/v1/vmtas/{mx1}/resume")
    installation.publish()
    service.wait_for_status(message_id, "delivered", seconds=60)


def test_another_vmta_takes_over_what_the_paused_one_had(installation: Installation, mx1: str) -> None:
    service = installation.service
    other = installation.add_vmta("mx4", "127.0.0.6")
    installation.publish()
    try:
        service.call("POST", f"/api/v1/vmtas/{mx1}/pause")
        sent = [service.send(f"taken-over{number}@dest.test") for number in range(6)]
        for message_id in sent:
            service.wait_for_status(message_id, "delivered", seconds=60)
        sources = {installation.sink.wait_for(f"taken-over{number}@dest.test").source_address for number in range(6)}
        assert sources == {"127.0.0.6"}
    finally:
        service.call("DELETE", f"/api/v1/vmtas/{other}")
        service.call("POST", f"/api/v1/vmtas/{mx1}/resume")
        installation.publish()


def test_a_new_address_takes_effect_in_a_busy_queue(installation: Installation, mx1: str) -> None:
    service = installation.service
    service.wait_for_status(service.send("old-address@dest.test"), "delivered")
    for address in ("127.0.0.7", FIRST_VMTA):
        service.call("PUT", f"/api/v1/vmtas/{mx1}", {"ip_address": address})
        installation.publish()
        service.wait_for_status(service.send(f"from-{address}@dest.test"), "delivered")
        assert installation.sink.wait_for(f"from-{address}@dest.test").source_address == address


def test_a_suspension_that_somebody_lifted_comes_back(installation: Installation, mx1: str) -> None:
    service = installation.service
    service.wait_for_status(service.send("warm-queue@dest.test"), "delivered")
    service.call("POST", f"/api/v1/vmtas/{mx1}/pause")
    token = admin_token(installation)
    url = f"{installation.kumod.url}/api/admin/suspend-ready-q/v1"
    headers = {"Authorization": f"Bearer {token}"}
    rules = httpx.get(url, headers=headers, trust_env=False).json()
    assert rules
    for rule in rules:
        httpx.request("DELETE", url, json={"id": rule["id"]}, headers=headers, trust_env=False).raise_for_status()
    wait_for(lambda: suspended(installation, mx1), "the suspension again", 30)


def admin_token(installation: Installation) -> str:
    return str(json.loads((installation.kumod.policy_dir / "node.json").read_text())["admin_token"])
