"""How limits of traffic shaping are written. Pure."""

from __future__ import annotations

from postmta_ctl.core.shaping import Limits

LIMITS = {
    "connection_limit": ("Connections at once", "20"),
    "max_deliveries_per_connection": ("Messages a connection", "100"),
    "max_recipients_per_batch": ("Recipients a transaction", "100"),
    "max_connection_rate": ("New connections", "10/s"),
    "max_message_rate": ("Messages", "500/h"),
}
"""What each limit is called, and an example; by the name that KumoMTA and the API have for it."""


def told(limits: Limits) -> str:
    """``connections at once: 20, messages: 500/h``; a dash where nothing is limited."""
    return ", ".join(f"{LIMITS[name][0].lower()}: {value}" for name, value in limits.options().items()) or "\u2013"


def address_at(text: str) -> str:
    """An address, of a domain that of its postmaster (RFC 5321 section 4.5.1)."""
    return text if "@" in text else f"postmaster@{text.strip()}"
