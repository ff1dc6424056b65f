"""Where requests on behalf of customers may go: server-side request forgery, decided purely.

Three decisions, each of which would be enough for the case it is about, made one after the other: the URL may be one
of an endpoint (:func:`parse_endpoint`), every address of its host may be connected to (:func:`refusal`), and the
socket is made for an address that was judged, not for a name (``clients.webhooks``). Addresses are judged by the
IANA special-purpose address registries (RFC 6890); what is not known to be public is refused.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

import msgspec

from postmta_ctl.core.errors import InputError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_URL = 2000
DEFAULT_PORTS = {"https": 443, "http": 80}
FIRST_FREE_PORT = 1024
"""Below it only the scheme's own port: a POST to a port of SMTP or SSH is an attack on somebody, never a webhook."""
BAD_PORTS = frozenset(
    {1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, *range(6665, 6670), 6679, 6697, 10080}
)
"""Ports that the Fetch standard of the WHATWG ("port blocking") forbids browsers for the same reason."""

_REFUSED: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "unspecified"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "shared by a carrier (RFC 6598)"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "reserved for protocols"),
    ("192.0.2.0/24", "for documentation"),
    ("192.88.99.0/24", "a 6to4 relay (RFC 7526)"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "for benchmarks"),
    ("198.51.100.0/24", "for documentation"),
    ("203.0.113.0/24", "for documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("::ffff:0:0/96", "an IPv4 address in IPv6 (mapped)"),
    ("::/96", "an IPv4 address in IPv6 (RFC 4291)"),
    ("64:ff9b::/96", "an IPv4 address behind NAT64 (RFC 6052)"),
    ("64:ff9b:1::/48", "an IPv4 address behind a local NAT64 (RFC 8215)"),
    ("2001::/32", "an IPv4 address behind Teredo (RFC 4380)"),
    ("2001::/23", "reserved for protocols"),
    ("2001:db8::/32", "for documentation"),
    ("2002::/16", "an IPv4 address in 6to4 (RFC 3056)"),
    ("3fff::/20", "for documentation"),
    ("fc00::/7", "private"),
    ("fe80::/10", "link-local"),
    ("ff00::/8", "multicast"),
)
REFUSED_NETWORKS: tuple[tuple[IPNetwork, str], ...] = tuple(
    (ipaddress.ip_network(network), what) for network, what in _REFUSED
)
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""All of IPv6 that IANA has given out as global unicast; the rest has no public use yet."""

_CHARACTERS = re.compile(r"[!-\[\]-~]+\Z")
"""Visible ASCII without the backslash, which is a slash to some parsers (WHATWG URL) and not to others (RFC 3986)."""
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?\Z")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")
"""A last label of this form makes the host an IPv4 address to the WHATWG URL parser and to inet_aton alike."""
_INNER_NAMES = ("localhost", "localdomain", "local", "internal", "intranet", "lan", "home.arpa", "onion", "test")
"""Special-use names (RFC 6761, 6762, 8375, ICANN on ``.internal``) and those that inner networks made their own."""


class EndpointPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What an installation allows beyond public HTTPS."""

    allow_http: bool = False
    allowed_networks: tuple[IPNetwork, ...] = ()
    """Networks that are allowed although they are not public, for laboratories and inner receivers."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a URL that decide where a request goes."""

    scheme: str
    host: str
    """A name in lower case, or an address without brackets."""
    port: int
    is_address: bool


def parse_networks(text: str) -> tuple[IPNetwork, ...]:
    """Networks in CIDR notation, separated by commas.

    Raises:
        InputError: ``network_syntax``.
    """
    try:
        return tuple(ipaddress.ip_network(one.strip()) for one in text.split(",") if one.strip())
    except ValueError as error:
        raise InputError("network_syntax", str(error)) from None


def parse_endpoint(url: str, policy: EndpointPolicy) -> Endpoint:
    """Read the URL of an endpoint as strictly as any parser that comes after might.

    Raises:
        InputError: ``url_syntax``, ``url_scheme``, ``url_userinfo``, ``url_port``, ``url_host`` or ``url_address``.
    """
    if not 0 < len(url) <= MAX_URL or not _CHARACTERS.match(url):
        message = f"must be 1 to {MAX_URL} visible ASCII characters without a backslash; write names as xn--…"
        raise InputError("url_syntax", message)
    try:
        parts = urlsplit(url)
    except ValueError:
        raise InputError("url_syntax", "not a URL") from None
    _check_scheme(parts.scheme, policy)
    if parts.fragment or "#" in url:
        raise InputError("url_syntax", "must not have a fragment: it would not be sent")
    if "@" in parts.netloc:
        raise InputError("url_userinfo", "must not name a user or password; requests are signed instead")
    authority = _AUTHORITY.match(parts.netloc)
    if authority is None:
        raise InputError("url_host", "the host is neither a name nor an address")
    port = _port(parts.scheme, authority["port"])
    return _endpoint(parts.scheme, authority["host"].lower(), port, policy)


def _check_scheme(scheme: str, policy: EndpointPolicy) -> None:
    if scheme == "http" and not policy.allow_http:
        raise InputError("url_scheme", "must begin with https://")
    if scheme not in DEFAULT_PORTS:
        raise InputError("url_scheme", "must begin with https://")


def _port(scheme: str, text: str | None) -> int:
    port = DEFAULT_PORTS[scheme] if text is None else int(text)
    if port == DEFAULT_PORTS[scheme] or (FIRST_FREE_PORT <= port <= 65535 and port not in BAD_PORTS):
        return port
    raise InputError("url_port", f"port {port} is not one that webhooks are sent to")


def _endpoint(scheme: str, host: str, port: int, policy: EndpointPolicy) -> Endpoint:
    if host.startswith("["):
        host = host.strip("[]")
    elif not _NUMBER.match(host.removesuffix(".").rpartition(".")[2]):
        return Endpoint(scheme=scheme, host=_name(host, policy), port=port, is_address=False)
    # What is left is an address, or one of the spellings that only inet_aton takes: octal, hexadecimal, short.
    if reason := refusal(host, policy.allowed_networks):
        raise InputError("url_address", f"{host[:60]} is {reason}")
    return Endpoint(scheme=scheme, host=host, port=port, is_address=True)


def _name(host: str, policy: EndpointPolicy) -> str:
    name = host.removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.match(label) for label in labels):
        raise InputError("url_host", "the host is neither a name nor an address")
    # An installation that allows inner networks has names for them; the addresses are judged all the same.
    is_inner = len(labels) == 1 or any(f".{name}".endswith(f".{inner}") for inner in _INNER_NAMES)
    if is_inner and not policy.allowed_networks:
        raise InputError("url_host", f"{name[:60]} is not a public name")
    return name


def refusal(address: str, allowed: tuple[IPNetwork, ...] = ()) -> str | None:
    """What an address is that must not be connected to; nothing if it may.

    Args:
        address: As text; anything that is not the canonical spelling of an address is refused.
        allowed: Networks that are allowed whatever they are.
    """
    try:
        parsed: IPAddress = ipaddress.ip_address(address)
    except ValueError:
        return "not an address in its canonical form"
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.scope_id is not None:
        return "an address with a zone"
    if any(parsed in network for network in allowed):
        return None
    for network, what in REFUSED_NETWORKS:
        if parsed in network:
            return what
    if parsed.version == 6 and parsed not in _GLOBAL_UNICAST:
        return "outside of the public address space"
    return None
