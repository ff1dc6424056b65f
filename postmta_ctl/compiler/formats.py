"""Shapes of single values in a policy, as KumoMTA and the RFCs define them."""

from __future__ import annotations

import ipaddress
import re

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\Z")
_SELECTOR = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\Z")
_KEY_ID = re.compile(r"[A-Za-z0-9-]{1,64}\Z")
_RATE = re.compile(
    r"(?:local:)?([0-9][0-9_,]*)/[0-9]*(?:h|hr|hour|m|min|minute|s|sec|second|d|day)(?:,max_burst=[0-9][0-9_,]*)?\Z"
)
_UNITS = (
    "ns|nsec|us|usec|ms|msec|millis|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?|M|months?|y|years?"
)
_DURATION = re.compile(rf"(?:\d+\s*(?:{_UNITS})\s*)+\Z")


def is_host(value: str) -> bool:
    """A host or domain name in lower case and A-label form (RFC 1123, 2.1; RFC 5890)."""
    return len(value) <= 253 and _HOST.match(value) is not None


def is_selector(value: str) -> bool:
    """A DKIM selector of one label (RFC 6376, 3.1); also a safe file name."""
    return _SELECTOR.match(value) is not None


def is_key_id(value: str) -> bool:
    """An id that can be part of a file's name."""
    return _KEY_ID.match(value) is not None


def is_address(value: str) -> bool:
    """An IPv4 or IPv6 address without a zone."""
    try:
        return "%" not in value and bool(ipaddress.ip_address(value))
    except ValueError:
        return False


def is_network(value: str) -> bool:
    """An address or a CIDR block without host bits."""
    try:
        return "%" not in value and bool(ipaddress.ip_network(value))
    except ValueError:
        return False


def is_socket_address(value: str) -> bool:
    """``ip:port``, an IPv6 address in brackets."""
    host, colon, port = value.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    address = host[1:-1] if bracketed else host
    return bool(colon) and _is_port(port) and is_address(address) and bracketed == (":" in address)


def is_smart_host(value: str) -> bool:
    """``host``, ``host:port``, ``[ip]`` or ``[ip]:port``."""
    if value.startswith("["):
        address, bracket, port = value[1:].partition("]")
        return bool(bracket) and is_address(address) and (not port or (port[0] == ":" and _is_port(port[1:])))
    host, colon, port = value.partition(":")
    return is_host(host) and not is_address(host) and (not colon or _is_port(port))


def is_rate(value: str) -> bool:
    """A KumoMTA throttle such as ``100/d,max_burst=10``."""
    match = _RATE.match(value)
    return match is not None and int(re.sub("[_,]", "", match[1])) > 0


def is_daily(value: str) -> bool:
    """Whether a throttle is one of days: its bucket is filled again while the first day lasts."""
    return re.search(r"/[0-9]*d", value) is not None


def is_duration(value: str) -> bool:
    """A span of time as KumoMTA reads it, such as ``1h 30m`` or ``3 days``."""
    return _DURATION.match(value) is not None


def _is_port(value: str) -> bool:
    return value.isascii() and value.isdigit() and 0 < int(value) < 65536
