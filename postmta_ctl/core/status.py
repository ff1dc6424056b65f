"""The status of a recipient and of a message.

Log records come in any order, more than once, and from several nodes. So a status is never set, it is raised: the
statuses are in one order, and the highest that any event gave stands. Taking the maximum gives the same result
whatever the order and however often.

::

    queued < injected < accepted < deferred < suppressed < cancelled < delivered < bounced
    (not yet sent) (node has it)            └────────────── terminal ──────────────┘

Delivered stands above cancelled: the cancellation came too late. Bounced stands above delivered: a server that
took a message may still report that it could not deliver it (RFC 3464).
A complaint (RFC 5965) is no status but a mark beside it.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

ORDER = ("queued", "injected", "accepted", "deferred", "suppressed", "cancelled", "delivered", "bounced")
TERMINAL = frozenset({"suppressed", "cancelled", "delivered", "bounced"})
PARTIAL = "partial"
"""Of a message: all is over, and some of its recipients have it."""

_RANK = {status: rank for rank, status in enumerate(ORDER)}
_STATUS = {f"message.{status}": status for status in ORDER}
_BEGINNING = -(2**63)


class RecipientState(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """How far the message to one recipient has come, and the reply that brought it there."""

    status: str = "queued"
    at: int = _BEGINNING
    """When the event happened that gave the status, in microseconds since the epoch; the latest, if several gave the
    same."""
    code: int | None = None
    reply: str | None = None
    bounce_class: str | None = None
    complained: bool = False


class RecipientEvent(msgspec.Struct, frozen=True, gc=False):
    """Something that happened to the message to one recipient; ``type`` as ``core.log_events.event_type`` names it, and
    ``at`` as that of a state."""

    type: str
    at: int
    code: int | None = None
    reply: str | None = None
    bounce_class: str | None = None


def advance(current: RecipientState, event: RecipientEvent) -> RecipientState:
    """The state after an event. Events that say nothing of a recipient's fate leave it as it is.

    For any set of events the result is the same in every order and with any repeats.
    """
    if event.type == "message.complained":
        return msgspec.structs.replace(current, complained=True)
    status = _STATUS.get(event.type)
    if status is None or (higher := _RANK[status] - _RANK[current.status]) < 0:
        return current
    bounce_class = event.bounce_class if status == "bounced" else None
    reached = RecipientState(status, event.at, event.code, event.reply, bounce_class, current.complained)
    return reached if higher else max(current, reached, key=_standing)


def summarise(statuses: Collection[str]) -> str:
    """The status of a message from those of its recipients.

    While any recipient is open, that of the one who has come least far; then the one they share, or ``partial`` if
    some have the message and others never will, or the highest of what kept it from all of them.
    """
    still_open = [status for status in statuses if status not in TERMINAL]
    if still_open:
        return min(still_open, key=_RANK.__getitem__)
    reached = set(statuses)
    if "delivered" in reached and len(reached) > 1:
        return PARTIAL
    return max(reached, key=_RANK.__getitem__)


def _standing(state: RecipientState) -> tuple[int, int, str, int, str]:
    """What states are compared by: all that an event brings, so that equal events in any order give one result."""
    return _RANK[state.status], state.at, state.bounce_class or "", state.code or 0, state.reply or ""
