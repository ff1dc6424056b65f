"""What a configuration asks for, in PostMTA's terms."""

from __future__ import annotations

from typing import Any

import msgspec

from postmta_ctl.core.ip_addresses import is_ipv6
from postmta_ctl.importing.report import Report


class Thing(msgspec.Struct, kw_only=True):
    """Something to make. ``lines`` are the directives that it comes from, by their index in the report."""

    name: str
    lines: list[int]


class WantedVmta(Thing, kw_only=True):
    """A vMTA."""

    ip_address: str
    ipv6_address: str | None = None
    """Of a pair."""
    ehlo_domain: str
    proxy: tuple[str, str] | None = None
    """Protocol and ``ip:port``."""
    warming: bool = False

    def joined(self, address: str, ehlo_domain: str) -> bool:
        """Take an address as the other half of a pair, if it is of the other family and goes by the same name."""
        if self.ipv6_address or self.ehlo_domain != ehlo_domain or is_ipv6(self.ip_address) == is_ipv6(address):
            return False
        self.ip_address, self.ipv6_address = sorted((self.ip_address, address), key=is_ipv6)
        return True


class WantedPool(Thing, kw_only=True):
    """A pool of vMTAs, which are named as they will be."""

    members: dict[str, int] = {}
    domains: list[str] = []
    default: bool = False


class WantedKey(msgspec.Struct, kw_only=True):
    """A private DKIM key that mail is signed with already."""

    selector: str
    path: str
    """Of the PEM file, as the configuration has it."""
    lines: list[int]


class WantedDomain(Thing, kw_only=True):
    """A sending domain with the keys that it has."""

    keys: list[WantedKey] = []


class Wanted(msgspec.Struct, kw_only=True):
    """All of it, with the report."""

    report: Report
    vmtas: list[WantedVmta] = []
    pools: list[WantedPool] = []
    domains: list[WantedDomain] = []
    policy: dict[str, Any] = {}
    """Fields of the ``[policy]`` table of the settings file, which is the operator's to write."""
    problems: list[int] = []
    """Directives that could not be read, by index."""


class Defaults(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller says where a configuration does not."""

    ehlo_domain: str = ""
    """EHLO name of addresses that have none of their own."""
