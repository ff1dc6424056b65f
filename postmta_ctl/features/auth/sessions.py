"""Logins: opened by a password, kept alive by refresh tokens, ended by logout, theft or a new password.

A refresh token is good for one exchange. Whoever presents one a second time proves that two have it: the owner and a
thief, and nobody knows who is which. So the login ends for both (RFC 9700 section 4.14.2).
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core import tokens
from postmta_ctl.core.ids import new_id
from postmta_ctl.errors import InvalidCredentials, PermissionDenied, Unauthenticated
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth import queries, session_queries, throttle
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.auth.queries import UserRow
from postmta_ctl.features.auth.schemas import AccessToken, Login, PasswordChange, RefreshToken
from postmta_ctl.system import System

log = structlog.get_logger(__name__)


async def login(system: System, data: Login, address: str) -> AccessToken:
    """Exchange email and password for an access token and a refresh token.

    Raises:
        InvalidCredentials: They do not belong together; whether the address exists is not said.
        RateLimited: Too many failed for this account, or from this address.
    """
    email = data.email.strip().lower()
    # Taken before the password is looked at, so that attempts side by side cannot outrun the count.
    buckets = await throttle.attempt(system, email, address)
    async with system.db.reading() as connection:
        user = await queries.user_by_email(connection, email)
    if not await system.passwords.match(data.password, user.password_hash if user else None) or user is None:
        log.warning("login failed", address=address)
        raise InvalidCredentials("Email or password is wrong.")
    await system.limiter.give_back(buckets)
    now = system.now()
    async with system.db.transaction() as connection:
        await queries.touch_login(connection, user.id, now)
        return await _opened(connection, system, user, address, now)


async def _opened(
    connection: AsyncConnection, system: System, user: UserRow, address: str, now: datetime
) -> AccessToken:
    session_id = new_id(now)
    await session_queries.add(connection, session_id=session_id, user_id=user.id, address=address, now=now)
    return await _issue(connection, system, user.id, session_id, now)


async def _issue(
    connection: AsyncConnection, system: System, user_id: str, session_id: str, now: datetime
) -> AccessToken:
    settings = system.settings
    refresh = tokens.make_token(system.random)
    expires_at = now + timedelta(seconds=settings.refresh_token_seconds)
    await session_queries.add_token(connection, session_id, refresh.digest, expires_at=expires_at, now=now)
    access = tokens.issue_jwt(
        system.keys.jwt_secret,
        issuer=settings.url,
        subject=user_id,
        session=session_id,
        now=now,
        lifetime=settings.access_token_seconds,
    )
    return AccessToken(
        access_token=access,
        expires_in=settings.access_token_seconds,
        refresh_token=refresh.secret,
        refresh_expires_in=settings.refresh_token_seconds,
    )


async def refresh(system: System, data: RefreshToken) -> AccessToken:
    """Exchange a refresh token for new tokens.

    Raises:
        Unauthenticated: The token is unknown, expired or of a login that was ended; if it was used before, its login
            ends now.
    """
    now = system.now()
    digest = tokens.digest(data.refresh_token)
    async with system.db.transaction() as connection:
        row = await session_queries.by_digest(connection, digest)
        if row is not None and row.revoked_at is None and row.used_at is None and row.expires_at > now:
            await session_queries.use(connection, digest, now)
            return await _issue(connection, system, row.user_id, row.session_id, now)
        if row is not None and row.used_at is not None:
            log.warning("refresh token used twice", session=row.session_id)
            await session_queries.revoke(connection, row.session_id, "reuse", now)
    # Outside of the transaction, which an exception would undo.
    raise Unauthenticated("The refresh token is not valid any more; log in again.")


async def logout(system: System, data: RefreshToken) -> None:
    """End the login that a refresh token belongs to, if there is one; its access tokens die with it."""
    async with system.db.transaction() as connection:
        row = await session_queries.by_digest(connection, tokens.digest(data.refresh_token))
        if row is not None:
            await session_queries.revoke(connection, row.session_id, "logout", system.now())


async def change_password(system: System, principal: Principal, data: PasswordChange) -> AccessToken:
    """Set another password. Every login of the user ends; the answer opens a new one.

    Raises:
        PermissionDenied: An API key has no password.
        InvalidCredentials: The current password is wrong.
        RateLimited: Too many attempts failed.
    """
    if principal.user_id is None or principal.email is None:
        raise PermissionDenied("An API key has no password.")
    buckets = await throttle.attempt(system, principal.email, principal.address)
    async with system.db.reading() as connection:
        user = await queries.user_by_id(connection, principal.user_id)
    if user is None or not await system.passwords.match(data.current_password, user.password_hash):
        raise InvalidCredentials("The current password is wrong.")
    await system.limiter.give_back(buckets)
    password_hash = await system.passwords.hash(data.new_password)
    now = system.now()
    async with system.db.transaction() as connection:
        await queries.set_password(connection, user.id, password_hash)
        await session_queries.revoke_all(connection, user.id, "password", now)
        await audit.record(connection, principal, "user.password_changed", user.id, now=now)
        return await _opened(connection, system, user, principal.address, now)


async def forget_sessions(system: System) -> None:
    """Delete the logins that nothing can keep alive any more."""
    async with system.db.transaction() as connection:
        await session_queries.forget(connection, system.now())
