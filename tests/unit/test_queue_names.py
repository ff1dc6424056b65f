"""Whose a queue is, and which queues are nobody's."""

from __future__ import annotations

import pytest

from postmta_ctl.features.queues.names import tenant_queue


@pytest.mark.parametrize(
    ("name", "organization", "vmta", "campaign"),
    [
        ("acme@example.org", "acme", None, None),
        ("spring:acme@example.org", "acme", None, "spring"),
        ("spring.a_b:acme.mx-1@example.org", "acme", "mx-1", "spring.a_b"),
    ],
)
def test_a_tenants_queue(name: str, organization: str, vmta: str | None, campaign: str | None) -> None:
    queue = tenant_queue(name)
    assert queue is not None
    assert (queue.organization, queue.vmta, queue.campaign) == (organization, vmta, campaign)
    assert (queue.scope.tenant, queue.scope.domain) == (name.partition("@")[0].rpartition(":")[2], "example.org")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "@",
        "acme",
        "acme@",
        "@example.org",
        ":acme@example.org",
        "spring:@example.org",
        "postmta.log_hook",
        "null",
        "acme@EXAMPLE.org",
        "acme@example.org!relay.test",
        "Acme@example.org",
        "acme.mx1.r2@example.org",
        "unknown_tenant@example.org",
        "acme@exa mple.org",
        'acme@example.org"} 1',
        "acme@localhost",
        f"{'x' * 400}:acme@example.org",
    ],
)
def test_everything_else_is_nobodys(name: str) -> None:
    assert tenant_queue(name) is None
