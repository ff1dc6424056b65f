"""Looking a domain's DMARC policy up, as a receiver does."""

from __future__ import annotations

import asyncio

from postmta_ctl.clients.dns import Resolver
from postmta_ctl.core.dmarc_discovery import Discovery, walk
from postmta_ctl.core.dmarc_discovery import discover as decide


async def discover(resolver: Resolver, domain: str) -> Discovery | None:
    """The policy that holds for mail from the domain; None if DNS gave no answer."""
    names = walk(domain)
    answers = await asyncio.gather(*(resolver.lookup(f"_dmarc.{name}", "TXT") for name in names))
    found = {name: None if one.status == "failed" else one.values for name, one in zip(names, answers, strict=True)}
    # A domain that sends mail through us has records: np is never its own policy.
    return decide(domain, found)
