"""The login of a browser, which shows the refresh token of its cookie with every request."""

from __future__ import annotations

from datetime import timedelta

from postmta_ctl.core import tokens
from postmta_ctl.errors import Unauthenticated
from postmta_ctl.features.auth import queries, session_queries
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.auth.service import principal_of
from postmta_ctl.system import System


async def authenticate(system: System, refresh_token: str, address: str) -> Principal:
    """Find who is asking, without exchanging the token.

    Raises:
        Unauthenticated: The token is unknown, expired or older than ``console_session_seconds``, its login was ended,
            or somebody exchanged it: then two have it, and the login ends as it does when one is exchanged twice.
    """
    now = system.now()
    async with system.db.reading() as connection:
        row = await session_queries.shown(connection, tokens.digest(refresh_token))
        oldest = now - timedelta(seconds=system.settings.console_session_seconds)
        good = row is not None and row.used_at is None and row.expires_at > now and row.created_at > oldest
        user = await queries.user_by_session(connection, row.session_id, row.user_id) if row and good else None
    if row is not None and row.used_at is not None:
        async with system.db.transaction() as connection:
            await session_queries.revoke(connection, row.session_id, "reuse", now)
    if user is None:
        raise Unauthenticated("Log in to go on.")
    return principal_of(user, address)
