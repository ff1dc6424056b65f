"""DNS look-ups, with an answer for every outcome: a record that could not be asked for is not a missing one."""

from __future__ import annotations

import ipaddress
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from postmta_ctl.lazy import lazily

if TYPE_CHECKING:
    from dns import asyncresolver, exception, rdatatype, resolver
    from dns.message import Message
else:
    # A start asks nothing, and should not wait for it.
    asyncresolver, exception = lazily("dns.asyncresolver"), lazily("dns.exception")
    rdatatype, resolver = lazily("dns.rdatatype"), lazily("dns.resolver")

LIFETIME = 5.0
"""Seconds after which a question counts as failed."""
DNS_PORT = 53


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What DNS said of one name and type."""

    status: Literal["found", "missing", "failed"]
    """``missing``: the name or the type does not exist; ``failed``: nobody could tell (SERVFAIL, time-out)."""
    values: tuple[str, ...] = ()
    """Record values; TXT strings are joined (RFC 7208 section 3.3), host names have no trailing dot."""
    reason: str = ""
    ttl: int | None = None
    """Seconds that the answer holds, of a missing name by its zone's SOA record (RFC 2308 §5); None: not told."""


class Resolver(Protocol):
    """Anything that answers DNS questions."""

    async def lookup(self, name: str, kind: str) -> Answer:
        """Ask for the records of this type (``TXT``, ``CNAME``, ``MX``, ``A``, …) at this name."""
        ...


def parse_resolver(text: str) -> tuple[str, float, int]:
    """Address, lifetime and port of a resolver given as ``address`` or ``address:port`` (IPv6 then in brackets).

    Raises:
        ValueError: It is neither.
    """
    try:
        return str(ipaddress.ip_address(text)), LIFETIME, DNS_PORT
    except ValueError:
        host, _, port = text.rpartition(":")
        return str(ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))), LIFETIME, int(port)


class SystemResolver:
    """The system's resolver, or the one at ``address``.

    Args:
        address: IP address of a resolver; the system's configuration when absent.
        lifetime: Seconds after which a question counts as failed.
        port: Of the resolver at ``address``.
    """

    def __init__(self, address: str | None = None, lifetime: float = LIFETIME, port: int = DNS_PORT) -> None:
        self._address, self._lifetime, self._port = address, lifetime, port

    @cached_property
    def _resolver(self) -> asyncresolver.Resolver:
        made = asyncresolver.Resolver(configure=self._address is None)
        if self._address is not None:
            made.nameservers = [self._address]
            made.port = self._port
        made.lifetime = self._lifetime
        return made

    async def lookup(self, name: str, kind: str) -> Answer:
        """Ask; never raises for what DNS answers."""
        try:
            found = await self._resolver.resolve(name, kind, search=False)
        except resolver.NXDOMAIN as error:
            return Answer(status="missing", ttl=_negative_ttl(*(error.kwargs["responses"] or {}).values()))
        except resolver.NoAnswer as error:
            return Answer(status="missing", ttl=_negative_ttl(error.kwargs["response"]))
        except (exception.DNSException, OSError) as error:
            return Answer(status="failed", reason=type(error).__name__)
        ttl = found.rrset.ttl if found.rrset is not None else None
        return Answer(status="found", values=tuple(_text(record) for record in found), ttl=ttl)


def _negative_ttl(*responses: Message) -> int | None:
    for rrset in responses[-1].authority if responses else ():
        if rrset.rdtype == rdatatype.SOA:
            return min(int(rrset.ttl), int(rrset[0].minimum))
    return None


def _text(record: object) -> str:
    strings = getattr(record, "strings", None)
    if strings is not None:
        return b"".join(strings).decode("utf-8", "replace")
    return str(record).rstrip(".")
