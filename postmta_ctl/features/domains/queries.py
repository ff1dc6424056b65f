"""SQL of sending domains."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.compiler.model import SendingDomain, SigningKey
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import dkim_keys, domains, messages, organizations, outbox

Status = Literal["pending", "verified", "failing"]
VERIFIED: Status = "verified"

KeyState = Literal["pending", "active", "retiring", "retired"]
KEYS_ON_NODES = ("active", "retiring")
"""Those that sign, and those that a node signs by that runs an older release still."""

_NAMES_PER_QUERY = 1000
"""Both engines limit how many parameters a statement may have."""


class DomainRow(msgspec.Struct, frozen=True, kw_only=True):
    """A domain that an organization claims, or has proved to be its own."""

    id: str
    organization_id: str
    name: str
    status: Status
    """Mail may come from a ``verified`` one only."""
    ownership_token: str
    checks: list[Any] | None
    checked_at: datetime | None
    verified_at: datetime | None
    """Since when the organization holds the name; at most one does."""
    insights: list[Any] | None = None
    """How the records work together, as the last verification found it."""
    bimi: dict[str, Any] | None = None
    """See ``bimi.Logo``."""
    tracking_host: str | None = None
    """The domain's own host that tracking links go through, once it was found to lead to us."""
    dkim_rotation_days: int | None = None
    """How old its keys may get before they are replaced by themselves."""
    next_check_at: datetime | None = None
    created_at: datetime


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """The public side of a DKIM key."""

    id: str
    domain_id: str
    selector: str
    algorithm: str
    public_record: str
    state: KeyState = "active"
    """``pending``: its record is to be published; ``active``: it signs; ``retiring``: it does not sign any more, and
    mail that it signed may still be on its way; ``retired``: the private key is gone."""
    rotation_id: str | None = None
    """The rotation that made it; none for the keys that came with the domain."""
    retired_by: str | None = None
    """The rotation that replaced or gave it up."""
    created_at: datetime


class SealedKeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A private DKIM key as it is kept: encrypted."""

    id: str
    domain_id: str
    name: str
    selector: str
    sealed_private_key: bytes


_DOMAIN = select(*(domains.c[name] for name in DomainRow.__struct_fields__))
_KEY = select(*(dkim_keys.c[name] for name in KeyRow.__struct_fields__))


async def verified_domain(connection: AsyncConnection, organization_id: str, name: str) -> DomainRow | None:
    """The organization's domain of this name (A-labels, lower case), if mail may come from it: one index look-up."""
    return _row(await connection.execute(_named(organization_id, name).where(domains.c.status == VERIFIED)))


async def by_name(connection: AsyncConnection, organization_id: str, name: str) -> DomainRow | None:
    """The organization's domain of this name, whatever its status."""
    return _row(await connection.execute(_named(organization_id, name)))


async def by_id(
    connection: AsyncConnection, organization_id: str, domain_id: str, *, lock: bool = False
) -> DomainRow | None:
    """A domain of the organization; ``lock`` keeps others from changing it until the transaction ends."""
    query = _DOMAIN.where(*_owned(organization_id, domain_id))
    return _row(await connection.execute(query.with_for_update() if lock else query))


async def of_id(connection: AsyncConnection, domain_id: str, *, lock: bool = False) -> DomainRow | None:
    """A domain, whosever it is: for jobs."""
    query = _DOMAIN.where(domains.c.id == domain_id)
    return _row(await connection.execute(query.with_for_update() if lock else query))


async def lease_checks(
    connection: AsyncConnection, now: datetime, *, limit: int, lifetime: timedelta
) -> list[DomainRow]:
    """The domains that are due to be checked; due again after the lease, should this process die."""
    due = _DOMAIN.where(domains.c.next_check_at <= now).order_by(domains.c.next_check_at).limit(limit)
    found = (await connection.execute(due.with_for_update(skip_locked=True))).mappings()
    rows = [DomainRow(**row) for row in found]
    leased = domains.c.id.in_([row.id for row in rows])
    await connection.execute(update(domains).where(leased).values(next_check_at=now + lifetime))
    return rows


async def check_soon(connection: AsyncConnection, row: DomainRow, now: datetime) -> None:
    """Have the domain's records looked up at the next turn."""
    await connection.execute(update(domains).where(domains.c.id == row.id).values(next_check_at=now))


async def other_holder(connection: AsyncConnection, row: DomainRow) -> DomainRow | None:
    """The domain of the same name that another organization has proved to be its own."""
    held = _DOMAIN.where(domains.c.name == row.name, domains.c.verified_at.is_not(None), domains.c.id != row.id)
    return _row(await connection.execute(held.with_for_update()))


async def of_organization(connection: AsyncConnection, organization_id: str, paging: PageRequest) -> list[DomainRow]:
    """One page of the organization's domains, and one more."""
    query = paging.apply(
        _DOMAIN.where(domains.c.organization_id == organization_id),
        domains.c.id,
        domain=domains.c.name,
        status=domains.c.status,
    )
    return [DomainRow(**row) for row in (await connection.execute(query)).mappings()]


async def of_names(connection: AsyncConnection, names: Collection[str]) -> list[DomainRow]:
    """Every organization's domains of these names."""
    query = _DOMAIN.where(domains.c.name.in_(names)).order_by(domains.c.id)
    return [DomainRow(**row) for row in (await connection.execute(query)).mappings()]


