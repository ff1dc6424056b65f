"""Who sends, by a PowerMTA configuration: virtual MTAs, their pools, and the keys that mail is signed with."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from postmta_ctl.core.domain_names import parse_host
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.ip_addresses import parse_source_address
from postmta_ctl.importing.builder import Builder
from postmta_ctl.importing.names import renamed
from postmta_ctl.importing.powermta_macros import split
from postmta_ctl.importing.powermta_parser import Statement
from postmta_ctl.importing.report import Outcome
from postmta_ctl.importing.rules import Rule
from postmta_ctl.importing.wanted import Defaults, WantedPool, WantedVmta

Settled = tuple[Outcome, str]
_FROM_DOMAIN = re.compile(r"/\^?(?:\.\*)?@(?P<domain>[A-Za-z0-9.\\-]+)\$?/i?\Z")


class _Group(msgspec.Struct, kw_only=True):
    """A virtual MTA: all vMTAs that its addresses became."""

    given: str
    tags: list[int] = []
    vmtas: list[WantedVmta] = []
    last: dict[str, WantedVmta] = {}
    """By the name it was made for: the established one or the cold one, which may get its other half."""
    host_name: str = ""


class Senders:
    """Collects them; names are told apart without regard to case."""

    def __init__(self, builder: Builder, defaults: Defaults) -> None:
        self._builder = builder
        self._host_name = defaults.ehlo_domain
        self._groups: dict[str, _Group] = {}
        self._pools: dict[str, WantedPool] = {}
        self._by_address: dict[str, WantedVmta] = {}

    def handlers(self) -> dict[str, Callable[[Statement, Rule], Settled]]:
        """By action."""
        return {
            "host-name": self._server_name,
            "vmta-host-name": self._vmta_name,
            "virtual-mta": self._tag,
            "source-host": self._source_host,
            "cold-host": self._cold_host,
            "cold-name": self._cold_name,
            "pool": self._pool,
            "member": self._member,
            "default": self._default,
            "mail-from": self._mail_from,
            "domain-key": self._domain_key,
        }

    def finish(self) -> None:
        """Settle what depends on what came after it."""
        report, wanted = self._builder.report, self._builder.wanted
        for group in self._groups.values():
            for tag in group.tags if not group.vmtas else ():
                report.refuse(tag, "has no address that mail can leave from")
            if len(group.vmtas) == 1:
                group.vmtas[0].lines += group.tags
        for pool in [one for one in wanted.pools if not one.members]:
            wanted.pools.remove(pool)
            for line in pool.lines:
                report.refuse(line, "is of a pool without a member that can be used: mail would wait in it for ever")

    def _group(self, one: Statement) -> _Group:
        given = next(block.argument for block in one.blocks if block.name == "virtual-mta")
        return self._groups.setdefault(given.lower(), _Group(given=given, tags=[], vmtas=[], last={}))

    def _server_name(self, one: Statement, rule: Rule) -> Settled:
        self._host_name = _only(one)
        return rule.outcome, rule.note

    def _vmta_name(self, one: Statement, rule: Rule) -> Settled:
        self._group(one).host_name = _only(one)
        return rule.outcome, rule.note

    def _tag(self, one: Statement, rule: Rule) -> Settled:
        _only(one)
        self._group(one).tags.append(one.index)
        return rule.outcome, rule.note

    def _source_host(self, one: Statement, rule: Rule) -> Settled:
        return self._address(one, rule, self._group(one).given)

    def _cold_host(self, one: Statement, rule: Rule) -> Settled:
        settled = self._address(one, rule, f"{self._group(one).given}-cold")
        self._group(one).vmtas[-1].warming = True
        return settled

    def _address(self, one: Statement, rule: Rule, given: str) -> Settled:
        words = split(one.words)
        if not words:
            raise ValueError("names no address")
        group = self._group(one)
        if known := self._by_address.get(words[0]):
            group.vmtas.append(known)
            return "approximated", f"the vMTA {known.name} has this address already, and stands for this one as well"
        ehlo = words[1] if len(words) > 1 else group.host_name or self._host_name
        if not ehlo:
            raise ValueError("has no name to say in EHLO; give one by --ehlo-domain")
        if half := _half(group.last.get(given), words[0], ehlo):
            half.lines.append(one.index)
            group.vmtas.remove(half)
            group.vmtas.append(half)
            self._by_address[words[0]] = half
            pair = f"{half.ip_address} and {half.ipv6_address}"
            return rule.outcome, f"the vMTA {half.name}, {pair} as {half.ehlo_domain}; {rule.note}"
        made = self._builder.vmta(given, words[0], ehlo, [one.index])
        group.last[given] = made
        group.vmtas.append(made)
        self._by_address[words[0]] = made
        return rule.outcome, f"the vMTA {made.name}, {made.ip_address} as {made.ehlo_domain}; {rule.note}"

    def _cold_name(self, one: Statement, rule: Rule) -> Settled:
        for vmta in self._vmtas(split(one.words)[0] if one.words else ""):
            vmta.warming = True
        return rule.outcome, rule.note

    def _pool(self, one: Statement, rule: Rule) -> Settled:
        given = _only(one)
        pool = self._pools[given.lower()] = self._builder.pool(given.lower(), [one.index])
        return rule.outcome, f"{rule.note}{renamed(given, pool.name)}"

    def _member(self, one: Statement, rule: Rule) -> Settled:
        given = one.blocks[-1].argument.lower()
        names = [word for word in split(one.words) if "=" not in word]
        options = [word for word in split(one.words) if "=" in word]
        found = [vmta for name in names for vmta in self._vmtas(name)]
        if given not in self._pools or not found:
            raise ValueError("names no virtual MTA")
        pool = self._pools[given]
        pool.members |= {vmta.name: 1 for vmta in found}
        pool.lines.append(one.index)
        return ("approximated", f"without {' '.join(options)}") if options else (rule.outcome, rule.note)

    def _default(self, one: Statement, rule: Rule) -> Settled:
        pool = self._pool_of(_only(one))
        others = [other for other in self._builder.wanted.pools if other.default and other is not pool]
        if others:
            raise ValueError(f"the pool {others[0].name} is the default already")
        pool.default = True
        pool.lines.append(one.index)
        return rule.outcome, f"{rule.note}: {pool.name}"

    def _mail_from(self, one: Statement, rule: Rule) -> Settled:
        pattern, target = (*one.words, "", "")[:2]
        option, _, name = target.partition("=")
        matched = _FROM_DOMAIN.match(pattern)
        if matched is None or option.lower() not in ("virtual-mta", "virtual-mta-pool"):
            raise ValueError("only patterns of one domain, /@example\\.com$/, that lead to a virtual MTA or a pool")
        domain = matched["domain"].replace("\\", "").lower()
        taken = [other.name for other in self._builder.wanted.pools if domain in other.domains]
        if taken:
            raise ValueError(f"mail from {domain} leaves from the pool {taken[0]} already")
        pool = self._pool_of(name)
        pool.domains.append(domain)
        pool.lines.append(one.index)
        return rule.outcome, f"mail from {domain}, by the pool {pool.name}: {rule.note}"

    def _pool_of(self, name: str) -> WantedPool:
        """The pool of a name; for a virtual MTA one that is made of it."""
        if name.lower() not in self._pools:
            members = {vmta.name: 1 for vmta in self._vmtas(name)}
            self._pools[name.lower()] = pool = self._builder.pool(name.lower(), [])
            pool.members |= members
        return self._pools[name.lower()]

    def _vmtas(self, name: str) -> list[WantedVmta]:
        group = self._groups.get(name.lower())
        if group is None or not group.vmtas:
            raise ValueError(f"there is no virtual MTA {name} with an address")
        return group.vmtas

    def _domain_key(self, one: Statement, rule: Rule) -> Settled:
        parts = [part.strip() for part in " ".join(one.words).split(",", 2)]
        if len(parts) != 3 or not all(parts):
            raise ValueError("needs selector, domain and file, with commas between")
        selector, domain, path = parts
        if "*" in domain:
            raise ValueError(f"names no domain: give a line for each sending domain, as {selector},example.com,FILE")
        return rule.outcome, self._builder.key(domain, selector, path, one.index)


def _half(last: WantedVmta | None, address: str, ehlo: str) -> WantedVmta | None:
    """The vMTA that was made last, if the address makes a pair of IPv4 and IPv6 of it."""
    try:
        parsed, host = parse_source_address(address.strip("[]")), parse_host(ehlo)
    except InputError:
        return None  # said where a vMTA is made of it
    return last if last is not None and last.joined(parsed, host) else None


def _only(one: Statement) -> str:
    if len(one.words) != 1:
        raise ValueError("needs one name")
    return one.words[0]
