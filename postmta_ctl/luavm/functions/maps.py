"""``kumo.domain_map``, ``kumo.cidr``, ``kumo.regex_set_map``: tables looked up by domain, address or pattern."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from postmta_ctl.luavm.convert import type_name
from postmta_ctl.luavm.errors import LuaProblem
from postmta_ctl.luavm.formats import IpNetwork, parse_host_port, parse_network
from postmta_ctl.luavm.functions.memoize import memoizable, shared
from postmta_ctl.luavm.userdata import Userdata


class _LookupMap(Userdata):
    """A map whose keys are more than text; unlike a table it can be shared between contexts."""

    is_memoizable = True

    def __init__(self, values: Mapping[str, Any] | None) -> None:
        for key, value in (values or {}).items():
            self.put(key, value)

    def put(self, key: str, value: Any) -> None:
        """Add an entry."""
        raise NotImplementedError

    def get(self, key: str) -> Any:
        """The value for a key, None when there is none."""
        raise NotImplementedError

    def lua_index(self, _vm: Any, key: object) -> object:
        """The value for a key, nil when there is none."""
        return shared(self.get(_text(key)))

    def lua_newindex(self, _vm: Any, key: object, value: object) -> None:
        """Add an entry."""
        self.put(_text(key), memoizable(value))


class DomainMap(_LookupMap):
    """By domain, in the case given; ``*.example.com`` stands for all below example.com that share no more labels.

    Labels are followed from the right, and only where the next one is missing its wildcard sibling counts: with
    ``a.b`` and ``*.b`` in the map, ``x.a.b`` finds nothing. That is how KumoMTA looks domains up.
    """

    lua_type = "DomainMap"

    def __init__(self, values: Mapping[str, Any] | None) -> None:
        self._values: dict[str, Any] = {}
        self._known: set[str] = set()
        super().__init__(values)

    def put(self, key: str, value: Any) -> None:
        """Add a domain or a wildcard."""
        self._values[key] = value
        self._known.update(_suffixes(key))

    def get(self, key: str) -> Any:
        """The value for a domain."""
        parent = ""
        for suffix in _suffixes(key):
            if suffix not in self._known:
                return self._values.get(f"*.{parent}" if parent else "*")
            parent = suffix
        return self._values.get(key)


def _suffixes(domain: str) -> list[str]:
    """``c``, ``b.c``, ``a.b.c`` for ``a.b.c``."""
    labels = domain.split(".")
    return [".".join(labels[start:]) for start in range(len(labels) - 1, -1, -1)]


class CidrMap(_LookupMap):
    """By address, also ``IP:PORT``; the longest prefix wins."""

    lua_type = "CidrMap"

    def __init__(self, values: Mapping[str, Any] | None) -> None:
        self._values: dict[IpNetwork, Any] = {}
        super().__init__(values)

    def put(self, key: str, value: Any) -> None:
        """Add a network."""
        try:
            self._values[parse_network(key)] = value
        except ValueError as error:
            raise LuaProblem("bad_value", str(error)) from error

    def get(self, key: str) -> Any:
        """The value for an address."""
        address = _address(key)
        matches = [network for network in self._values if address in network]
        return self._values[max(matches, key=lambda network: network.prefixlen)] if matches else None


class RegexSetMap(_LookupMap):
    """By pattern; the first that occurs in the key wins."""

    lua_type = "RegexSetMap"

    def __init__(self, values: Mapping[str, Any] | None) -> None:
        self._values: dict[re.Pattern[str], Any] = {}
        super().__init__(values)

    def put(self, key: str, value: Any) -> None:
        """Add a pattern."""
        try:
            self._values[re.compile(key)] = value
        except re.error as error:
            raise LuaProblem("bad_value", f"{key!r} is not a pattern: {error}") from error

    def get(self, key: str) -> Any:
        """The value for a text."""
        return next((value for pattern, value in self._values.items() if pattern.search(key)), None)

    def lua_newindex(self, _vm: Any, _key: object, _value: object) -> None:
        """Refused: the patterns are compiled together."""
        raise LuaProblem("wrong_type", "a RegexSetMap cannot be changed")


def _text(key: object) -> str:
    if not isinstance(key, str):
        raise LuaProblem("wrong_type", f"expected text as key, not a {type_name(key)}")
    return key


def _address(key: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(key)
    except ValueError:
        pass
    try:
        return ipaddress.ip_address(parse_host_port(key)[0])
    except ValueError as error:
        raise LuaProblem("bad_value", f"{key!r} is not an IP address") from error


FUNCTIONS: dict[str, Callable[..., object]] = {
    "kumo.domain_map.new": lambda _vm, values: DomainMap(values),
    "kumo.cidr.make_map": lambda _vm, values: CidrMap(values),
    "kumo.regex_set_map.new": lambda _vm, values: RegexSetMap(values),
}
