"""Making, listing, checking and deleting API keys."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core import tokens
from postmta_ctl.core.client_address import parse_networks, within
from postmta_ctl.core.ids import new_id
from postmta_ctl.errors import Conflict, FieldError, InvalidRequest, NotFound, PermissionDenied, Unauthenticated
from postmta_ctl.features.api_keys import queries
from postmta_ctl.features.api_keys.queries import ApiKeyRow
from postmta_ctl.features.api_keys.schemas import ApiKey, ApiKeyCreate, ApiKeyCreated
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import SCOPES, Principal
from postmta_ctl.features.billing.plans import require_room
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System

LAST_USE_RESOLUTION = timedelta(minutes=1)
"""``last_used_at`` is written at most this often: a write per request would cost more than it tells."""


async def create(system: System, principal: Principal, data: ApiKeyCreate) -> ApiKeyCreated:
    """Make a key for the organization.

    Raises:
        InvalidRequest: A scope does not exist or is beyond its maker, or the expiry is past.
        Conflict: The plan has room for no more.
    """
    now = system.now()
    _check(principal, data, now)
    key = tokens.make_api_key(system.random)
    row = ApiKeyRow(
        id=new_id(now),
        organization_id=principal.organization_id,
        name=data.name,
        prefix=key.prefix,
        digest=key.digest,
        scopes=sorted(set(data.scopes)),
        allowed_ips=data.allowed_ips,
        expires_at=data.expires_at,
        last_used_at=None,
        created_at=now,
        slug=principal.organization,
    )
    kept = {name: getattr(row, name) for name in row.__struct_fields__ if name in queries.KEPT}
    async with system.db.transaction() as connection:
        await require_room(system, connection, principal.organization_id, "api_keys")
        await queries.add(connection, created_by=principal.user_id, **kept)
        await audit.record(connection, principal, "api_key.created", row.id, after=_shown(row), now=now)
    return ApiKeyCreated(api_key=_shown(row), secret=key.secret)


def _check(principal: Principal, data: ApiKeyCreate, now: datetime) -> None:
    errors = [
        FieldError(field=f"scopes[{index}]", message=f"{scope}: {problem}")
        for index, scope in enumerate(data.scopes)
        if (problem := _scope_problem(principal, scope))
    ]
    if data.expires_at is not None and (data.expires_at.tzinfo is None or data.expires_at <= now):
        errors.append(FieldError(field="expires_at", message="must be a future time with an offset from UTC"))
    errors += [
        FieldError(field=f"allowed_ips[{index}]", message="is neither an address nor a network in CIDR notation")
        for index, text in enumerate(data.allowed_ips or ())
        if not _is_network(text)
    ]
    if errors:
        raise InvalidRequest("The key cannot be made.", errors=tuple(errors))


def _is_network(text: str) -> bool:
    try:
        parse_networks([text])
    except ValueError:
        return False
    return True


def _scope_problem(principal: Principal, scope: str) -> str | None:
    if scope not in SCOPES:
        return "there is no such scope; known are " + ", ".join(sorted(SCOPES))
    return None if scope in principal.scopes else "you do not have this scope yourself"


async def list_keys(system: System, principal: Principal, paging: PageRequest) -> Page[ApiKey]:
    """The organization's keys, newest first."""
    async with system.db.reading() as connection:
        rows = await queries.of_organization(connection, principal.organization_id, paging)
    return paging.page([_shown(row) for row in rows])


async def get(system: System, principal: Principal, key_id: str) -> ApiKey:
    """One key.

    Raises:
        NotFound: The organization has no such key.
    """
    async with system.db.reading() as connection:
        return _shown(await _found(connection, principal, key_id))


async def _found(connection: AsyncConnection, principal: Principal, key_id: str, *, lock: bool = False) -> ApiKeyRow:
    row = await queries.by_id(connection, principal.organization_id, key_id, lock=lock)
    if row is None:
        raise NotFound("There is no such API key.")
    return row


