"""Making, changing, rotating and deleting SMTP credentials. Nodes judge by them within seconds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.client_address import parse_networks
from postmta_ctl.core.domain_names import parse_mail_domain
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.ids import new_id
from postmta_ctl.core.live_data import credential_digest
from postmta_ctl.errors import Conflict, NotFound
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.fields import Fields
from postmta_ctl.features.smtp_credentials import queries
from postmta_ctl.features.smtp_credentials.queries import SmtpCredentialRow
from postmta_ctl.features.smtp_credentials.schemas import (
    SmtpCredential,
    SmtpCredentialCreate,
    SmtpCredentialCreated,
    SmtpCredentialUpdate,
)
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System

MOST = 200
"""Credentials of one organization: more than its machines, fewer than would hurt a node."""


async def create(system: System, principal: Principal, data: SmtpCredentialCreate) -> SmtpCredentialCreated:
    """Make a credential for the organization.

    Raises:
        InvalidRequest: A domain or address is none, or the expiry is past.
        Conflict: The organization has as many as there may be.
    """
    now = system.now()
    limits = _limits(msgspec.structs.asdict(data), now)
    username, secret = f"{principal.organization}-{system.random(4).hex()}", system.random(32).hex()
    row = SmtpCredentialRow(
        id=new_id(now),
        organization_id=principal.organization_id,
        username=username,
        digest=credential_digest(username, secret),
        last_used_at=None,
        created_at=now,
        **limits,
    )
    async with system.db.transaction() as connection:
        if await queries.count(connection, principal.organization_id) >= MOST:
            raise Conflict(f"There are {MOST} SMTP credentials; delete one first.", code="too_many")
        await queries.add(connection, row, created_by=principal.user_id)
        await audit.record(connection, principal, "smtp_credential.created", row.id, after=_shown(row), now=now)
    return SmtpCredentialCreated(smtp_credential=_shown(row), secret=secret)


def _limits(given: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The fields as they are kept.

    Raises:
        InvalidRequest: Names each that cannot be.
    """
    fields = Fields()
    found = dict(given)
    for name, read in (("domains", parse_mail_domain), ("allowed_ips", _network)):
        if found.get(name) is not None:
            read_each = [fields.read(f"{name}[{at}]", read, text) for at, text in enumerate(found[name])]
            found[name] = list(dict.fromkeys(read_each))
    expires_at = found.get("expires_at")
    if expires_at is not None and (expires_at.tzinfo is None or expires_at <= now):
        fields.refuse("expires_at", "must be a future time with an offset from UTC", code="in_the_past")
    fields.done()
    return found


def _network(text: str) -> str:
    try:
        return str(parse_networks([text])[0])
    except ValueError:
        raise InputError("network_syntax", "is neither an address nor a network in CIDR notation") from None


async def list_credentials(system: System, principal: Principal, paging: PageRequest) -> Page[SmtpCredential]:
    """The organization's credentials, newest first."""
    async with system.db.reading() as connection:
        rows = await queries.of_organization(connection, principal.organization_id, paging)
    return paging.page([_shown(row) for row in rows])


async def get(system: System, principal: Principal, credential_id: str) -> SmtpCredential:
    """One credential.

    Raises:
        NotFound: The organization has no such credential.
    """
    async with system.db.reading() as connection:
        return _shown(await _found(connection, principal, credential_id))


async def _found(
    connection: AsyncConnection, principal: Principal, credential_id: str, *, lock: bool = False
) -> SmtpCredentialRow:
    row = await queries.by_id(connection, principal.organization_id, credential_id, lock=lock)
    if row is None:
        raise NotFound("There is no such SMTP credential.")
    return row


async def update(
    system: System, principal: Principal, credential_id: str, data: SmtpCredentialUpdate, unchanged: Condition
) -> SmtpCredential:
    """Change what a credential may be used for. Its sessions go by it from their next message on.

    Raises:
        NotFound: The organization has no such credential.
        InvalidRequest: A domain or address is none, or the expiry is past.
        PreconditionFailed: It is another than the caller knows.
    """
    now = system.now()
    given = {name: value for name, value in msgspec.structs.asdict(data).items() if value is not UNSET}
    limits = _limits(given, now)
    async with system.db.transaction() as connection:
        row = await _found(connection, principal, credential_id, lock=True)
        unchanged.require(_shown(row))
        changed = msgspec.structs.replace(row, **limits)
        await queries.save(connection, changed)
        await _record(connection, principal, "updated", row, changed, now)
    return _shown(changed)


async def rotate(system: System, principal: Principal, credential_id: str, overlap: timedelta) -> SmtpCredentialCreated:
    """Give a credential another secret. The one before it works on for the overlap; an older one ends now.

    Raises:
        NotFound: The organization has no such credential.
    """
    now, secret = system.now(), system.random(32).hex()
    async with system.db.transaction() as connection:
        row = await _found(connection, principal, credential_id, lock=True)
        changed = msgspec.structs.replace(
            row,
            digest=credential_digest(row.username, secret),
            previous_digest=row.digest if overlap else None,
            previous_until=now + overlap if overlap else None,
        )
        await queries.save(connection, changed)
        await _record(connection, principal, "rotated", row, changed, now)
    return SmtpCredentialCreated(smtp_credential=_shown(changed), secret=secret)


async def delete(system: System, principal: Principal, credential_id: str, unchanged: Condition) -> None:
    """Delete a credential. Nodes refuse it, and end its sessions, within seconds.

    Raises:
        NotFound: The organization has no such credential.
        PreconditionFailed: It is another than the caller knows.
    """
    async with system.db.transaction() as connection:
        row = await _found(connection, principal, credential_id, lock=True)
        unchanged.require(_shown(row))
        await queries.remove(connection, row)
        await audit.record(
            connection, principal, "smtp_credential.deleted", row.id, before=_shown(row), now=system.now()
        )


async def _record(
    connection: AsyncConnection,
    principal: Principal,
    what: str,
    before: SmtpCredentialRow,
    after: SmtpCredentialRow,
    now: datetime,
) -> None:
    action = f"smtp_credential.{what}"
    await audit.record(connection, principal, action, before.id, before=_shown(before), after=_shown(after), now=now)


def _shown(row: SmtpCredentialRow) -> SmtpCredential:
    return SmtpCredential(**{name: getattr(row, name) for name in SmtpCredential.__struct_fields__})
