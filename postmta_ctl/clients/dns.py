"""DNS look-ups, with an answer for every outcome: a record that could not be asked for is not a missing one."""

from __future__ import annotations

from typing import Literal, Protocol

import dns.asyncresolver
import dns.exception
import dns.resolver
import msgspec


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What DNS said of one name and type."""

    status: Literal["found", "missing", "failed"]
    """``missing``: the name or the type does not exist; ``failed``: nobody could tell (SERVFAIL, time-out)."""
    values: tuple[str, ...] = ()
    """Record values; TXT strings are joined (RFC 7208 section 3.3), host names have no trailing dot."""
    reason: str = ""


class Resolver(Protocol):
    """Anything that answers DNS questions."""

    async def lookup(self, name: str, kind: str) -> Answer:
        """Ask for the records of this type (``TXT``, ``CNAME``, ``MX``, ``A``, …) at this name."""
        ...


class SystemResolver:
    """The system's resolver, or the one at ``address``.

    Args:
        address: IP address of a resolver; the system's configuration when absent.
        lifetime: Seconds after which a question counts as failed.
    """

    def __init__(self, address: str | None = None, lifetime: float = 5.0) -> None:
        self._resolver = dns.asyncresolver.Resolver(configure=address is None)
        if address is not None:
            self._resolver.nameservers = [address]
        self._resolver.lifetime = lifetime

    async def lookup(self, name: str, kind: str) -> Answer:
        """Ask; never raises for what DNS answers."""
        try:
            found = await self._resolver.resolve(name, kind, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return Answer(status="missing")
        except (dns.exception.DNSException, OSError) as error:
            return Answer(status="failed", reason=type(error).__name__)
        return Answer(status="found", values=tuple(_text(record) for record in found))


def _text(record: object) -> str:
    strings = getattr(record, "strings", None)
    if strings is not None:
        return b"".join(strings).decode("utf-8", "replace")
    return str(record).rstrip(".")
