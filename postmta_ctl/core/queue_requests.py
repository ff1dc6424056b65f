"""Requests to KumoMTA's admin API that act on queues (docs: reference/http/kumod).

A node ANDs the criteria of such a request, passes over those it does not know, and takes a request without any for
one about *every* queue, the log hook's own included. So requests are made here and nowhere else, from a scope that
cannot be empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

MAX_CANCELLED = 200
"""Ids in one request: each message of the matching queues is compared with all of them."""


class QueueScope(msgspec.Struct, frozen=True, kw_only=True):
    """The scheduled queues of one tenant to one domain: of one campaign, or of all.

    KumoMTA has no way to say "without a campaign".

    Raises:
        ValueError: Tenant or domain is empty.
    """

    tenant: str
    domain: str
    campaign: str | None = None

    def __post_init__(self) -> None:
        if not self.tenant or not self.domain or self.campaign == "":
            raise ValueError("a scope without a tenant and a domain would be every queue of the node")

    @property
    def criteria(self) -> dict[str, str]:
        """The fields of a request that narrow it down to this scope."""
        found = {"tenant": self.tenant, "domain": self.domain}
        return found if self.campaign is None else found | {"campaign": self.campaign}


def flush(scope: QueueScope, reason: str) -> dict[str, Any]:
    """Body of ``POST /api/admin/rebind/v1``: what waits in the scope is tried at once."""
    return scope.criteria | {"reason": reason, "data": {}, "always_flush": True}


def cancel(scope: QueueScope, recipient_ids: Sequence[str], reason: str) -> dict[str, Any]:
    """Body of ``POST /api/admin/rebind/v1``: the policy (``kumo_policy/cancel.lua``) discards these recipients.

    The others of the scope stay, and become due within a minute.

    Raises:
        ValueError: There are none, or more than ``MAX_CANCELLED``.
    """
    if not 1 <= len(recipient_ids) <= MAX_CANCELLED:
        raise ValueError(f"1 to {MAX_CANCELLED} recipients, not {len(recipient_ids)}")
    data = {"cancel_ids": ",".join(recipient_ids)}
    return scope.criteria | {"reason": reason, "data": data, "trigger_rebind_event": True}


def suspend(queue: str, reason: str, expires: datetime) -> dict[str, Any]:
    """Body of ``POST /api/admin/suspend/v1``: one scheduled queue is held until it expires.

    The same request again takes the place of the first and has another id.

    Raises:
        ValueError: The name is empty.
    """
    if not queue:
        raise ValueError("a suspension without a queue's name would hold every queue of the node")
    return {"queue_names": [queue], "reason": reason, "expires": expires.isoformat()}


def suspend_ready(queue: str, reason: str, expires: datetime) -> dict[str, Any]:
    """Body of ``POST /api/admin/suspend-ready-q/v1``: nothing leaves from one source to one site until it expires.

    What is in the ready queue goes back to its scheduled queue and leaves by the other sources of its pool, if any.

    Raises:
        ValueError: It is no name of a ready queue.
    """
    if not re.fullmatch(r"[^>]+->.+@smtp_client", queue):
        raise ValueError(f"{queue!r} is no ready queue of mail")
    return {"name": queue, "reason": reason, "expires": expires.isoformat()}


def groups(pairs: Iterable[tuple[QueueScope, str]]) -> list[tuple[QueueScope, list[str]]]:
    """Recipient ids by scope, in parts that one request can take."""
    by_scope: dict[QueueScope, list[str]] = {}
    for scope, recipient_id in pairs:
        by_scope.setdefault(scope, []).append(recipient_id)
    return [
        (scope, ids[start : start + MAX_CANCELLED])
        for scope, ids in by_scope.items()
        for start in range(0, len(ids), MAX_CANCELLED)
    ]
