"""Registration, and finding out who is asking."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Hashable, Mapping
from datetime import datetime, timedelta
from functools import partial

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core import tokens
from postmta_ctl.core.ids import new_id
from postmta_ctl.errors import AlreadyExists, InvalidRequest, PermissionDenied, Unauthenticated
from postmta_ctl.features.api_keys import service as api_keys
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth import queries
from postmta_ctl.features.auth.principal import Principal, scopes_of
from postmta_ctl.features.auth.queries import UserRow
from postmta_ctl.features.auth.schemas import Me, Organization, Register, Registered
from postmta_ctl.features.security.auto_block.defaults import add_defaults as add_default_rules
from postmta_ctl.features.users import invitations
from postmta_ctl.features.users.emails import parse_email
from postmta_ctl.features.users.profile import shown
from postmta_ctl.system import System

KNOWN = timedelta(seconds=1)
"""How long it is known whom a credential stands for."""


async def register(system: System, data: Register, address: str = "") -> Registered:
    """Make a user, with an organization of its own or in the one that invited it.

    The very first user becomes the operator of the platform.

    Raises:
        InvalidRequest: Neither or both of organization and invitation, or the email is no address.
        PermissionDenied: Registration is closed, the invitation is not good, or the set-up token is missing.
        AlreadyExists: The address is registered.
        Conflict: The plan of the organization that invited has no room.
    """
    email = parse_email(data.email)
    if (data.organization is None) == (data.invitation is None):
        raise InvalidRequest.of("organization", "give either the name of a new organization or an invitation")
    password_hash = await system.passwords.hash(data.password)
    now = system.now()
    async with system.db.transaction() as connection:
        first = not await queries.any_user(connection)
        _may_register(system, data, first=first)
        organization, role = await _joined(system, connection, data, email, now)
        if await queries.user_by_email(connection, email):
            raise AlreadyExists("This email address is registered already.")
        user = UserRow(
            id=new_id(now),
            email=email,
            name=data.name,
            password_hash=password_hash,
            role=role,
            is_operator=first,
            created_at=now,
            organization_id=organization.id,
            slug=organization.slug,
            organization_name=organization.name,
        )
        await queries.insert_user(connection, user)
        await audit.record(
            connection, principal_of(user, address), "user.registered", user.id, after=shown(user), now=now
        )
    return Registered(user=shown(user), organization=organization)


async def _joined(
    system: System, connection: AsyncConnection, data: Register, email: str, now: datetime
) -> tuple[Organization, str]:
    """The organization that the new user belongs to, and its role there."""
    if data.invitation is not None:
        invited = await invitations.accept(system, connection, data.invitation, email)
        slug, name = await queries.organization(connection, invited.organization_id)
        return Organization(id=invited.organization_id, slug=slug, name=name), invited.role
    name = data.organization or ""
    organization = Organization(id=new_id(now), slug=await _free_slug(connection, name), name=name)
    await queries.insert_organization(
        connection, id=organization.id, slug=organization.slug, name=organization.name, created_at=now
    )
    await add_default_rules(connection, organization.id, now)
    return organization, "owner"


def _may_register(system: System, data: Register, *, first: bool) -> None:
    settings = system.settings
    if not first:
        if settings.registration == "closed" or (settings.registration == "invite" and data.invitation is None):
            raise PermissionDenied(f"Registration is {settings.registration}.", code="registration_closed")
        return
    if not _is_loopback(settings.host) and not tokens.same(data.setup_token or "", system.keys.setup_token):
        raise PermissionDenied(
            "The first registration needs the set-up token that the service printed at its start.",
            code="setup_token_required",
        )


async def nobody_registered(system: System) -> bool:
    """Whether the next registration is that of the operator."""
    async with system.db.reading() as connection:
        return not await queries.any_user(connection)


async def setup_token(system: System) -> str | None:
    """The token that the first registration needs; None when that has happened, or needs none."""
    if _is_loopback(system.settings.host):
        return None
    async with system.db.reading() as connection:
        return None if await queries.any_user(connection) else system.keys.setup_token


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _free_slug(connection: AsyncConnection, name: str) -> str:
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50].strip("-") or "organization"
    taken = await queries.taken_slugs(connection, stem)
    return next(slug for n in range(1, len(taken) + 2) if (slug := stem if n == 1 else f"{stem}-{n}") not in taken)


async def authenticate(
    system: System, headers: Mapping[str, str], *, address: str = "", request_id: str = ""
) -> Principal:
    """Find the principal of a request by ``X-API-Key`` or ``Authorization: Bearer`` (token or API key).

    Who it is, is known for a second: what this process changes is seen at once, what another one changes, and that a
    credential expires, within that second.

    Args:
        system: The parts.
        headers: Of the request.
        address: Where the request comes from; a key may be bound to some.
        request_id: Goes into the audit log.

    Raises:
        Unauthenticated: There is no valid credential.
        PermissionDenied: The key may not be used from this address.
    """
    principal = remembered(system, headers, address)
    if principal is None:
        credential = _credential(headers)
        now, version = system.now(), system.db.changes
        key = _caller(credential, address)
        find = api_keys.authenticate if tokens.is_api_key(credential) else _by_access_token
        asked = partial(find, system, credential, address, now)
        found: Principal = await system.authenticating.find((key, version), asked)
        principal = found
        system.known.set(key, (now, principal), version)
    return msgspec.structs.replace(principal, request_id=request_id)


def remembered(system: System, headers: Mapping[str, str], address: str) -> Principal | None:
    """The principal of these credentials, if it was found within the last second.

    Raises:
        Unauthenticated: There are none.
    """
    now = system.now()
    since, principal = system.known.get(_caller(_credential(headers), address), system.db.changes) or (now, None)
    return principal if since <= now < since + KNOWN else None


def _caller(credential: str, address: str) -> Hashable:
    return "caller", tokens.digest(credential), address


async def _by_access_token(system: System, token: str, address: str, now: datetime) -> Principal:
    claims = tokens.read_jwt(system.keys.jwt_secret, token, issuer=system.settings.url, now=now)
    user = None
    if claims is not None:
        async with system.db.reading() as connection:
            user = await queries.user_by_session(connection, claims.session, claims.subject)
    if user is None:
        raise Unauthenticated("The access token is not valid, or has expired.")
    return principal_of(user, address)


def _credential(headers: Mapping[str, str]) -> str:
    key = headers.get("x-api-key")
    if key:
        return key
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Send an access token or an API key as Authorization: Bearer, or a key as X-API-Key.")
    return token.strip()


def principal_of(user: UserRow, address: str) -> Principal:
    """What a user may do who asks from this address."""
    return Principal(
        organization_id=user.organization_id,
        organization=user.slug,
        role=user.role,
        scopes=scopes_of(user.role, is_operator=user.is_operator),
        user_id=user.id,
        email=user.email,
        is_operator=user.is_operator,
        address=address,
        plan=user.plan,
    )


async def me(system: System, principal: Principal) -> Me:
    """Who is asking, by whichever credential."""
    async with system.db.reading() as connection:
        slug, name = await queries.organization(connection, principal.organization_id)
        row = await queries.user_by_id(connection, principal.user_id) if principal.user_id else None
    return Me(
        organization=Organization(id=principal.organization_id, slug=slug, name=name),
        scopes=sorted(principal.scopes),
        user=None if row is None else shown(row),
        api_key_id=principal.api_key_id,
    )


async def all_users(system: System) -> list[Registered]:
    """The users of all organizations, for the operator of the host."""
    async with system.db.reading() as connection:
        rows = await queries.all_users(connection)
    return [
        Registered(
            user=shown(row),
            organization=Organization(id=row.organization_id, slug=row.slug, name=row.organization_name),
        )
        for row in rows
    ]
