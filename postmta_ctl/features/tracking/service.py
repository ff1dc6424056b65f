"""Opens and clicks become events of the recipient."""

from __future__ import annotations

import hmac
from functools import cache

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
    first, *former = map(_secret, system.keys.master_keys)
    return Tracker(first, system.settings.url, tuple(former))


def secret_of(keys: Keys) -> bytes:
    """What signs links: derived from the master key, so that they outlive a change of the token secret."""
    return _secret(keys.master_key)


@cache
def _secret(master_key: bytes) -> bytes:
    return hmac.digest(master_key, b"postmta tracking links", "sha256")


def opened(system: System, token: str, user_agent: str) -> bool:
    """Note that the pixel was fetched; whether the token is one of ours.

    Raises:
        Busy: It could not be kept.
    """
    link = tracker(system).read_open(token)
    if link is not None:
        _note(system, link, "message.opened", user_agent)
    return link is not None


def clicked(system: System, token: str, user_agent: str) -> str | None:
    """Note that a link was followed; where it leads, or None if it is not of our making.

    Raises:
        Busy: It could not be kept.
    """
    link = tracker(system).read_click(token)
    if link is None:
        return None
    _note(system, link, "message.clicked", user_agent)
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


def _note(system: System, link: Link, kind: str, user_agent: str) -> None:
    agent = user_agent[:MAX_USER_AGENT]
    note(system, Fetch(system.random(16), link.recipient_id, kind, link.url, agent, system.now()))
