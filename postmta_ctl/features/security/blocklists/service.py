"""Checks of addresses against the blocklists, and what is told of the lists themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core import dnsbl
from postmta_ctl.core.dnsbl import Blocklist, Code
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.ids import is_id
from postmta_ctl.core.ip_addresses import IPAddress, is_public
from postmta_ctl.errors import InvalidRequest, NotFound, PermissionDenied
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.credits import account
from postmta_ctl.features.fields import Fields
from postmta_ctl.features.security.blocklists import asking, catalogue, queries
from postmta_ctl.features.security.blocklists.asking import Found
from postmta_ctl.features.security.blocklists.queries import HealthRow
from postmta_ctl.features.security.blocklists.schemas import (
    AddressCheck,
    Blocklists,
    BlocklistStatus,
    CheckRequest,
    CheckResult,
    Cleared,
    ClearRequest,
    ListAnswer,
)
from postmta_ctl.features.vmtas import queries as vmtas
from postmta_ctl.features.vmtas.queries import VmtaRow
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.system import System

MAX_VMTAS = 100
"""Addresses of one request."""


class _Target(NamedTuple):
    address: IPAddress
    vmta: VmtaRow | None


async def check(system: System, principal: Principal, data: CheckRequest) -> CheckResult:
    """Ask the lists about one address, or those of vMTAs.

    A credit is taken for each address of which at least one list could tell; without enough of them no list is asked.

    Raises:
        InvalidRequest: Not exactly one thing to check, an address that is none or private, an unknown list.
        NotFound: The organization has no such vMTA.
        InsufficientCredits: There are fewer credits than addresses.
    """
    lists = _chosen(system, data)
    targets, skipped = await _targets(system, principal, data)
    async with system.db.transaction() as connection:
        await account.require(system, connection, principal.organization_id, "dnsbl_check", len(targets))
    found = await asking.ask(system, {target.address for target in targets}, lists, fresh=data.fresh)
    checks = [_shown(target, [one for one in found if one.address == str(target.address)], lists) for target in targets]
    credits = sum(one.answered > 0 for one in checks)
    if credits:
        async with system.db.transaction() as connection:
            await account.consume(
                system, connection, principal.organization_id, "dnsbl_check", credits, cause="DNSBL check"
            )
    return CheckResult(data=checks, credits=credits, skipped=skipped)


async def clear_cache(system: System, principal: Principal, data: ClearRequest | None) -> Cleared:
    """Forget what the lists said of one address, or of all.

    Raises:
        InvalidRequest: It is no address.
        PermissionDenied: Only operators may clear all of it.
    """
    given = data.ip_address if data else None
    if given is None and not principal.is_operator:
        raise PermissionDenied("The cache is shared: name an ip_address, or ask an operator to clear all of it.")
    address = None if given is None else str(_parse("ip_address", given))
    async with system.db.transaction() as connection:
        dropped = await queries.forget_answers(connection, address, system.now())
        await audit.record(
            connection,
            principal,
            "dnsbl.cache_cleared",
            address or "all",
            after={"dropped": dropped},
            now=system.now(),
        )
    return Cleared(dropped=dropped)


async def blocklists(system: System) -> Blocklists:
    """The lists that are asked, each with its health."""
    lists = catalogue.enabled(system.settings)
    health = await asking.refresh_health(system, lists)
    return Blocklists(data=[_status(lists[name], health[name]) for name in sorted(lists)])


async def known_health(connection: AsyncConnection) -> dict[str, HealthRow]:
    """What is known of the lists' health, without asking any."""
    return await queries.health(connection)


def _chosen(system: System, data: CheckRequest) -> dict[str, Blocklist]:
    lists = catalogue.enabled(system.settings)
    if data.lists is None:
        return lists
    problems = Fields()
    for index, name in enumerate(data.lists):
        problems.read(f"lists[{index}]", lambda one: _known(one, lists), name)
    problems.done()
    return {name: lists[name] for name in data.lists}


def _known(name: str, lists: Mapping[str, Blocklist]) -> str:
    if name not in lists:
        raise InputError("list_unknown", "is not among the lists that are asked; see /dnsbl/blocklists")
    return name


async def _targets(system: System, principal: Principal, data: CheckRequest) -> tuple[list[_Target], list[str]]:
    if (data.ip_address is not None) + (data.vmta_id is not None) + data.all_vmtas != 1:
        raise InvalidRequest.of("ip_address", "give exactly one of ip_address, vmta_id and all_vmtas")
    if data.ip_address is not None:
        return [_Target(_parse("ip_address", data.ip_address), None)], []
    async with system.db.reading() as connection:
        if data.vmta_id is not None:
            row = await _vmta(connection, principal, data.vmta_id)
            public = [one for one in row.addresses if is_public(one)]
            return [_Target(_parse("vmta_id", one), row) for one in public or row.addresses], []
        rows = await vmtas.of_organization(connection, principal.organization_id, PageRequest(limit=MAX_VMTAS))
    if len(rows) > MAX_VMTAS:
        raise InvalidRequest.of("all_vmtas", f"there are more than {MAX_VMTAS}; check them one by one, by vmta_id")
    return _public(rows)


async def _vmta(connection: AsyncConnection, principal: Principal, vmta_id: str) -> VmtaRow:
    row = await vmtas.by_id(connection, principal.organization_id, vmta_id) if is_id(vmta_id) else None
    if row is None:
        raise NotFound("There is no such vMTA.")
    return row


def _public(rows: list[VmtaRow]) -> tuple[list[_Target], list[str]]:
    """Every public address, and the names of those that have none."""
    targets, skipped = list[_Target](), list[str]()
    for row in rows:
        found = [_Target(_parse("all_vmtas", one), row) for one in row.addresses if is_public(one)]
        targets += found
        skipped += [] if found else [row.name]
    return targets, skipped


def _parse(field: str, text: str) -> IPAddress:
    try:
        return dnsbl.parse_address(text)
    except InputError as error:
        raise InvalidRequest.of(field, error.message, code=error.code) from None


def _shown(target: _Target, found: list[Found], lists: Mapping[str, Blocklist]) -> AddressCheck:
    statuses = [one.status for one in found]
    return AddressCheck(
        ip_address=str(target.address),
        vmta_id=target.vmta.id if target.vmta else None,
        vmta=target.vmta.name if target.vmta else None,
        status=dnsbl.overall(statuses),
        listed_on=statuses.count("listed"),
        answered=statuses.count("listed") + statuses.count("clean"),
        asked=len(found),
        results=[_answer(one, lists[one.list_id]) for one in found],
    )


def _answer(one: Found, blocklist: Blocklist) -> ListAnswer:
    return ListAnswer(
        list=one.list_id,
        name=blocklist.name,
        status=one.status,
        codes=one.codes,
        reason=one.reason,
        detail=one.detail,
        cached=one.cached,
        checked_at=one.checked_at,
    )


def _status(blocklist: Blocklist, health: HealthRow) -> BlocklistStatus:
    return BlocklistStatus(
        id=blocklist.id,
        name=blocklist.name,
        zone=None if blocklist.secret_zone else blocklist.zone,
        ipv4=blocklist.ipv4,
        ipv6=blocklist.ipv6,
        codes=[Code(code, meaning) for code, meaning in sorted(blocklist.codes.items())],
        source=blocklist.source,
        terms=blocklist.terms,
        health=health.health,
        detail=health.detail,
        probes=health.probes,
        checked_at=health.checked_at,
    )
