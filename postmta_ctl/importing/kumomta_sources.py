"""Sources and pools of KumoMTA's ``sources`` helper."""

from __future__ import annotations

from typing import Any

from postmta_ctl.core.errors import InputError
from postmta_ctl.core.ip_addresses import parse_socket_address
from postmta_ctl.importing.builder import Builder, reason
from postmta_ctl.importing.kumomta_entries import Entries, Entry
from postmta_ctl.importing.kumomta_values import text
from postmta_ctl.importing.names import renamed
from postmta_ctl.importing.wanted import Defaults, WantedPool, WantedVmta

MAX_WEIGHT = 1_000_000
_PROXIES = {"haproxy": "ha_proxy", "socks5": "socks5_proxy"}


class Sources:
    """Collects them; all is settled at the end, since any file may complete what another began."""

    def __init__(self, builder: Builder, defaults: Defaults) -> None:
        self._builder = builder
        self._defaults = defaults
        self.sources = Entries(builder)
        self.members = Entries(builder)
        self._vmtas: dict[str, WantedVmta] = {}
        self._pools: dict[str, WantedPool] = {}
        self._tags: dict[str, list[int]] = {}

    def tag(self, name: str, index: int) -> None:
        """The table of a pool."""
        self._tags.setdefault(name, []).append(index)

    def finish(self) -> None:
        """Make vMTAs of the sources, then the pools of them."""
        by_address: dict[str, WantedVmta] = {}
        for (name,), entries in self.sources:
            try:
                self._source(name, entries, by_address)
            except ValueError as error:
                self.sources.settle(entries, "not_supported", reason(error))
        for (pool, source), entries in self.members:
            try:
                self._member(pool, source, entries)
            except ValueError as error:
                self.members.settle(entries, "not_supported", reason(error))
        for name, tags in self._tags.items():
            for tag in tags:
                self._settle_tag(name, tag)

    def pool(self, name: Any) -> WantedPool:
        """The pool of a name.

        Raises:
            ValueError: There is none, or it has no member.
        """
        if not isinstance(name, str) or name not in self._pools:
            raise ValueError(f"there is no pool {name} with a member")
        return self._pools[name]

    def _source(self, name: str, entries: dict[str, Entry], by_address: dict[str, WantedVmta]) -> None:
        address, proxy = _way_out(entries)
        if known := by_address.get(address):
            self._vmtas[name] = known
            note = f"the vMTA {known.name} has this address already, and stands for this source as well"
            self.sources.settle(entries, "approximated", note)
            return
        ehlo = entries["ehlo_domain"].value if "ehlo_domain" in entries else self._defaults.ehlo_domain
        if not ehlo:
            raise InputError("ehlo_missing", "has no ehlo_domain; give one by --ehlo-domain")
        lines = [entry.index for entry in entries.values()]
        made = self._builder.vmta(name, address, text(ehlo), lines)
        made.proxy = proxy
        self._vmtas[name] = by_address[address] = made
        self.sources.settle(entries, "imported", f"the vMTA {made.name}{renamed(name, made.name)}")

    def _member(self, pool: str, source: str, entries: dict[str, Entry]) -> None:
        weight = entries["weight"].value if "weight" in entries else 1
        if not isinstance(weight, int) or isinstance(weight, bool) or not 0 <= weight <= MAX_WEIGHT:
            raise ValueError(f"is no whole number up to {MAX_WEIGHT}")
        if source not in self._vmtas:
            raise ValueError(f"there is no source {source} that is imported")
        if weight == 0:
            raise ValueError("a source of weight 0 takes no mail, so it is no member")
        if pool not in self._pools:
            self._pools[pool] = self._builder.pool(pool, [])
        made, vmta = self._pools[pool], self._vmtas[source]
        # Two sources of one address are one vMTA here.
        made.members[vmta.name] = made.members.get(vmta.name, 0) + weight
        made.lines += [entry.index for entry in entries.values()]
        self.members.settle(entries, "imported", f"{vmta.name} in the pool {made.name}, weight {weight}")

    def _settle_tag(self, name: str, index: int) -> None:
        if pool := self._pools.get(name):
            pool.lines.append(index)
            self._builder.settle(index, "imported", f"the pool {pool.name}{renamed(name, pool.name)}")
        else:
            self._builder.settle(index, "not_supported", "a pool without members lets its mail wait for ever")


def _way_out(entries: dict[str, Entry]) -> tuple[str, tuple[str, str] | None]:
    """The address that receivers see, and the proxy that has it."""
    for protocol, prefix in _PROXIES.items():
        server, address = entries.get(f"{prefix}_server"), entries.get(f"{prefix}_source_address")
        if server and address:
            return text(address.value), (protocol, parse_socket_address(text(server.value)))
        if server or address:
            raise ValueError(f"KumoMTA uses no proxy unless {prefix}_server and {prefix}_source_address are both there")
    if "source_address" not in entries:
        raise ValueError("a vMTA needs an address, and this source has none")
    return text(entries["source_address"].value), None
