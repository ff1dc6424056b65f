"""Values as the files of KumoMTA's policy helpers have them."""

from __future__ import annotations

import ipaddress
from typing import Any

from postmta_ctl.compiler import formats

TLS = ("Opportunistic", "OpportunisticInsecure", "Required", "RequiredInsecure", "Disabled")


def text(value: Any) -> str:
    """A text that is not empty.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, str) or not value:
        raise ValueError("is no text")
    return value


def duration(value: Any) -> str:
    """A duration; a bare number is of seconds.

    Raises:
        ValueError: It is none.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return f"{value}s"
    if not isinstance(value, str) or not formats.is_duration(value):
        raise ValueError("is no duration such as 20 minutes")
    return value


def rate(value: Any) -> str:
    """A throttle.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, str) or not formats.is_rate(value):
        raise ValueError("is no rate such as 100/h")
    return value


def count(value: Any) -> int:
    """A whole number from 1.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("is no whole number from 1")
    return value


def tls(value: Any) -> str:
    """A name of how TLS is used.

    Raises:
        ValueError: It is none.
    """
    if value not in TLS:
        raise ValueError(f"is none of {', '.join(TLS)}")
    return str(value)


def networks(value: Any) -> list[str]:
    """Hosts and CIDR blocks, none of which is everybody.

    Raises:
        ValueError: They are none.
    """
    if not isinstance(value, list) or not value:
        raise ValueError("is no list of addresses")
    found = [ipaddress.ip_network(text(one), strict=False) for one in value]
    if any(one.prefixlen == 0 for one in found):
        raise ValueError("would let anybody relay mail (RFC 5321 section 7.9): name the hosts")
    return [str(one) for one in found]


def host(value: Any) -> str:
    """Where mail is passed on to, as ``host:port`` or ``[ip]:port``.

    Raises:
        ValueError: It is no host.
    """
    name = text(value)
    full = name if name.rpartition(":")[2].isdigit() and not name.endswith("]") else f"{name}:25"
    if not formats.is_smart_host(full):
        raise ValueError("is neither a host nor [ip]")
    return full
