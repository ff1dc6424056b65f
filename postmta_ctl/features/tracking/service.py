"""Opens and clicks become events of the recipient."""

from __future__ import annotations

import hmac

from postmta_ctl.core.tracking import Link, Tracker
from postmta_ctl.errors import NotFound
from postmta_ctl.features.tracking import queries
from postmta_ctl.features.tracking.noting import Fetch, note
from postmta_ctl.features.tracking.schemas import KnownHost
from postmta_ctl.keys import Keys
from postmta_ctl.system import System

MAX_USER_AGENT = 300


def tracker(system: System) -> Tracker:
    """Makes and reads the links of this installation."""
    return Tracker(secret_of(system.keys), system.settings.url)


def secret_of(keys: Keys) -> bytes:
    """What signs links: derived from the master key, so that they outlive a change of the token secret."""
    return hmac.digest(keys.master_key, b"postmta tracking links", "sha256")


async def opened(system: System, token: str, user_agent: str) -> None:
    """Note that the pixel was fetched; a token that is not ours is passed over."""
    await noted_open(system, token, user_agent)


async def noted_open(system: System, token: str, user_agent: str) -> bool:
    """Note that the pixel was fetched; whether the token is one of ours."""
    link = tracker(system).read_open(token)
    if link is not None:
        await _note(system, link, "message.opened", user_agent)
    return link is not None


async def clicked(system: System, token: str, user_agent: str) -> str:
    """Note that a link was followed, and say where it leads.

    Raises:
        NotFound: The token is not of our making.
    """
    url = await noted_click(system, token, user_agent)
    if url is None:
        raise NotFound("This link is not one of ours.")
    return url


async def noted_click(system: System, token: str, user_agent: str) -> str | None:
    """Note that a link was followed; where it leads, or None if it is not of our making."""
    link = tracker(system).read_click(token)
    if link is None:
        return None
    await _note(system, link, "message.clicked", user_agent)
    return link.url


async def known_host(system: System, host: str) -> KnownHost:
    """The host, if a domain's tracking links go through it.

    Raises:
        NotFound: They do not.
    """
    name = host.lower().removesuffix(".")
    async with system.db.reading() as connection:
        if not await queries.is_tracking_host(connection, name):
            raise NotFound("No tracking links go through this host.")
    return KnownHost(host=name)


async def _note(system: System, link: Link, kind: str, user_agent: str) -> None:
    await note(system, Fetch(link.recipient_id, kind, link.url, user_agent[:MAX_USER_AGENT], system.now()))
