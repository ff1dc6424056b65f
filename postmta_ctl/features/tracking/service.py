"""Opens and clicks become events of the recipient."""

from __future__ import annotations

import hmac

from postmta_ctl.core.tracking import Link, Tracker
from postmta_ctl.errors import NotFound
from postmta_ctl.features.tracking import queries
from postmta_ctl.system import System

MAX_USER_AGENT = 300


def tracker(system: System) -> Tracker:
    """Makes and reads the links of this installation."""
    # A key of its own, derived from the master key, so that links outlive a change of the token secret.
    secret = hmac.digest(system.keys.master_key, b"postmta tracking links", "sha256")
    return Tracker(secret, system.settings.url)


async def opened(system: System, token: str, user_agent: str) -> None:
    """Note that the pixel was fetched; a token that is not ours is passed over."""
    link = tracker(system).read_open(token)
    if link is not None:
        await _note(system, link, "message.opened", user_agent)


async def clicked(system: System, token: str, user_agent: str) -> str:
    """Note that a link was followed, and say where it leads.

    Raises:
        NotFound: The token is not of our making.
    """
    link = tracker(system).read_click(token)
    if link is None:
        raise NotFound("This link is not one of ours.")
    await _note(system, link, "message.clicked", user_agent)
    return link.url


async def _note(system: System, link: Link, kind: str, user_agent: str) -> None:
    details = {"user_agent": user_agent[:MAX_USER_AGENT]} | ({"url": link.url} if link.url else {})
    async with system.db.transaction() as connection:
        await queries.insert_event(
            connection, link.recipient_id, kind, details, now=system.now(), key=system.random(16)
        )
