"""Claiming, showing and deleting sending domains."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core import rechecks
from postmta_ctl.core.dkim import KeyPair
from postmta_ctl.core.domain_names import MAX_NAME, parse_mail_domain, parse_selector
from postmta_ctl.core.ids import is_id, new_id
from postmta_ctl.errors import AlreadyExists, InUse, InvalidRequest, NotFound
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.billing.plans import require_room
from postmta_ctl.features.domains import keys, queries, records
from postmta_ctl.features.domains.keys import NewKey
from postmta_ctl.features.domains.queries import DomainRow, KeyRow
from postmta_ctl.features.domains.schemas import Domain, DomainCreate, DomainUpdate
from postmta_ctl.features.fields import Fields
from postmta_ctl.features.policy import changes
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System


def read_update(values: dict[str, Any]) -> DomainUpdate:
    """What is to be changed, from elsewhere than a request, held to the same limits.

    Raises:
        msgspec.ValidationError: A value is of another type or size.
    """
    return msgspec.convert(values, DomainUpdate)


async def create(system: System, principal: Principal, data: DomainCreate) -> Domain:
    """Claim a domain and make its DKIM keys. Any organization may claim any domain: proof comes with verification.

    Raises:
        InvalidRequest: No domain that mail can come from, or no selector.
        AlreadyExists: The organization has this domain.
        Conflict: Its plan has room for no more.
    """
    fields = Fields()
    name = fields.read("domain", parse_mail_domain, data.domain)
    selector = fields.read("dkim_selector", keys.parse_selector, data.dkim_selector)
    fields.done()
    async with system.db.reading() as connection:  # before the keys are made, which takes a core for a while
        if await queries.by_name(connection, principal.organization_id, name):
            raise _exists(name)
    row = _claim(system, principal, name)
    sealed = await asyncio.to_thread(keys.make, system, row, selector, row.created_at)
    return await _add(system, principal, row, sealed)


async def bring(system: System, principal: Principal, name: str, pairs: Mapping[str, KeyPair]) -> Domain:
    """Claim a domain whose mail is signed with keys already, and go on signing with them.

    Args:
        system: The parts.
        principal: Who claims it.
        name: The domain.
        pairs: The keys by selector; at least one.

    Raises:
        InvalidRequest: No domain that mail can come from, or no selector.
        AlreadyExists: The organization has this domain.
        Conflict: Its plan has room for no more.
    """
    fields = Fields()
    name = fields.read("domain", parse_mail_domain, name)
    selectors = {fields.read("selector", parse_selector, selector): pair for selector, pair in pairs.items()}
    fields.done()
    row = _claim(system, principal, name)
    sealed = [keys.sealed(system, row, selector, pair, row.created_at) for selector, pair in selectors.items()]
    return await _add(system, principal, row, sealed)


async def _add(system: System, principal: Principal, row: DomainRow, sealed: Sequence[NewKey]) -> Domain:
    public = [one.row for one in sealed]
    check_lengths(system, row, public)
    try:
        async with system.db.transaction() as connection:
            await require_room(system, connection, principal.organization_id, "domains")
            await queries.add(connection, row, [one.values() for one in sealed])
            shown = records.shown(system.settings, row, public)
            await audit.record(connection, principal, "domain.created", row.id, after=shown, now=row.created_at)
    except IntegrityError as error:
        raise _exists(row.name) from error
    return shown


def _claim(system: System, principal: Principal, name: str) -> DomainRow:
    now = system.now()
    return DomainRow(
        id=new_id(now),
        organization_id=principal.organization_id,
        name=name,
        status="pending",
        ownership_token=system.random(16).hex(),
        checks=None,
        checked_at=None,
        verified_at=None,
        next_check_at=now + rechecks.FIRST,
        created_at=now,
    )


def _exists(name: str) -> AlreadyExists:
    return AlreadyExists(f"domain: your organization has {name} already.")


def check_lengths(system: System, row: DomainRow, public: list[KeyRow]) -> None:
    """Refuse what DNS has no room for.

    Raises:
        InvalidRequest: ``domain_too_long``.
    """
    if any(len(record.name) > MAX_NAME for record in records.expected(system.settings, row, public)):
        message = "so long that the names of its DNS records would not fit into DNS"
        raise InvalidRequest.of("domain", message, code="domain_too_long")


async def list_domains(system: System, principal: Principal, paging: PageRequest) -> Page[Domain]:
    """The organization's domains, newest first."""
    async with system.db.reading() as connection:
        rows = await queries.of_organization(connection, principal.organization_id, paging)
        found = await queries.keys_of(connection, rows)
    return paging.page([records.shown(system.settings, row, found[row.id]) for row in rows])


