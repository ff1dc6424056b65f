"""Every event that a customer can be told of. What else the log says of mail stays in the log."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from postmta_ctl.core.errors import InputError

EVENT_TYPES = {
    "message.queued": "A message was accepted, by the API or by SMTP; one event for each recipient.",
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
    "security.block_opened": "A rate was too high, and an auto-block rule stopped mail or told of it.",
    "security.block_resolved": "A block is over: resolved, expired, or its rule was deleted.",
    "domain.verified": "A domain's required DNS records are all there: mail may come from it.",
    "domain.unverified": "Mail may not come from a domain any more: a required record is gone, or the name.",
    "domain.dns_changed": "The verdict on a DNS record of a domain is another than before.",
    "domain.dkim_rotation_started": "New DKIM keys were made; their records are to be published.",
    "domain.dkim_rotation_switched": "Mail is signed with the new keys from now on.",
    "domain.dkim_rotation_completed": "The old DKIM keys are gone, and nothing needs their records.",
    "domain.dkim_rotation_cancelled": "The new DKIM keys were given up before anything was signed with them.",
    "credits.low": "A credit balance has fallen to the threshold of an alert.",
    "vmta.paused": "Nothing leaves from a vMTA, by request or by a rule, until it is resumed.",
    "vmta.resumed": "Mail leaves from a vMTA again.",
    "vmta.listed": "A DNS blocklist has listed the address of a vMTA.",
    "vmta.delisted": "It is no longer on the list.",
    "vmta.warmup_started": "The warm-up of a vMTA began.",
    "vmta.warmup_advanced": "Receivers took the day well: the next allowance is in force.",
    "vmta.warmup_held": "Too much was put off: the allowance stays as it is.",
    "vmta.warmup_stepped_back": "Too much bounced or was complained about: half of the allowance, and no more today.",
    "vmta.warmup_resumed": "It goes on, after a day that was stopped or by request.",
    "vmta.warmup_provider_held": "A provider put off too much, and gets no more a day than it took.",
    "vmta.warmup_provider_eased": "A provider that was held takes mail well, and gets more.",
    "vmta.warmup_paused": "Nothing leaves from a warming vMTA until its warm-up is resumed.",
    "vmta.warmup_skipped": "The next allowance is in force by request.",
    "vmta.warmup_completed": "The vMTA is established: it has no limit any more.",
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
