"""Every event that a customer can be told of. What else the log says of mail stays in the log."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from postmta_ctl.core.errors import InputError

EVENT_TYPES = {
    "message.queued": "A message was accepted by the API; one event for each recipient.",
    "message.accepted": "A node has the message.",
    "message.delivered": "The recipient's server took it.",
    "message.deferred": "An attempt failed for now; the node tries again.",
    "message.bounced": "It will not be delivered, or was returned after it had been.",
    "message.cancelled": "It was taken out of the queue.",
    "message.complained": "The recipient reported it as spam.",
    "message.rejected": "A node refused it at submission.",
    "message.suppressed": "It was not sent, since the recipient must not get mail.",
    "message.opened": "The tracking pixel was fetched.",
    "message.clicked": "A tracked link was followed.",
    "message.unsubscribed": "The recipient asked for no more mail.",
    "credits.low": "A credit balance has fallen to the threshold of an alert.",
    "vmta.paused": "Nothing leaves from a vMTA, by request or by a rule, until it is resumed.",
    "vmta.resumed": "Mail leaves from a vMTA again.",
    "vmta.listed": "A DNS blocklist has listed the address of a vMTA.",
    "vmta.delisted": "It is no longer on the list.",
    "webhook.disabled": "An endpoint gets no more events: it is gone, or has failed for days.",
}
"""Type → what it means."""

TEST = "webhook.test"
"""Sent by request only, to whatever endpoint; so no endpoint can ask for it, or be without it."""


def parse_event_types(given: Collection[str]) -> list[str]:
    """Check a filter, and bring it into the order of the table.

    Raises:
        InputError: ``event_type_unknown``, at the first that does not exist.
    """
    for index, name in enumerate(given):
        if name not in EVENT_TYPES:
            near = get_close_matches(name[:100], EVENT_TYPES, n=1)
            message = "there is no such event" + (f"; did you mean {near[0]}?" if near else "")
            raise InputError("event_type_unknown", message, field=f"[{index}]")
    return [name for name in EVENT_TYPES if name in given]
