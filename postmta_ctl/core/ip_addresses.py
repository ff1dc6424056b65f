"""Addresses that mail can leave from, in their canonical text form (RFC 5952 for IPv6)."""

from __future__ import annotations

import ipaddress
import re

from postmta_ctl.core.errors import InputError

_PORT = re.compile(r"[1-9][0-9]{0,4}\Z")
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_source_address(text: str) -> str:
    """Read the address of one interface, or of a proxy's.

    Loopback and private addresses are taken: proxies, NAT and laboratories use them. An IPv4 address written as
    IPv6 (``::ffff:192.0.2.1``) is the IPv4 address, so that it cannot be claimed twice.

    Raises:
        InputError: ``ip_address_syntax``, or ``ip_address_unusable`` when no mail can leave from it.
    """
    try:
        address: IPAddress = ipaddress.ip_address(text)
    except ValueError:
        raise InputError("ip_address_syntax", "not an IPv4 or IPv6 address") from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise InputError("ip_address_syntax", "an address must not have a zone")
        address = address.ipv4_mapped or address
    if reason := _unusable(address):
        raise InputError("ip_address_unusable", f"{reason} is not an address that mail can leave from")
    return str(address)


def parse_ipv6_address(text: str) -> str:
    """Read the IPv6 address of a pair.

    Raises:
        InputError: As :func:`parse_source_address`, or ``ip_address_family`` for an IPv4 address.
    """
    address = parse_source_address(text)
    if not is_ipv6(address):
        raise InputError("ip_address_family", "must be an IPv6 address; the IPv4 one is ip_address")
    return address


def is_ipv6(address: str) -> bool:
    """Whether an address in its canonical form is one of IPv6."""
    return ":" in address


def parse_socket_address(text: str) -> str:
    """Read ``ip:port`` of a server, an IPv6 address in brackets (RFC 3986 section 3.2.2).

    Raises:
        InputError: ``socket_address_syntax``, or ``ip_address_unusable`` when nothing can listen there.
    """
    host, _, port = text.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if is_bracketed else host)
    except ValueError:
        raise InputError("socket_address_syntax", "not ip:port") from None
    if is_bracketed != (address.version == 6) or "%" in host or not _PORT.match(port) or int(port) > 65535:
        raise InputError("socket_address_syntax", "not ip:port")
    if reason := _unusable(address):
        raise InputError("ip_address_unusable", f"{reason} is not an address that a server has")
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def _unusable(address: IPAddress) -> str | None:
    if address.is_unspecified:
        return "the unspecified address"
    if address.is_multicast:
        return "a multicast address"
    # Python counts ::/8, and so the loopback address, among the reserved ones.
    if address.is_reserved and not address.is_loopback:
        return "a reserved address"
    return None


def is_public(address: str) -> bool:
    """Whether the Internet can see it; if not, mail leaves through NAT or a proxy, or not at all."""
    return ipaddress.ip_address(address).is_global
