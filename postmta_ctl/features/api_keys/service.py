"""Making, listing, checking and deleting API keys."""

from __future__ import annotations

from datetime import datetime, timedelta

from postmta_ctl.core import tokens
from postmta_ctl.core.ids import new_id
from postmta_ctl.errors import FieldError, InvalidRequest, NotFound, Unauthenticated
from postmta_ctl.features.api_keys import queries
from postmta_ctl.features.api_keys.queries import ApiKeyRow
from postmta_ctl.features.api_keys.schemas import ApiKey, ApiKeyCreate, ApiKeyCreated
from postmta_ctl.features.auth.principal import SCOPES, Principal
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.system import System

LAST_USE_RESOLUTION = timedelta(minutes=1)
"""``last_used_at`` is written at most this often: a write per request would cost more than it tells."""


async def create(system: System, principal: Principal, data: ApiKeyCreate) -> ApiKeyCreated:
    """Make a key for the organization.

    Raises:
        InvalidRequest: A scope does not exist or is beyond its maker, or the expiry is past.
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
        expires_at=data.expires_at,
        last_used_at=None,
        created_at=now,
        slug=principal.organization,
    )
    kept = {name: getattr(row, name) for name in row.__struct_fields__ if name != "slug"}
    async with system.db.transaction() as connection:
        await queries.add(connection, created_by=principal.user_id, **kept)
    return ApiKeyCreated(api_key=_shown(row), secret=key.secret)


def _check(principal: Principal, data: ApiKeyCreate, now: datetime) -> None:
    errors = [
        FieldError(field=f"scopes[{index}]", message=f"{scope}: {problem}")
        for index, scope in enumerate(data.scopes)
        if (problem := _scope_problem(principal, scope))
    ]
    if data.expires_at is not None and (data.expires_at.tzinfo is None or data.expires_at <= now):
        errors.append(FieldError(field="expires_at", message="must be a future time with an offset from UTC"))
    if errors:
        raise InvalidRequest("The key cannot be made.", errors=tuple(errors))


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
        row = await queries.by_id(connection, principal.organization_id, key_id)
    if row is None:
        raise NotFound("There is no such API key.")
    return _shown(row)


async def delete(system: System, principal: Principal, key_id: str) -> None:
    """Delete a key; it is refused from this moment on.

    Raises:
        NotFound: The organization has no such key.
    """
    async with system.db.transaction() as connection:
        if not await queries.remove(connection, principal.organization_id, key_id):
            raise NotFound("There is no such API key.")


async def authenticate(system: System, credential: str, now: datetime) -> Principal:
    """The principal that a key stands for.

    Raises:
        Unauthenticated: The key is unknown, expired or deleted; which of them is not said.
    """
    prefix = tokens.api_key_prefix(credential)
    async with system.db.reading() as connection:
        row = await queries.by_prefix(connection, prefix)
    if row is None or not tokens.verify(credential, row.digest) or _expired(row, now):
        raise Unauthenticated("The API key is not valid.")
    if row.last_used_at is None or now - row.last_used_at > LAST_USE_RESOLUTION:
        async with system.db.transaction() as connection:
            await queries.touch(connection, row.id, now)
    return Principal(
        organization_id=row.organization_id,
        organization=row.slug,
        role="api_key",
        scopes=frozenset(row.scopes),
        api_key_id=row.id,
    )


def _expired(row: ApiKeyRow, now: datetime) -> bool:
    return row.expires_at is not None and row.expires_at <= now


def _shown(row: ApiKeyRow) -> ApiKey:
    return ApiKey(**{name: getattr(row, name) for name in ApiKey.__struct_fields__})
