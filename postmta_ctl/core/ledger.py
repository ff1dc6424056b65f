"""Credits: what each entry of the ledger does to a balance, and when a recipient's reservation ends.

A balance has two parts: ``available``, what can be spent, and ``reserved``, what is held for mail under way. Every
entry carries the change of both, so the sums over the ledger always equal the balance::

    entry     available   reserved
    grant        +n                  a plan's allowance, a package, an operator's gift
    reserve      -n          +n      a message was accepted
    settle                   -n      its recipient ended with the receiver
    refund       +n          -n      it never got there
    consume      -n                  a check was made
    adjust       ±n                  a correction, such as the end of an unused allowance

Under a plan that is not metered, entries have a quantity and change nothing.
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

CreditType = Literal["email", "spam_check", "av_scan", "dnsbl_check"]
"""``email`` is one recipient of one message; the others are one check each."""
CREDIT_TYPES: tuple[CreditType, ...] = get_args(CreditType)
Entry = Literal["grant", "reserve", "settle", "refund", "consume", "adjust"]
CreditState = Literal["reserved", "settled", "refunded"]

_UNDELIVERABLE_HERE = frozenset({"suppressed", "cancelled"})
_EFFECTS: dict[Entry, tuple[int, int]] = {
    "grant": (1, 0),
    "reserve": (-1, 1),
    "settle": (0, -1),
    "refund": (1, -1),
    "consume": (-1, 0),
    "adjust": (1, 0),
}


class Effect(msgspec.Struct, frozen=True):
    """The change of a balance by one entry."""

    available: int
    reserved: int


def effect(entry: Entry, credits: int) -> Effect:
    """What an entry over this many credits changes; only that of ``adjust`` may be negative."""
    available, reserved = _EFFECTS[entry]
    return Effect(available * credits, reserved * credits)


def settlement(status: str, credit_state: str | None) -> str | None:
    """The state of a recipient's credit once the recipient has this status.

    Delivered and bounced by a receiver are paid for; what was cancelled or suppressed is not. Both are final: mail
    that is delivered after its refund stays free, since it might not be covered any more.

    Args:
        status: As in ``core.status``.
        credit_state: The present state; None for mail that was accepted before there were credits.
    """
    if credit_state != "reserved":
        return credit_state
    if status in ("delivered", "bounced"):
        return "settled"
    return "refunded" if status in _UNDELIVERABLE_HERE else "reserved"


def unused_allowance(*, granted: int, drawn: int, available: int) -> int:
    """What is left of a period's allowance when the period ends, which is lost; bought credits stay.

    Args:
        granted: By the plan in the period.
        drawn: Reserved or consumed in the period, less what was refunded in it.
        available: In the balance now. The allowance is used up before anything that was bought.
    """
    return max(0, min(granted - max(drawn, 0), available))
