"""Making what a configuration asks for, one thing at a time, by the services that the API uses."""

from __future__ import annotations

from collections.abc import Awaitable

import msgspec

from postmta_ctl.core import dkim
from postmta_ctl.core.dkim import KeyPair
from postmta_ctl.core.errors import InputError
from postmta_ctl.errors import PostMTAError
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.domains import queries as domain_queries
from postmta_ctl.features.domains import service as domains
from postmta_ctl.features.importing.schemas import Action, Item, Kind
from postmta_ctl.features.pools import queries as pool_queries
from postmta_ctl.features.pools import service as pools
from postmta_ctl.features.pools.queries import PoolRow
from postmta_ctl.features.vmtas import queries as vmta_queries
from postmta_ctl.features.vmtas import service as vmtas
from postmta_ctl.features.vmtas.queries import VmtaRow
from postmta_ctl.importing.files import Reader
from postmta_ctl.importing.wanted import Thing, Wanted, WantedDomain, WantedKey, WantedPool, WantedVmta
from postmta_ctl.progress import reached
from postmta_ctl.system import System

Done = tuple[Action, str]
_OTHER = "there is one of this name already, which is another; it is left as it is"


class Maker:
    """Makes things for an organization.

    Args:
        system: The parts, with a database that is joined to one transaction.
        principal: For whom, and by whom.
        wanted: What is asked for; its report learns what cannot be made.
        reader: Of the files with the private keys.
        schedule: How new vMTAs are warmed up that were being warmed up before.
    """

    def __init__(self, system: System, principal: Principal, wanted: Wanted, reader: Reader, schedule: str) -> None:
        self._system = system
        self._principal = principal
        self._wanted = wanted
        self._reader = reader
        self._schedule = schedule
        self._refused: set[str] = set()
        self._vmtas: dict[str, VmtaRow] = {}
        self._pools: dict[str, PoolRow] = {}
        self._done = 0

    async def make(self) -> list[Item]:
        """Make everything, or find that it is there."""
        async with self._system.db.reading() as connection:
            organization_id = self._principal.organization_id
            rows = await vmta_queries.all_of_organization(connection, organization_id)
            named = await pool_queries.of_all(connection, organization_id)
        self._vmtas = {row.name: row for row in rows}
        self._pools = {row.name: row for _, row in named}
        items = [await self._one("vmta", one, self._vmta(one)) for one in self._wanted.vmtas]
        self._refused = {one.name for one in items if one.action == "conflict"}
        items += [await self._one("pool", one, self._pool(one)) for one in self._wanted.pools]
        return items + [await self._one("domain", one, self._domain(one)) for one in self._wanted.domains]

    async def _one(self, kind: Kind, thing: Thing, making: Awaitable[Done]) -> Item:
        try:
            action, detail = await making
        except PostMTAError as error:
            action, detail = "conflict", error.detail
        except InputError as error:
            action, detail = "conflict", error.message
        except msgspec.ValidationError as error:
            action, detail = "conflict", str(error)
        if action == "conflict":
            for line in set(thing.lines):
                self._wanted.report.refuse(line, f"{kind} {thing.name}: {detail}")
        self._done += 1
        reached("things", self._done, len(self._wanted.vmtas) + len(self._wanted.pools) + len(self._wanted.domains))
        return Item(kind=kind, name=thing.name, action=action, detail=detail)

    async def _vmta(self, wanted: WantedVmta) -> Done:
        protocol, server = wanted.proxy or (None, None)
        addresses = [one for one in (wanted.ip_address, wanted.ipv6_address) if one is not None]
        if row := self._vmtas.get(wanted.name):
            same = (*row.addresses, row.ehlo_domain, row.proxy_protocol, row.proxy_server)
            return _compared(same == (*addresses, wanted.ehlo_domain, protocol, server))
        values = {
            "name": wanted.name,
            "ip_address": wanted.ip_address,
            "ipv6_address": wanted.ipv6_address,
            "ehlo_domain": wanted.ehlo_domain,
            "warmup": {"schedule": self._schedule} if wanted.warming else None,
            "proxy": {"protocol": protocol, "server": server} if protocol else None,
        }
        await vmtas.create(self._system, self._principal, vmtas.read_create(values))
        warming = f", warming up by the schedule {self._schedule}" if wanted.warming else ""
        return "create", f"{' and '.join(addresses)} as {wanted.ehlo_domain}{warming}"

    async def _pool(self, wanted: WantedPool) -> Done:
        if missing := self._refused.intersection(wanted.members):
            raise InputError("member_refused", f"its member {min(missing)} cannot be made")
        domains_ = tuple(sorted(wanted.domains))
        if row := self._pools.get(wanted.name):
            same = (row.weights, row.domains, row.default_of is not None)
            return _compared(same == (wanted.members, domains_, wanted.default))
        if wanted.default and (taken := [name for name, row in self._pools.items() if row.default_of]):
            raise InputError("default_taken", f"the pool {taken[0]} is the organization's default already")
        members = [{"vmta": name, "weight": weight} for name, weight in wanted.members.items()]
        values = {"name": wanted.name, "members": members, "domains": list(domains_), "default": wanted.default}
        await pools.create(self._system, self._principal, pools.read_create(values))
        return "create", ", ".join(f"{name} ({weight})" for name, weight in sorted(wanted.members.items()))

    async def _domain(self, wanted: WantedDomain) -> Done:
        pairs = {key.selector: self._pair(key) for key in wanted.keys}
        async with self._system.db.reading() as connection:
            row = await domain_queries.by_name(connection, self._principal.organization_id, wanted.name)
            known = (await domain_queries.keys_of(connection, [row]))[row.id] if row else []
        if row:
            records = {(key.selector, key.public_record) for key in known}
            return _compared(records >= {(selector, pair.record) for selector, pair in pairs.items()})
        await domains.bring(self._system, self._principal, wanted.name, pairs)
        keys = ", ".join(f"{selector} ({pair.algorithm})" for selector, pair in pairs.items())
        return "create", f"signed with {keys}, once it is verified"

    def _pair(self, key: WantedKey) -> KeyPair:
        try:
            _, pem = self._reader.read(key.path)
            return dkim.existing(pem)
        except InputError as error:
            raise InputError(error.code, f"the key {key.selector}, {key.path}: {error.message}") from None


def _compared(same: bool) -> Done:
    return ("unchanged", "") if same else ("conflict", _OTHER)