async def get(system: System, principal: Principal, domain_id: str) -> Domain:
    """One domain.

    Raises:
        NotFound: The organization has no such domain.
    """
    async with system.db.reading() as connection:
        row = await find(connection, principal, domain_id)
        public = (await queries.keys_of(connection, [row]))[row.id]
    return records.shown(system.settings, row, public)


async def update(
    system: System, principal: Principal, domain_id: str, data: DomainUpdate, unchanged: Condition
) -> Domain:
    """Change the settings of a domain.

    Raises:
        NotFound: The organization has no such domain.
        PreconditionFailed: It is another than the caller knows.
    """
    given = {name: getattr(data, name) for name in data.__struct_fields__}
    values = {name: value for name, value in given.items() if value is not UNSET}
    return await change(system, principal, domain_id, values, unchanged, "domain.updated")


async def change(
    system: System, principal: Principal, domain_id: str, values: dict[str, Any], unchanged: Condition, action: str
) -> Domain:
    """Give settings of a domain other values.

    Raises:
        NotFound: The organization has no such domain.
        PreconditionFailed: It is another than the caller knows.
    """
    async with system.db.transaction() as connection:
        row = await find(connection, principal, domain_id, lock=True)
        public = (await queries.keys_of(connection, [row]))[row.id]
        before = records.shown(system.settings, row, public)
        unchanged.require(before)
        changed = msgspec.structs.replace(row, **values)
        await queries.save_settings(connection, changed)
        after = records.shown(system.settings, changed, public)
        if after != before:
            await audit.record(connection, principal, action, row.id, before=before, after=after, now=system.now())
    return after


async def delete(system: System, principal: Principal, domain_id: str, unchanged: Condition) -> None:
    """Delete a domain and its keys. Mail that a node has taken is signed already and goes its way.

    Accepted mail that waits for a node would be refused there, since the policy knows the domain no more; so the
    domain stays for as long as there is any.

    Raises:
        NotFound: The organization has no such domain.
        InUse: Accepted mail from it waits for a node.
        PreconditionFailed: It is another than the caller knows.
    """
    async with system.db.transaction() as connection:
        row = await find(connection, principal, domain_id, lock=True)
        public = (await queries.keys_of(connection, [row]))[row.id]
        unchanged.require(records.shown(system.settings, row, public))
        if await queries.has_waiting_mail(connection, row):
            raise InUse("Accepted mail from this domain still waits for a node; try again later.")
        await queries.remove(connection, row)
        before = {"domain": row.name, "status": row.status}
        await audit.record(connection, principal, "domain.deleted", row.id, before=before, now=system.now())
        if row.status == queries.VERIFIED:
            summary = f"domain {row.name} deleted"
            await record_change(connection, row, principal.name, summary, system.now())


async def find(connection: AsyncConnection, principal: Principal, domain_id: str, *, lock: bool = False) -> DomainRow:
    """The organization's domain of this id.

    Raises:
        NotFound: There is none.
    """
    # PostgreSQL takes no NUL in a text, so what is no id is not looked for.
    known = is_id(domain_id)
    row = await queries.by_id(connection, principal.organization_id, domain_id, lock=lock) if known else None
    if row is None:
        raise NotFound("There is no such domain.")
    return row


async def lock(connection: AsyncConnection, row: DomainRow) -> DomainRow:
    """The domain as it is now, which nobody else changes until the transaction ends.

    Raises:
        NotFound: It was deleted.
    """
    found = await queries.by_id(connection, row.organization_id, row.id, lock=True)
    if found is None:
        raise NotFound("There is no such domain.")
    return found


async def record_change(connection: AsyncConnection, row: DomainRow, author: str, summary: str, now: datetime) -> None:
    """Note a change of the policy in the history of the domain's organization."""
    await changes.record(
        connection,
        organization_id=row.organization_id,
        author=author,
        summary=summary,
        now=now,
        domains=[row.name],
    )
