"""The overview: what each part knows of itself. Engines are asked whether they answer; no blocklist is."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.periods import Period, latest
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.credits import queries as credits
from postmta_ctl.features.security import engines
from postmta_ctl.features.security.auto_block import service as auto_block
from postmta_ctl.features.security.blocklists import catalogue
from postmta_ctl.features.security.blocklists import queries as blocklists
from postmta_ctl.features.security.greylisting import service as greylisting
from postmta_ctl.features.security.status.schemas import (
    AutoBlockStatus,
    Checks,
    DnsblStatus,
    GreylistingStatus,
    ListStatus,
    SecurityStatus,
    VmtaListing,
)
from postmta_ctl.system import System

DAY = timedelta(hours=24)


async def overview(system: System, principal: Principal) -> SecurityStatus:
    """The state of each part."""
    last_day = latest(DAY, system.now())
    # Before the database: an engine that does not answer takes seconds to be given up.
    judging = await engines.describe(system)
    async with system.db.reading() as connection:
        return SecurityStatus(
            greylisting=await _greylisting(system, connection, principal, last_day),
            dnsbl=await _dnsbl(system, connection, principal),
            spam=judging.spam,
            antivirus=judging.antivirus,
            auto_block=AutoBlockStatus(**await auto_block.describe(connection, principal.organization_id)),
            last_24h=await _checks(connection, principal, last_day),
        )


async def _greylisting(
    system: System, connection: AsyncConnection, principal: Principal, last_day: Period
) -> GreylistingStatus:
    return GreylistingStatus(
        enabled=await greylisting.is_enabled(connection),
        relay_domains=len(system.settings.policy.relay_domains),
        last_24h=await greylisting.inbound(connection, last_day) if principal.is_operator else None,
    )


async def _dnsbl(system: System, connection: AsyncConnection, principal: Principal) -> DnsblStatus:
    known = await blocklists.health(connection)
    checked = await blocklists.listings_of(connection, principal.organization_id)
    return DnsblStatus(
        lists=[_list(one.id, one.name, known.get(one.id)) for one in catalogue.enabled(system.settings).values()],
        monitor_hours=system.settings.dnsbl.monitor_hours,
        vmtas_checked=len(checked),
        last_check_at=max((row.checked_at for row in checked), default=None),
        listings=[
            VmtaListing(vmta_id=row.vmta_id, ip_address=address, list=name, since=one.since)
            for row in checked
            for address, listings in row.listings.items()
            for name, one in sorted(listings.items())
        ],
    )


def _list(list_id: str, name: str, known: blocklists.HealthRow | None) -> ListStatus:
    return ListStatus(
        id=list_id,
        name=name,
        health=known.health if known else "unknown",
        detail=known.detail if known else "not tested yet",
        checked_at=known.checked_at if known else None,
    )


async def _checks(connection: AsyncConnection, principal: Principal, last_day: Period) -> Checks:
    rows = await credits.days(connection, principal.organization_id, last_day.start, last_day.end)
    consumed = dict.fromkeys(("dnsbl_check", "spam_check", "av_scan"), 0)
    for row in rows:
        if row.entry == "consume" and row.type in consumed:
            consumed[row.type] += row.quantity
    return Checks(
        dnsbl_checks=consumed["dnsbl_check"], spam_checks=consumed["spam_check"], av_scans=consumed["av_scan"]
    )
