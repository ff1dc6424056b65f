"""No request leaves without a criterion: a node would take it for one about every queue."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from postmta_ctl.core.queue_requests import MAX_CANCELLED, QueueScope, cancel, flush, groups, suspend, suspend_ready

SCOPE = QueueScope(tenant="acme", domain="example.org")
SPRING = QueueScope(tenant="acme", domain="example.org", campaign="spring")
SUSPEND_FIELDS = {"queue_names", "reason", "expires"}
REBIND_FIELDS = {"campaign", "tenant", "domain", "reason", "data", "trigger_rebind_event", "always_flush"}


@pytest.mark.parametrize(
    ("tenant", "domain", "campaign"),
    [("", "example.org", None), ("acme", "", None), ("", "", None), ("acme", "example.org", ""), ("", "", "spring")],
)
def test_there_is_no_scope_of_everything(tenant: str, domain: str, campaign: str | None) -> None:
    with pytest.raises(ValueError, match="every queue"):
        QueueScope(tenant=tenant, domain=domain, campaign=campaign)


@pytest.mark.parametrize("scope", [SCOPE, SPRING])
def test_every_rebind_names_tenant_and_domain(scope: QueueScope) -> None:
    for request in (flush(scope, "x"), cancel(scope, ["a"], "x")):
        assert (request["tenant"], request["domain"]) == ("acme", "example.org")
        assert request.get("campaign") == scope.campaign
        assert set(request) <= REBIND_FIELDS, "a node passes over a field it does not know"


def test_a_suspension_names_its_queue() -> None:
    request = suspend("acme@example.org", "x", datetime(2026, 11, 22, tzinfo=UTC))
    assert request["queue_names"] == ["acme@example.org"]
    assert set(request) == SUSPEND_FIELDS
    with pytest.raises(ValueError, match="every queue"):
        suspend("", "x", datetime(2026, 11, 22, tzinfo=UTC))


def test_a_suspension_of_a_ready_queue_names_source_and_site() -> None:
    name = "acme.mx1.r2->(mx1|mx2).mail.example@smtp_client"
    assert suspend_ready(name, "x", datetime(2026, 11, 22, tzinfo=UTC))["name"] == name


@pytest.mark.parametrize("name", ["", "->", "acme.mx1.r2", "acme.mx1.r2->mx", "unspecified->x@lua:make.postmta"])
def test_what_is_no_ready_queue_of_mail_is_not_suspended(name: str) -> None:
    with pytest.raises(ValueError, match="no ready queue"):
        suspend_ready(name, "x", datetime(2026, 11, 22, tzinfo=UTC))


@pytest.mark.parametrize("count", [0, MAX_CANCELLED + 1])
def test_a_cancellation_names_whom(count: int) -> None:
    with pytest.raises(ValueError, match="recipients"):
        cancel(SCOPE, ["a"] * count, "x")


def test_recipients_are_grouped_by_scope_in_parts_that_fit() -> None:
    pairs = [(SCOPE if number % 3 else SPRING, str(number)) for number in range(700)]
    found = groups(pairs)
    assert all(1 <= len(ids) <= MAX_CANCELLED for _, ids in found)
    assert sorted(itertools.chain(*(ids for _, ids in found)), key=int) == [str(number) for number in range(700)]
    assert all(all(int(one) % 3 == (0 if scope == SPRING else int(one) % 3) for one in ids) for scope, ids in found)
