"""What a block is about: never more than its scope, never another organization's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from postmta_ctl.features.queues.names import tenant_queue
from postmta_ctl.features.security.auto_block.block_queries import Stop
from postmta_ctl.features.security.auto_block.coverage import covers_queue, covers_recipient


def stop(scope: str, value: str, recipient_domains: tuple[str, ...] = ()) -> Stop:
    return Stop(
        id="b",
        organization_id="o",
        organization="acme",
        rule_name="r",
        scope=scope,
        value=value,
        action="hold",
        recipient_domains=list(recipient_domains),
        window_start=datetime(2026, 11, 22, tzinfo=UTC),
    )


ORGANIZATION, DOMAIN, VMTA = stop("organization", "acme"), stop("domain", "acme.test"), stop("vmta", "mx1")
GMAIL = stop("provider", "gmail", ("hosted.test",))


@pytest.mark.parametrize(
    ("block", "queues"),
    [
        (ORGANIZATION, ["acme@gmail.com", "acme.mx1@example.org", "spring:acme.mx2@hosted.test"]),
        (DOMAIN, []),
        (VMTA, ["acme.mx1@example.org"]),
        (GMAIL, ["acme@gmail.com", "spring:acme.mx2@hosted.test"]),
    ],
)
def test_queues(block: Stop, queues: list[str]) -> None:
    names = ["acme@gmail.com", "acme.mx1@example.org", "spring:acme.mx2@hosted.test"]
    others = ["acm@gmail.com", "acme2@gmail.com", "bolt.acme@gmail.com", "acme:bolt@gmail.com", "bolt.mx1@hosted.test"]
    found = [queue for name in names + others if (queue := tenant_queue(name)) is not None]
    assert len(found) == len(names) + len(others)
    assert [queue.name for queue in found if covers_queue(block, queue)] == queues


MAIL: dict[str, Any] = {"organization_id": "o", "domain": "acme.test", "address": "a@gmail.com", "vmta": "mx1"}


@pytest.mark.parametrize("block", [ORGANIZATION, DOMAIN, VMTA, GMAIL])
def test_recipients(block: Stop) -> None:
    assert covers_recipient(block, **MAIL)
    assert not covers_recipient(block, **MAIL | {"organization_id": "p"})
    other = {"domain": "other.test", "address": "a@example.org", "vmta": None}
    assert covers_recipient(block, **MAIL | other) == (block is ORGANIZATION)


def test_a_domain_that_events_showed_at_the_provider_is_covered() -> None:
    assert covers_recipient(GMAIL, **MAIL | {"address": "a@HOSTED.test"})
