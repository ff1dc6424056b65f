"""Opens and clicks become events of the recipient."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from typing import Any

from postmta_ctl.core.openers import recognise
from postmta_ctl.core.tracking import Link, Tracker
from postmta_ctl.errors import NotFound
from postmta_ctl.features.tracking import queries
from postmta_ctl.features.tracking.schemas import KnownHost
from postmta_ctl.features.webhooks.outbox import announce_mail
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
    now, words = system.now(), user_agent[:MAX_USER_AGENT]
    async with system.db.transaction() as connection:
        row = await queries.recipient(connection, link.recipient_id)
        if row is None:
            return
        opener = recognise(words, _since_delivery(row, now))
        details: dict[str, Any] = {"user_agent": words, "is_bot": opener.is_bot}
        details |= {"agent": opener.agent} if opener.agent else {}
        details |= {"url": link.url} if link.url else {}
        event = await queries.insert_event(connection, row, kind, details, now=now, key=system.random(16))
        await announce_mail(connection, [event], now)


def _since_delivery(row: Any, now: datetime) -> timedelta | None:
    """Time since the recipient's server took the message, by the node's clock; none if that is not known."""
    return now - row.status_at if row.status == "delivered" else None
