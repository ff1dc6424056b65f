"""Watching the vMTAs' addresses: an event when one is listed, and when it is so no longer.

Off unless ``[dnsbl] monitor_hours`` says how often: the lists have terms of use, which the operator should have read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core import dnsbl
from postmta_ctl.core.dnsbl import Blocklist, Code
from postmta_ctl.core.errors import InputError
from postmta_ctl.features.security.blocklists import asking, catalogue, queries
from postmta_ctl.features.security.blocklists.asking import Found
from postmta_ctl.features.security.blocklists.queries import Listing, ListingsRow, Watched
from postmta_ctl.features.webhooks.delivery_queries import insert_notice
from postmta_ctl.features.webhooks.outbox import Happening, announce
from postmta_ctl.system import System

BATCH = 20
"""vMTAs of one run."""
LISTED, DELISTED = "vmta.listed", "vmta.delisted"


class ListingData(msgspec.Struct, frozen=True, kw_only=True):
    """``data`` of ``vmta.listed`` and ``vmta.delisted``."""

    vmta_id: str
    vmta: str
    ip_address: str
    list: str
    list_name: str
    codes: tuple[Code, ...]
    reason: str | None
    since: datetime
    """When the listing was first seen."""


async def watch_listings(system: System) -> bool:
    """Check the vMTAs whose turn it is. True when there may be more of them."""
    hours = system.settings.dnsbl.monitor_hours
    if hours <= 0:
        return False
    async with system.db.reading() as connection:
        due = await queries.due(connection, system.now() - timedelta(hours=hours), BATCH)
    if not due:
        return False
    lists = await _reliable(system)
    for vmta in due:
        await _check(system, vmta, lists)
    return len(due) == BATCH


async def _reliable(system: System) -> dict[str, Blocklist]:
    """The lists that answer as they should: of a list gone wrong, every address would be told as listed."""
    lists = catalogue.enabled(system.settings)
    health = await asking.refresh_health(system, lists)
    return {name: one for name, one in lists.items() if health[name].health == "working"}


async def _check(system: System, vmta: Watched, lists: Mapping[str, Blocklist]) -> None:
    addresses = []
    for one in vmta.addresses:
        with suppress(InputError):  # a private address: noted as checked, so that it is not looked at every time
            addresses.append(dnsbl.parse_address(one))
    found = await asking.ask(system, addresses, lists, fresh=True)
    async with system.db.transaction() as connection:
        # Of its listings there may be no row yet that could be locked.
        if not await queries.lock_vmta(connection, vmta.id):
            return
        before = await queries.listings(connection, vmta.id)
        if (before.checked_at if before else None) != vmta.checked_at:
            return  # another process was quicker, and has told
        await _note(system, connection, vmta, before, found)


async def _note(
    system: System, connection: AsyncConnection, vmta: Watched, before: ListingsRow | None, found: Sequence[Found]
) -> None:
    now = system.now()
    names = catalogue.known(system.settings)
    listings: dict[str, dict[str, Listing]] = {}
    # What was listed is another address's if the vMTA has a new one.
    for address in vmta.addresses:
        old = before.listings.get(address, {}) if before else {}
        new = _now(old, [one for one in found if one.address == address], now)
        changes = [(LISTED, name, new[name]) for name in new if name not in old]
        changes += [(DELISTED, name, old[name]) for name in old if name not in new]
        for kind, name, listing in changes:
            data = _data(vmta, address, name, names[name].name if name in names else name, listing)
            await _tell(system, connection, vmta, kind, data, now)
        if new:
            listings[address] = new
    await queries.keep_listings(connection, ListingsRow(vmta_id=vmta.id, listings=listings, checked_at=now))


def _now(old: Mapping[str, Listing], found: Sequence[Found], now: datetime) -> dict[str, Listing]:
    """The listings of an address, by what was found of it; where nobody could tell, it is as it was."""
    new = {**old, **{one.list_id: _listing(one, old.get(one.list_id), now) for one in found if one.status == "listed"}}
    clean = {one.list_id for one in found if one.status == "clean"}
    return {name: listing for name, listing in new.items() if name not in clean}


def _listing(one: Found, known: Listing | None, now: datetime) -> Listing:
    return Listing(since=known.since if known else now, codes=one.codes, reason=one.reason)


def _data(vmta: Watched, address: str, list_id: str, list_name: str, listing: Listing) -> ListingData:
    return ListingData(
        vmta_id=vmta.id,
        vmta=vmta.name,
        ip_address=address,
        list=list_id,
        list_name=list_name,
        codes=listing.codes,
        reason=listing.reason,
        since=listing.since,
    )


async def _tell(
    system: System, connection: AsyncConnection, vmta: Watched, kind: str, data: ListingData, now: datetime
) -> None:
    """Keep the event, and send it to the organization's endpoints."""
    details = msgspec.to_builtins(data)
    await insert_notice(connection, vmta.organization_id, kind, details, key=system.random(16), now=now)
    await announce(connection, [Happening(organization_id=vmta.organization_id, type=kind, at=now, data=data)], now)
