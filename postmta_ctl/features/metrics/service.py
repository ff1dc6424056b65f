"""Who may read the metrics, and in which form."""

from __future__ import annotations

from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from postmta_ctl.core import tokens
from postmta_ctl.core.client_address import is_loopback
from postmta_ctl.errors import PermissionDenied, Unauthenticated
from postmta_ctl.features.metrics.gauges import measured
from postmta_ctl.system import System

PROMETHEUS = CONTENT_TYPE_LATEST.removesuffix("; charset=utf-8")
"""Media type of the text format; the response adds the character set."""


def authorise(system: System, *, address: str, authorization: str, is_forwarded: bool) -> None:
    """Let in who may read metrics: who has the token, or, while there is none, who asks from this host.

    Args:
        system: The parts.
        address: Where the request comes from.
        authorization: The header.
        is_forwarded: Whether a proxy says that it asks for somebody else. A proxy on this host that is not trusted
            hides who that is, so its requests are not this host's.

    Raises:
        Unauthenticated: A token is set, and this is not it.
        PermissionDenied: No token is set, and the request comes from elsewhere.
    """
    token = system.settings.metrics_token
    if token:
        if not tokens.same(authorization, f"Bearer {token}"):
            raise Unauthenticated("Send the setting metrics_token as Authorization: Bearer.")
    elif is_forwarded or not is_loopback(address):
        raise PermissionDenied("Metrics are shown to this host only, until the setting metrics_token is set.")


async def prometheus(system: System) -> bytes:
    """In the text format of Prometheus."""
    return generate_latest(system.metrics.registry) + generate_latest(await measured(system))


async def as_json(system: System) -> dict[str, Any]:
    """The same by name: type, help, and samples with their labels."""
    return {
        family.name: {
            "type": family.type,
            "help": family.documentation,
            "samples": [{"name": one.name, "labels": one.labels, "value": one.value} for one in family.samples],
        }
        for registry in (system.metrics.registry, await measured(system))
        for family in registry.collect()
    }