async def keys_of(connection: AsyncConnection, rows: Sequence[DomainRow]) -> dict[str, list[KeyRow]]:
    """The DKIM keys of each domain by the domain's id, in the order they were made."""
    query = _KEY.where(dkim_keys.c.domain_id.in_([row.id for row in rows])).order_by(dkim_keys.c.id)
    found: defaultdict[str, list[KeyRow]] = defaultdict(list)
    for row in (await connection.execute(query)).mappings():
        found[row["domain_id"]].append(KeyRow(**row))
    return found


async def count_verified(connection: AsyncConnection) -> int:
    """How many domains mail may come from."""
    return await connection.scalar(select(func.count()).where(domains.c.status == VERIFIED)) or 0


async def first_of_each(connection: AsyncConnection) -> list[str]:
    """One verified domain of each organization that has any, in the order of their slugs."""
    first = (
        select(domains.c.name)
        .where(domains.c.organization_id == organizations.c.id, domains.c.status == VERIFIED)
        .order_by(domains.c.name)
        .limit(1)
        .correlate(organizations)
        .scalar_subquery()
    )
    query = select(first).select_from(organizations).order_by(organizations.c.slug)
    return [name for name in await connection.scalars(query) if name]


async def signing_keys(connection: AsyncConnection, names: Collection[str]) -> tuple[SendingDomain, ...]:
    """Those of the named domains that are verified, with their keys, as the policy is made of them."""
    ordered = sorted(names)
    found: list[SendingDomain] = []
    for start in range(0, len(ordered), _NAMES_PER_QUERY):
        found += await _signing(connection, domains.c.name.in_(ordered[start : start + _NAMES_PER_QUERY]))
    return tuple(found)


async def all_signing_keys(connection: AsyncConnection) -> tuple[SendingDomain, ...]:
    """The same of every verified domain."""
    return await _signing(connection)


async def _signing(connection: AsyncConnection, *conditions: Any) -> tuple[SendingDomain, ...]:
    query = (
        select(domains.c.name, organizations.c.slug, dkim_keys.c.selector, dkim_keys.c.algorithm, dkim_keys.c.id)
        .join_from(domains, organizations)
        .join(dkim_keys, dkim_keys.c.domain_id == domains.c.id)
        .where(domains.c.status == VERIFIED, dkim_keys.c.state == "active", *conditions)
        .order_by(dkim_keys.c.id)
    )
    found: defaultdict[tuple[str, str], list[SigningKey]] = defaultdict(list)
    for row in await connection.execute(query):
        found[row.name, row.slug].append(SigningKey(selector=row.selector, algorithm=row.algorithm, id=row.id))
    return tuple(SendingDomain(name=name, organization=slug, keys=tuple(keys)) for (name, slug), keys in found.items())


async def sealed_keys(connection: AsyncConnection, names: Collection[str]) -> list[SealedKeyRow]:
    """The private keys of those of the named domains that organizations have proved to be theirs."""
    ordered = sorted(names)
    query = select(
        *(dkim_keys.c[name] for name in SealedKeyRow.__struct_fields__ if name != "name"), domains.c.name
    ).join_from(dkim_keys, domains)
    found = []
    for start in range(0, len(ordered), _NAMES_PER_QUERY):
        some = ordered[start : start + _NAMES_PER_QUERY]
        asked = query.where(
            domains.c.verified_at.is_not(None),
            domains.c.name.in_(some),
            dkim_keys.c.state.in_(KEYS_ON_NODES),
            dkim_keys.c.sealed_private_key.is_not(None),
        ).order_by(dkim_keys.c.id)
        found += [SealedKeyRow(**row) for row in (await connection.execute(asked)).mappings()]
    return found


async def has_waiting_mail(connection: AsyncConnection, row: DomainRow) -> bool:
    """Whether mail from the domain was accepted that no node has taken yet."""
    waiting = (
        select(outbox.c.recipient_id)
        .join(messages, messages.c.id == outbox.c.message_id)
        .where(messages.c.organization_id == row.organization_id, messages.c.domain == row.name)
    )
    return bool(await connection.scalar(select(exists(waiting))))


async def add(connection: AsyncConnection, row: DomainRow, keys: Sequence[dict[str, Any]]) -> None:
    """Insert a domain with its keys."""
    await connection.execute(insert(domains).values(**msgspec.structs.asdict(row)))
    await connection.execute(insert(dkim_keys), keys)


_STATE = ("status", "checks", "insights", "checked_at", "verified_at", "tracking_host", "next_check_at")
_SETTINGS = ("bimi", "dkim_rotation_days")


async def save_settings(connection: AsyncConnection, row: DomainRow) -> None:
    """Write what its organization has set."""
    values = {name: getattr(row, name) for name in _SETTINGS}
    await connection.execute(update(domains).where(domains.c.id == row.id).values(**values))


async def save(connection: AsyncConnection, row: DomainRow) -> None:
    """Write the state of a domain and its last checks."""
    values = {name: getattr(row, name) for name in _STATE}
    await connection.execute(update(domains).where(domains.c.id == row.id).values(**values))


async def remove(connection: AsyncConnection, row: DomainRow) -> None:
    """Delete a domain, and its keys with it."""
    await connection.execute(delete(domains).where(domains.c.id == row.id))


def _named(organization_id: str, name: str) -> Any:
    return _DOMAIN.where(domains.c.organization_id == organization_id, domains.c.name == name)


def _owned(organization_id: str, domain_id: str) -> tuple[Any, ...]:
    return domains.c.id == domain_id, domains.c.organization_id == organization_id


def _row(result: Any) -> DomainRow | None:
    row = result.mappings().one_or_none()
    return None if row is None else DomainRow(**row)
