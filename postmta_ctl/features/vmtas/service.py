"""Creating, showing, changing and deleting virtual MTAs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.compiler.names import SLUG
from postmta_ctl.core.domain_names import parse_host
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.ids import is_id, new_id
from postmta_ctl.core.ip_addresses import is_public, parse_socket_address, parse_source_address
from postmta_ctl.errors import AlreadyExists, FieldError, InUse, NotFound
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.billing.plans import require_room
from postmta_ctl.features.fields import Fields
from postmta_ctl.features.nodes import queries as nodes
from postmta_ctl.features.policy import changes
from postmta_ctl.features.vmtas import addresses, queries, warmup
from postmta_ctl.features.vmtas.queries import VmtaRow
from postmta_ctl.features.vmtas.schemas import Pause, Proxy, Vmta, VmtaCreate, VmtaUpdate
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System


def read_create(values: dict[str, Any]) -> VmtaCreate:
    """What is to be made, from elsewhere than a request, held to the same limits.

    Raises:
        msgspec.ValidationError: A value is of another type or size.
    """
    return msgspec.convert(values, VmtaCreate)


def read_update(values: dict[str, Any]) -> VmtaUpdate:
    """What is to be changed, from elsewhere than a request, held to the same limits.

    Raises:
        msgspec.ValidationError: A value is of another type or size.
    """
    return msgspec.convert(values, VmtaUpdate)


async def create(system: System, principal: Principal, data: VmtaCreate) -> Vmta:
    """Make a vMTA for the organization.

    Its version goes on where a deleted one of the same name stopped: nodes keep the address of a source for as long
    as its queues are busy, so no name of a source may ever stand for two addresses.

    Raises:
        InvalidRequest: A field cannot be accepted.
        AlreadyExists: The organization has a vMTA of this name, or somebody has this address.
        Conflict: Its plan has room for no more.
    """
    try:
        async with system.db.transaction() as connection:
            row = await _row(connection, principal, data, system.now())
            version = 1 + await queries.retired_version(connection, row.organization_id, row.name)
            row = await addresses.holding(connection, msgspec.structs.replace(row, version=version))
            await require_room(system, connection, principal.organization_id, "vmtas")
            await queries.add(connection, row)
            await record_change(connection, row, principal.name, "created", row.created_at)
            shown = shown_vmta(row)
            await audit.record(connection, principal, "vmta.created", row.id, after=shown, now=row.created_at)
    except IntegrityError as error:
        raise _exists(error, data.ipv6_address) from error
    return shown


async def _row(connection: AsyncConnection, principal: Principal, data: VmtaCreate, now: datetime) -> VmtaRow:
    fields = Fields()
    name = fields.read("name", _slug, data.name)
    ip_address = fields.read("ip_address", parse_source_address, data.ip_address)
    ipv6_address = addresses.read_second(data.ipv6_address, fields)
    ehlo_domain = fields.read("ehlo_domain", parse_host, data.ehlo_domain)
    progress = await warmup.begin(connection, principal.organization_id, data.warmup, fields)
    proxy = _proxy(data.proxy, fields)
    places = await _nodes(connection, data.nodes, fields)
    fields.done()
    addresses.require_pair(ip_address, ipv6_address)
    return VmtaRow(
        id=new_id(now),
        organization_id=principal.organization_id,
        name=name,
        ip_address=ip_address,
        ipv6_address=ipv6_address,
        ehlo_domain=ehlo_domain,
        state="warming" if progress else "active",
        version=1,
        warmup=progress,
        **proxy,
        nodes=places,
        updated_at=now,
        created_at=now,
    )


def _slug(text: str) -> str:
    # A queue and a source carry the name, and neither escapes anything.
    if not SLUG.match(text):
        raise InputError("name_syntax", "must be 1 to 63 of a-z, 0-9 and -")
    return text


def _proxy(data: Proxy | None, fields: Fields) -> dict[str, Any]:
    if data is None:
        return {"proxy_protocol": None, "proxy_server": None}
    server = fields.read("proxy.server", parse_socket_address, data.server)
    return {"proxy_protocol": data.protocol, "proxy_server": server}


async def _nodes(connection: AsyncConnection, names: Iterable[str], fields: Fields) -> list[str]:
    """The nodes of these names, each once."""
    wanted = set(names)
    known = {row.name for row in await nodes.all_nodes(connection)} if wanted else set()
    for name in sorted(wanted - known):
        fields.refuse("nodes", f"there is no node {name}", code="node_unknown")
    return sorted(wanted)


def _exists(error: IntegrityError, second: str | UnsetType | None) -> AlreadyExists:
    if found := addresses.taken(error, second):
        return found
    message = "your organization has a vMTA of this name already"
    return AlreadyExists(f"name: {message}.", errors=(FieldError(field="name", message=message, code="taken"),))


async def list_vmtas(system: System, principal: Principal, paging: PageRequest) -> Page[Vmta]:
    """The organization's vMTAs, newest first."""
    async with system.db.reading() as connection:
        rows = await queries.of_organization(connection, principal.organization_id, paging)
    return paging.page([shown_vmta(row) for row in rows])


