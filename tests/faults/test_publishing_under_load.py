"""A node that is left running through fifty publications while mail is sent: no injection fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.serving import Service, wait_for
from tests.under_load import PUBLICATIONS, publish_under_load, wait_until_injected

ENVIRONMENT = {"POSTMTA_AUTO_PUBLISH": "false", "POSTMTA_LOG_LEVEL": "warning"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with closing(Service(tmp_path, ENVIRONMENT)) as service:
        service.start()
        service.register()
        service.verified_domain("sender.test")
        yield service


def test_no_injection_fails_while_the_policy_is_published_fifty_times(service: Service) -> None:
    vmta = {"name": "mx1", "ip_address": "192.0.2.1", "ehlo_domain": "mx.sender.test"}
    made = service.call("POST", "/api/v1/vmtas", vmta)
    process = wait_for(lambda: online_since(service), "the node being seen")
    load = publish_under_load(service, made["id"], pause=0.25)
    counts = wait_until_injected(service, load)
    print(f"{PUBLICATIONS} publications, {len(load.sent)} messages, injections: {counts}")
    assert counts == {"injected": len(load.sent), "refused": 0, "later": 0}
    assert online_since(service) == process, "the node was restarted"
    for message_id in (load.sent[0], load.sent[len(load.sent) // 2], load.sent[-1]):
        service.wait_for_status(message_id, "delivered")


def online_since(service: Service) -> str | None:
    (node,) = service.call("GET", "/api/v1/nodes")["data"]
    return node["online_since"] if node["running_release"] else None