async def rotate(
    system: System, principal: Principal, key_id: str, overlap: timedelta, unchanged: Condition
) -> ApiKeyCreated:
    """Give a key another secret. The one before it works on for the overlap; an older one ends now.

    Raises:
        NotFound: The organization has no such key.
        PermissionDenied: The key has a scope that the caller lacks, who would get it by the new secret.
        Conflict: The key has expired.
        PreconditionFailed: The key is another than the caller knows.
    """
    key = tokens.make_api_key(system.random)
    now = system.now()
    async with system.db.transaction() as connection:
        row = await _found(connection, principal, key_id, lock=True)
        unchanged.require(version(_shown(row)))
        if not principal.scopes.issuperset(row.scopes):
            raise PermissionDenied("The key has a scope that you do not have yourself.", code="missing_scope")
        if _expired(row, now):
            raise Conflict("The key has expired; make a new one.", code="expired")
        changed = msgspec.structs.replace(
            row,
            prefix=key.prefix,
            digest=key.digest,
            previous_prefix=row.prefix if overlap else None,
            previous_digest=row.digest if overlap else None,
            previous_until=now + overlap if overlap else None,
        )
        await queries.rotate(connection, changed)
        await audit.record(
            connection, principal, "api_key.rotated", row.id, before=_shown(row), after=_shown(changed), now=now
        )
    return ApiKeyCreated(api_key=_shown(changed), secret=key.secret)


async def delete(system: System, principal: Principal, key_id: str, unchanged: Condition) -> None:
    """Delete a key; it is refused from this moment on.

    Raises:
        NotFound: The organization has no such key.
        PreconditionFailed: The key is another than the caller knows.
    """
    async with system.db.transaction() as connection:
        row = await _found(connection, principal, key_id, lock=True)
        unchanged.require(version(_shown(row)))
        await queries.remove(connection, principal.organization_id, key_id)
        await audit.record(connection, principal, "api_key.deleted", key_id, before=_shown(row), now=system.now())


async def authenticate(system: System, credential: str, address: str, now: datetime) -> Principal:
    """The principal that a key stands for.

    Raises:
        Unauthenticated: The key is unknown, expired or deleted; which of them is not said.
        PermissionDenied: The key may not be used from this address.
    """
    async with system.db.reading() as connection:
        row = await queries.by_prefix(connection, tokens.api_key_prefix(credential))
    if row is None or not _opens(row, credential, now) or _expired(row, now):
        raise Unauthenticated("The API key is not valid.")
    if row.allowed_ips is not None and not within(address, parse_networks(row.allowed_ips)):
        raise PermissionDenied("The API key may not be used from this address.", code="address_not_allowed")
    if row.last_used_at is None or now - row.last_used_at > LAST_USE_RESOLUTION:
        async with system.db.transaction() as connection:
            await queries.touch(connection, row.id, now)
    return Principal(
        organization_id=row.organization_id,
        organization=row.slug,
        role="api_key",
        scopes=frozenset(row.scopes),
        api_key_id=row.id,
        address=address,
        plan=row.plan,
    )


def _opens(row: ApiKeyRow, credential: str, now: datetime) -> bool:
    if tokens.verify(credential, row.digest):
        return True
    if row.previous_digest is None or row.previous_until is None or row.previous_until <= now:
        return False
    return tokens.verify(credential, row.previous_digest)


def _expired(row: ApiKeyRow, now: datetime) -> bool:
    return row.expires_at is not None and row.expires_at <= now


def version(key: ApiKey) -> ApiKey:
    """What tells one version of a key from another: using it makes none."""
    return msgspec.structs.replace(key, last_used_at=None)


def _shown(row: ApiKeyRow) -> ApiKey:
    return ApiKey(**{name: getattr(row, name) for name in ApiKey.__struct_fields__})