async def get(system: System, principal: Principal, vmta_id: str) -> Vmta:
    """One vMTA.

    Raises:
        NotFound: The organization has no such vMTA.
    """
    async with system.db.reading() as connection:
        return shown_vmta(await find(connection, principal, vmta_id))


async def update(system: System, principal: Principal, vmta_id: str, data: VmtaUpdate, unchanged: Condition) -> Vmta:
    """Change where and how mail leaves from a vMTA.

    A node keeps the address of a source as long as its queues are busy, so what is changed becomes a source of a new
    name. What is about to leave by the old one does; the rest follows the change.

    Raises:
        NotFound: The organization has no such vMTA.
        InvalidRequest: A field cannot be accepted.
        AlreadyExists: Somebody has this address.
        PreconditionFailed: It is another than the caller knows.
    """
    now = system.now()
    try:
        async with system.db.transaction() as connection:
            row = await find(connection, principal, vmta_id, lock=True)
            before = shown_vmta(row)
            unchanged.require(before)
            changed = await _changed(connection, row, data)
            if changed == row:
                return before
            if changed.addresses != row.addresses:
                changed = await addresses.holding(connection, changed)
            changed = msgspec.structs.replace(changed, version=row.version + 1, updated_at=now)
            await queries.save(connection, changed)
            await record_change(connection, changed, principal.name, "changed", now)
            after = shown_vmta(changed)
            await audit.record(connection, principal, "vmta.updated", row.id, before=before, after=after, now=now)
    except IntegrityError as error:
        raise _exists(error, data.ipv6_address) from error
    return after


async def _changed(connection: AsyncConnection, row: VmtaRow, data: VmtaUpdate) -> VmtaRow:
    fields, values = Fields(), dict[str, Any]()
    if data.ip_address is not UNSET:
        values["ip_address"] = fields.read("ip_address", parse_source_address, data.ip_address)
    if data.ipv6_address is not UNSET:
        values["ipv6_address"] = addresses.read_second(data.ipv6_address, fields)
    if data.ehlo_domain is not UNSET:
        values["ehlo_domain"] = fields.read("ehlo_domain", parse_host, data.ehlo_domain)
    if data.proxy is not UNSET:
        values |= _proxy(data.proxy, fields)
    if data.nodes is not UNSET:
        values["nodes"] = await _nodes(connection, data.nodes, fields)
    fields.done()
    changed = msgspec.structs.replace(row, **values)
    addresses.require_pair(changed.ip_address, changed.ipv6_address)
    return changed


async def delete(system: System, principal: Principal, vmta_id: str, unchanged: Condition) -> None:
    """Delete a vMTA. What a node has taken of its mail already is the node's to deliver.

    Raises:
        NotFound: The organization has no such vMTA.
        InUse: Accepted mail that must leave from it waits for a node.
        PreconditionFailed: It is another than the caller knows.
    """
    now = system.now()
    async with system.db.transaction() as connection:
        row = await find(connection, principal, vmta_id, lock=True)
        before = shown_vmta(row)
        unchanged.require(before)
        if await queries.waiting_count(connection, row):
            raise InUse("Accepted mail that must leave from this vMTA still waits for a node; try again later.")
        await queries.retire(connection, row)
        await record_change(connection, row, principal.name, "deleted", now)
        await audit.record(connection, principal, "vmta.deleted", row.id, before=before, now=now)


async def find(connection: AsyncConnection, principal: Principal, vmta_id: str, *, lock: bool = False) -> VmtaRow:
    """The organization's vMTA of this id.

    Raises:
        NotFound: There is none.
    """
    # PostgreSQL takes no NUL in a text, so what is no id is not looked for.
    row = await queries.by_id(connection, principal.organization_id, vmta_id, lock=lock) if is_id(vmta_id) else None
    if row is None:
        raise NotFound("There is no such vMTA.")
    return row


async def record_change(connection: AsyncConnection, row: VmtaRow, author: str, what: str, now: datetime) -> None:
    """Note for the next release what happened to a vMTA."""
    summary = f"vMTA {row.name} {what}"
    await changes.record(
        connection, organization_id=row.organization_id, author=author, summary=summary, now=now, domains=()
    )


def shown_vmta(row: VmtaRow) -> Vmta:
    """The vMTA as the API shows it."""
    return Vmta(
        id=row.id,
        name=row.name,
        ip_address=row.ip_address,
        ipv6_address=row.ipv6_address,
        is_public=all(map(is_public, row.addresses)),
        ehlo_domain=row.ehlo_domain,
        state=row.shown_state,
        version=row.version,
        proxy=_shown_proxy(row),
        nodes=row.nodes,
        warmup=warmup.shown(row),
        pause=_shown_pause(row),
        updated_at=row.updated_at,
        created_at=row.created_at,
    )


def _shown_proxy(row: VmtaRow) -> Proxy | None:
    if row.proxy_protocol is None or row.proxy_server is None:
        return None
    return Proxy(protocol=row.proxy_protocol, server=row.proxy_server)


def _shown_pause(row: VmtaRow) -> Pause | None:
    if row.paused_at is None:
        return None
    reason, author = row.paused_reason or "", row.paused_by or ""
    return Pause(reason=reason, author=author, since=row.paused_at, until=row.paused_until)
