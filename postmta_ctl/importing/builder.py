"""What mappings of all formats share: things to make, collected while directives are settled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from postmta_ctl.core import domain_names
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.ip_addresses import parse_source_address
from postmta_ctl.importing.names import Names
from postmta_ctl.importing.report import Directive, Outcome, Report
from postmta_ctl.importing.wanted import Wanted, WantedDomain, WantedKey, WantedPool, WantedVmta


class Builder:
    """Collects what is wanted, and settles directives."""

    def __init__(self, directives: Sequence[Directive]) -> None:
        self.report = Report(directives)
        self.wanted = Wanted(report=self.report)
        self.vmta_names = Names("vmta")
        self.pool_names = Names("pool")
        self._pools: dict[str, WantedPool] = {}
        self._domains: dict[str, WantedDomain] = {}
        self._keys: dict[tuple[str, str], WantedKey] = {}

    def settle(self, index: int, outcome: Outcome, note: str) -> None:
        """Say what becomes of a directive."""
        self.report.settle(index, outcome, note)

    def unreadable(self, index: int, problem: str) -> None:
        """A directive that cannot be read; the import needs a person."""
        self.wanted.problems.append(index)
        self.settle(index, "not_supported", f"cannot be read: {problem}")

    def vmta(self, given: str, address: str, ehlo_domain: str, lines: list[int]) -> WantedVmta:
        """One more vMTA.

        Raises:
            InputError: No mail can leave from the address, or the EHLO name is none.
        """
        ip_address, host = parse_source_address(address.strip("[]")), domain_names.parse_host(ehlo_domain)
        made = WantedVmta(name=self.vmta_names.new(given), ip_address=ip_address, ehlo_domain=host, lines=lines)
        self.wanted.vmtas.append(made)
        return made

    def pool(self, given: str, lines: list[int]) -> WantedPool:
        """The pool of this name."""
        name = self.pool_names.of(given)
        if name not in self._pools:
            self._pools[name] = WantedPool(name=name, lines=[], members={}, domains=[])
            self.wanted.pools.append(self._pools[name])
        self._pools[name].lines += lines
        return self._pools[name]

    def key(self, domain: str, selector: str, path: str, *lines: int) -> str:
        """A key of a sending domain; what to say of it.

        Raises:
            InputError: The domain or the selector is none, or another file is to be the key of both.
        """
        name, label = domain_names.parse_mail_domain(domain), domain_names.parse_selector(selector)
        known = self._keys.get((name, label))
        if known is None:
            self._keys[name, label] = known = WantedKey(selector=label, path=path, lines=list(lines))
            self._domain(name, lines).keys.append(known)
            return f"key {label} of {name}"
        if known.path != path:
            place = self.report.place(known.lines[0])
            raise InputError("key_taken", f"{place} has another key of this domain and selector")
        known.lines += lines
        self._domain(name, lines)
        return f"key {label} of {name}, the same as at {self.report.place(known.lines[0])}"

    def _domain(self, name: str, lines: Sequence[int]) -> WantedDomain:
        if name not in self._domains:
            self._domains[name] = WantedDomain(name=name, lines=[], keys=[])
            self.wanted.domains.append(self._domains[name])
        self._domains[name].lines += lines
        return self._domains[name]

    def setting(self, path: str, value: Any) -> None:
        """A field of the ``[policy]`` table; a dot leads into a table of its own."""
        table, names = self.wanted.policy, path.split(".")
        for name in names[:-1]:
            table = table.setdefault(name, {})
        table[names[-1]] = value


def reason(error: ValueError) -> str:
    """What an error says is wrong."""
    return error.message if isinstance(error, InputError) else str(error)
