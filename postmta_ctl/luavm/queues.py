"""Names of scheduled queues: ``campaign:tenant@domain!routing_domain``, most parts optional."""

from __future__ import annotations

import msgspec

_INTERNAL = frozenset(["null", "generator.kumomta.internal", "deferred_smtp_inject.kumomta.internal"])


class QueueName(msgspec.Struct, frozen=True):
    """The parts of a scheduled queue's name (KumoMTA reference, "Queues")."""

    domain: str
    tenant: str | None = None
    campaign: str | None = None
    routing_domain: str | None = None

    @classmethod
    def parse(cls, name: str) -> QueueName:
        """Split at the first ``@``, then at the first ``:`` before and the first ``!`` after it.

        A campaign without a tenant has the tenant ``""``.
        """
        prefix, at, rest = name.partition("@")
        if not at:
            prefix, rest = "", name
        campaign, colon, tenant = prefix.partition(":")
        if not colon:
            campaign, tenant = "", prefix
        domain, bang, routing = rest.partition("!")
        return cls(
            domain=domain.lower(),
            tenant=tenant if at else None,
            campaign=campaign if colon else None,
            routing_domain=routing.lower() if bang else None,
        )

    def __str__(self) -> str:
        campaign = f"{self.campaign}:" if self.campaign is not None else ""
        tenant = f"{self.tenant or ''}@" if self.tenant is not None or campaign else ""
        routing = f"!{self.routing_domain}" if self.routing_domain is not None else ""
        return f"{campaign}{tenant}{self.domain}{routing}"

    @property
    def is_internal(self) -> bool:
        """KumoMTA's own queues, which bypass ``get_queue_config``."""
        return self.domain in _INTERNAL or self.domain.endswith(".xfer.kumomta.internal")
