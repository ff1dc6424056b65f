"""Registration, login, and finding out who is asking."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

from email_validator import EmailNotValidError, validate_email
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core import tokens
from postmta_ctl.core.ids import new_id
from postmta_ctl.errors import AlreadyExists, InvalidCredentials, InvalidRequest, PermissionDenied, Unauthenticated
from postmta_ctl.features.api_keys import service as api_keys
from postmta_ctl.features.auth import queries
from postmta_ctl.features.auth.principal import Principal, scopes_of
from postmta_ctl.features.auth.queries import UserRow
from postmta_ctl.features.auth.schemas import AccessToken, Login, Me, Organization, Register, Registered, User
from postmta_ctl.system import System


async def register(system: System, data: Register) -> Registered:
    """Make a user and an organization of its own. The very first user becomes the operator of the platform.

    Raises:
        PermissionDenied: Registration is closed, or the set-up token is missing.
        AlreadyExists: The address is registered.
    """
    email = _email(data.email)
    password_hash = await system.passwords.hash(data.password)
    now = system.now()
    async with system.db.transaction() as connection:
        first = not await queries.any_user(connection)
        _may_register(system, data, first=first)
        if await queries.user_by_email(connection, email):
            raise AlreadyExists("This email address is registered already.")
        organization = Organization(
            id=new_id(now), slug=await _free_slug(connection, data.organization), name=data.organization
        )
        user = User(id=new_id(now), email=email, name=data.name, role="owner", is_operator=first, created_at=now)
        await queries.insert_organization(
            connection, id=organization.id, slug=organization.slug, name=organization.name, created_at=now
        )
        await queries.insert_user(
            connection,
            id=user.id,
            organization_id=organization.id,
            email=email,
            name=data.name,
            password_hash=password_hash,
            role=user.role,
            is_operator=first,
            created_at=now,
        )
    return Registered(user=user, organization=organization)


def _may_register(system: System, data: Register, *, first: bool) -> None:
    settings = system.settings
    if not first:
        if settings.registration != "open":
            raise PermissionDenied(f"Registration is {settings.registration}.", code="registration_closed")
        return
    if not _is_loopback(settings.host) and not tokens.same(data.setup_token or "", system.keys.setup_token):
        raise PermissionDenied(
            "The first registration needs the set-up token that the service printed at its start.",
            code="setup_token_required",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _email(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError as error:
        raise InvalidRequest.of("email", str(error)) from None


async def _free_slug(connection: AsyncConnection, name: str) -> str:
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50].strip("-") or "organization"
    taken = await queries.taken_slugs(connection, stem)
    return next(slug for n in range(1, len(taken) + 2) if (slug := stem if n == 1 else f"{stem}-{n}") not in taken)


async def login(system: System, data: Login) -> AccessToken:
    """Exchange email and password for an access token.

    Raises:
        InvalidCredentials: They do not belong together; whether the address exists is not said.
    """
    async with system.db.reading() as connection:
        user = await queries.user_by_email(connection, data.email.strip().lower())
    if not await system.passwords.match(data.password, user.password_hash if user else None) or user is None:
        raise InvalidCredentials("Email or password is wrong.")
    now = system.now()
    async with system.db.transaction() as connection:
        await queries.touch_login(connection, user.id, now)
    lifetime = system.settings.access_token_seconds
    token = tokens.issue_jwt(
        system.keys.jwt_secret, issuer=system.settings.url, subject=user.id, now=now, lifetime=lifetime
    )
    return AccessToken(access_token=token, expires_in=lifetime)


async def authenticate(system: System, headers: Mapping[str, str]) -> Principal:
    """Find the principal of a request by ``X-API-Key`` or ``Authorization: Bearer`` (token or API key).

    Raises:
        Unauthenticated: There is no valid credential.
    """
    credential = _credential(headers)
    now = system.now()
    if tokens.is_api_key(credential):
        return await api_keys.authenticate(system, credential, now)
    subject = tokens.read_jwt(system.keys.jwt_secret, credential, issuer=system.settings.url, now=now)
    async with system.db.reading() as connection:
        user = await queries.user_by_id(connection, subject) if subject else None
    if user is None:
        raise Unauthenticated("The access token is not valid, or has expired.")
    return _principal(user)


def _credential(headers: Mapping[str, str]) -> str:
    key = headers.get("x-api-key")
    if key:
        return key
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Send an access token or an API key as Authorization: Bearer, or a key as X-API-Key.")
    return token.strip()


def _principal(user: UserRow) -> Principal:
    return Principal(
        organization_id=user.organization_id,
        organization=user.slug,
        role=user.role,
        scopes=scopes_of(user.role, is_operator=user.is_operator),
        user_id=user.id,
        email=user.email,
        is_operator=user.is_operator,
    )


async def me(system: System, principal: Principal) -> Me:
    """Who is asking, by whichever credential."""
    async with system.db.reading() as connection:
        slug, name = await queries.organization(connection, principal.organization_id)
        row = await queries.user_by_id(connection, principal.user_id) if principal.user_id else None
    return Me(
        organization=Organization(id=principal.organization_id, slug=slug, name=name),
        scopes=sorted(principal.scopes),
        user=None if row is None else _user(row),
        api_key_id=principal.api_key_id,
    )


async def all_users(system: System) -> list[Registered]:
    """The users of all organizations, for the operator of the host."""
    async with system.db.reading() as connection:
        rows = await queries.all_users(connection)
    return [
        Registered(
            user=_user(row),
            organization=Organization(id=row.organization_id, slug=row.slug, name=row.organization_name),
        )
        for row in rows
    ]


def _user(row: UserRow) -> User:
    return User(
        id=row.id,
        email=row.email,
        name=row.name,
        role=row.role,
        is_operator=row.is_operator,
        created_at=row.created_at,
    )
