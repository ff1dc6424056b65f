"""How much large mailbox providers are sent at once, where nobody has said anything else.

Each figure is one that the provider publishes, or a choice of ours, too careful rather than too bold; ``source`` says
which. All are for one vMTA, over all sites of the provider together. What a provider really takes
depends on what it thinks of the address: rules of operators come before these (``features.shaping``).
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=1, le=100_000, examples=[10])]
Rate = Annotated[str, Meta(min_length=3, max_length=60, examples=["100/min"])]


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Options of ``kumo.make_egress_path``, of which each is used that is there.

    https://docs.kumomta.com/reference/kumo/make_egress_path/
    """

    connection_limit: Count | None = None
    """Connections open at once."""
    max_deliveries_per_connection: Count | None = None
    """Messages after which a connection is closed."""
    max_recipients_per_batch: Count | None = None
    """Recipients of one message in one transaction."""
    max_connection_rate: Rate | None = None
    """New connections to one site, as KumoMTA writes rates: ``10/s``, ``500/h,max_burst=50``."""
    max_message_rate: Rate | None = None
    """Messages, likewise."""

    def options(self) -> dict[str, int | str]:
        """Those that are there, by name."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}


class Maintained(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for a provider unless operators say otherwise."""

    limits: Limits
    source: str
    """Where the figures are from."""


_OURS = "a careful choice of ours: the provider publishes no figure"


def _careful(connections: int, deliveries: int, source: str = _OURS) -> Maintained:
    limits = Limits(connection_limit=connections, max_deliveries_per_connection=deliveries)
    return Maintained(limits=limits, source=source)


MAINTAINED: dict[str, Maintained] = {
    "gmail": _careful(20, 100),
    "outlook": _careful(
        20,
        100,
        "far below the 500 connections that Outlook.com's policies for senders ask not to exceed; the rest is ours",
    ),
    "yahoo": _careful(
        10, 20, "20 messages a connection: Yahoo Help SLN3433; it publishes no number of connections, 10 are ours"
    ),
    "icloud": _careful(5, 50),
    "comcast": Maintained(
        limits=Limits(connection_limit=20, max_deliveries_per_connection=100, max_recipients_per_batch=100),
        source="25 connections an address and 100 recipients a message: postmaster.comcast.net; 20 leave room",
    ),
    "orange": _careful(2, 100, f"{_OURS}; it answers 421 OFR004_104 to few connections too many"),
    "gmx": _careful(5, 50),
    "web.de": _careful(5, 50),
    "mail.com": _careful(5, 50),
    "ionos": _careful(5, 50),
    "t-online": _careful(5, 50),
    "freenet": _careful(5, 50),
    "free": _careful(2, 50),
    "sfr": _careful(2, 50),
    "laposte": _careful(2, 50),
    "libero": _careful(2, 50),
    "mail.ru": _careful(5, 50),
    "yandex": _careful(5, 50),
    "seznam": _careful(5, 50),
    "wp": _careful(3, 50),
    "onet": _careful(3, 50),
    "qq": _careful(3, 20),
    "netease": _careful(3, 20),
    "naver": _careful(3, 20),
    "yahoo-japan": _careful(3, 20),
}
"""By the names of ``core.providers``."""
