"""Which address a request comes from, when reverse proxies may stand between."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Addresses and networks in CIDR notation (RFC 4632).

    Raises:
        ValueError: One of them is neither; the message quotes it.
    """
    return tuple(ipaddress.ip_network(text.strip()) for text in texts)


_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))


@lru_cache(maxsize=8)
def listed_networks(text: str) -> tuple[Network, ...]:
    """The networks of a list that is separated by commas.

    Raises:
        ValueError: One of them is none.
    """
    return parse_networks([one for one in text.split(",") if one.strip()])


def within(address: str, networks: Sequence[Network]) -> bool:
    """Whether the address lies in one of the networks; what is no address lies in none."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    # A socket that serves both families shows IPv4 peers as ::ffff:192.0.2.1.
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return any((mapped or parsed) in network for network in networks)


def client_address(peer: str, forwarded_for: str, proxies: Sequence[Network]) -> str:
    """The address of the client.

    Each proxy appends whom it heard from, so the list is read from its end: the first that is no proxy of ours is the
    client. What stands before it was written by the client and means nothing.

    Args:
        peer: Address of the other end of the connection.
        forwarded_for: Value of ``X-Forwarded-For``, empty if absent.
        proxies: Networks of the proxies that are trusted.
    """
    address = peer
    for hop in reversed([hop.strip() for hop in forwarded_for.split(",") if hop.strip()]):
        if not within(address, proxies) or not _is_address(hop):
            break
        address = hop
    return address


def is_loopback(address: str) -> bool:
    """Whether the address is this host's own; what is no address is not."""
    return within(address, _LOOPBACK)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
