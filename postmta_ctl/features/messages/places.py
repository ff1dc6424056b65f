"""What a message leaves from: the organization's verified domains, vMTAs and pools, looked up for many at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.errors import DomainNotVerified, InvalidRequest
from postmta_ctl.features.messages import place_queries as queries
from postmta_ctl.features.messages.compose import NewMessage
from postmta_ctl.system import System


class Places(msgspec.Struct, frozen=True):
    """What of an organization some messages name, as far as it has it."""

    domains: Mapping[str, str | None]
    """Verified domains, each with the name of the pool that its mail leaves from unless the message says another."""
    vmtas: frozenset[str]
    pools: frozenset[str]


async def find_places(connection: AsyncConnection, organization_id: str, named_by: Iterable[NewMessage]) -> Places:
    """Look up what these messages of an organization name."""
    messages = list(named_by)
    domains = await queries.sending_domains(connection, organization_id, {one.sender.domain for one in messages})
    return await _places(connection, organization_id, messages, domains)


async def known_places(
    system: System, connection: AsyncConnection, organization_id: str, named_by: Iterable[NewMessage]
) -> Places:
    """The same, with verified domains that this process has seen in the last second.

    For a transaction that writes: one that only reads may see an older state than the process has.
    """
    messages = list(named_by)
    domains = await _known_domains(system, connection, organization_id, {one.sender.domain for one in messages})
    return await _places(connection, organization_id, messages, domains)


async def _places(
    connection: AsyncConnection,
    organization_id: str,
    messages: Iterable[NewMessage],
    domains: Mapping[str, str | None],
) -> Places:
    vmtas = {one.request.vmta for one in messages if one.request.vmta is not None}
    pools = {one.request.pool for one in messages if one.request.pool is not None}
    return Places(
        domains,
        await queries.vmtas_named(connection, organization_id, vmtas),
        await queries.pools_named(connection, organization_id, pools),
    )


async def _known_domains(
    system: System, connection: AsyncConnection, organization_id: str, names: Collection[str]
) -> dict[str, str | None]:
    version, found = system.db.changes, {}
    for name in names:
        if known := system.known.get(("sending domain", organization_id, name), version):
            (found[name],) = known
    if unknown := set(names) - found.keys():
        news = await queries.sending_domains(connection, organization_id, unknown)
        for name, pool in news.items():
            system.known.set(("sending domain", organization_id, name), (pool,), version)
        found |= news
    return found


def place(message: NewMessage, places: Places) -> NewMessage:
    """The message with the pool that it leaves from, if it comes from what is the organization's.

    Raises:
        DomainNotVerified: The From domain is none of its verified ones.
        InvalidRequest: It has no such vMTA or pool, or both are given.
    """
    request, domain = message.request, message.sender.domain
    if domain not in places.domains:
        raise DomainNotVerified(f"from: {domain} is not a verified domain of your organization.")
    if request.vmta is not None and request.pool is not None:
        raise InvalidRequest.of("pool", "give either a vMTA or a pool")
    if request.vmta is not None and request.vmta not in places.vmtas:
        raise InvalidRequest.of("vmta", "there is no vMTA of this name", code="vmta_unknown")
    if request.pool is not None and request.pool not in places.pools:
        raise InvalidRequest.of("pool", "there is no pool of this name", code="pool_unknown")
    pool = None if request.vmta is not None else request.pool or places.domains[domain]
    return message if pool is None else msgspec.structs.replace(message, pool=pool)
