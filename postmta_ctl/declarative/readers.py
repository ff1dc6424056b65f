"""Readers of single values: each brings a node into the one form that is compared and kept.

Ranges and lengths are not checked here, since the services that make the things check them: what they refuse is
reported with the place of the thing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

from postmta_ctl.core.domain_names import parse_host, parse_mail_domain
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.ip_addresses import parse_ipv6_address, parse_socket_address, parse_source_address
from postmta_ctl.declarative.placed import Misplaced, Node

Reader = Callable[[Node], Any]


def wrong(node: Node, message: str) -> Misplaced:
    """The error that a node is."""
    return Misplaced(node.line, node.path, message)


def text(node: Node) -> str:
    """A text."""
    if not isinstance(node.value, str):
        raise wrong(node, "must be a text; quote it if it looks like something else")
    return node.value


def integer(node: Node) -> int:
    """A whole number."""
    if not isinstance(node.value, int) or isinstance(node.value, bool):
        raise wrong(node, "must be a whole number")
    return node.value


def number(node: Node) -> float:
    """A number."""
    if not isinstance(node.value, int | float) or isinstance(node.value, bool):
        raise wrong(node, "must be a number")
    return float(node.value)


def flag(node: Node) -> bool:
    """True or false."""
    if not isinstance(node.value, bool):
        raise wrong(node, "must be true or false")
    return node.value


def mapping(node: Node) -> Mapping[str, Node]:
    """A mapping; nothing at all is an empty one."""
    if node.value is None:
        return {}
    if not isinstance(node.value, Mapping):
        raise wrong(node, "must be a mapping of names to values")
    return node.value


def optional(reader: Reader) -> Reader:
    """Null, or what the reader reads."""
    return lambda node: None if node.value is None else reader(node)


def listed(reader: Reader) -> Reader:
    """A list, in its order."""

    def read(node: Node) -> list[Any]:
        if not isinstance(node.value, list):
            raise wrong(node, "must be a list")
        return [reader(one) for one in node.value]

    return read


def sorted_set(reader: Reader) -> Reader:
    """A list whose order means nothing."""
    return lambda node: sorted(set(listed(reader)(node)))


def named(reader: Reader) -> Reader:
    """A mapping of names to values, sorted by name."""
    return lambda node: {name: reader(one) for name, one in sorted(mapping(node).items())}


def fields(readers: Mapping[str, Reader], *required: str) -> Reader:
    """A mapping with these fields only."""

    def read(node: Node) -> dict[str, Any]:
        given = mapping(node)
        if unknown := sorted(given.keys() - readers.keys()):
            raise wrong(given[unknown[0]], f"is no field here; those are {', '.join(readers)}")
        if missing := [name for name in required if name not in given]:
            raise wrong(node, f"needs {', '.join(missing)}")
        return {name: reader(given[name]) for name, reader in readers.items() if name in given}

    return read


def parsed(parse: Callable[[str], str]) -> Reader:
    """A text in its canonical form."""

    def read(node: Node) -> str:
        try:
            return parse(text(node))
        except Misplaced:
            raise
        except InputError as error:
            raise wrong(node, error.message) from None

    return read


def _network(given: str) -> str:
    try:
        return str(ipaddress.ip_network(given))
    except ValueError:
        raise InputError("network_syntax", "is no address and no network without host bits") from None


host = parsed(parse_host)
mail_domain = parsed(parse_mail_domain)
source_address = parsed(parse_source_address)
ipv6_address = parsed(parse_ipv6_address)
socket_address = parsed(parse_socket_address)
network = parsed(_network)
