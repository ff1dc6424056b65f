"""SQL of logins and their refresh tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.tables import refresh_tokens, sessions


class RefreshRow(msgspec.Struct, frozen=True, kw_only=True):
    """A refresh token and the login that it belongs to."""

    session_id: str
    user_id: str
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime


async def add(connection: AsyncConnection, *, session_id: str, user_id: str, address: str, now: datetime) -> None:
    """Insert a login."""
    values = {"id": session_id, "user_id": user_id, "address": address, "created_at": now}
    await connection.execute(insert(sessions).values(**values))


async def add_token(
    connection: AsyncConnection, session_id: str, digest: bytes, *, expires_at: datetime, now: datetime
) -> None:
    """Insert a refresh token."""
    values = {"session_id": session_id, "digest": digest, "expires_at": expires_at, "created_at": now}
    await connection.execute(insert(refresh_tokens).values(**values))


async def by_digest(connection: AsyncConnection, digest: bytes) -> RefreshRow | None:
    """The refresh token, locked until the transaction ends: of two that present it, one is the second."""
    return await _token(connection, _tokens(digest).with_for_update())


async def shown(connection: AsyncConnection, digest: bytes) -> RefreshRow | None:
    """The refresh token, to look at only."""
    return await _token(connection, _tokens(digest))


def _tokens(digest: bytes) -> Select[Any]:
    columns = (
        refresh_tokens.c.session_id,
        sessions.c.user_id,
        refresh_tokens.c.expires_at,
        refresh_tokens.c.used_at,
        sessions.c.revoked_at,
        refresh_tokens.c.created_at,
    )
    return select(*columns).join_from(refresh_tokens, sessions).where(refresh_tokens.c.digest == digest)


async def _token(connection: AsyncConnection, query: Select[Any]) -> RefreshRow | None:
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else RefreshRow(**row)


async def use(connection: AsyncConnection, digest: bytes, now: datetime) -> None:
    """Note that a refresh token was exchanged."""
    await connection.execute(update(refresh_tokens).where(refresh_tokens.c.digest == digest).values(used_at=now))


async def revoke(connection: AsyncConnection, session_id: str, reason: str, now: datetime) -> None:
    """End a login."""
    alive = (sessions.c.id == session_id, sessions.c.revoked_at.is_(None))
    await connection.execute(update(sessions).where(*alive).values(revoked_at=now, revoked_for=reason))


async def revoke_all(connection: AsyncConnection, user_id: str, reason: str, now: datetime) -> None:
    """End every login of a user."""
    alive = (sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None))
    await connection.execute(update(sessions).where(*alive).values(revoked_at=now, revoked_for=reason))


async def forget(connection: AsyncConnection, now: datetime) -> int:
    """Delete the logins of which no refresh token is good any more; how many there were."""
    good = select(refresh_tokens.c.session_id).where(refresh_tokens.c.expires_at > now)
    return (await connection.execute(delete(sessions).where(sessions.c.id.not_in(good)))).rowcount
