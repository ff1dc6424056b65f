"""Asking the lists: all at once, each with a time limit, and none twice for what it has just told.

Answers are kept in the database and not in memory: what one process learned spares the lists the questions of all the
others, and whoever clears the cache clears it everywhere. Refusals and failures are not kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from ipaddress import ip_address

import msgspec

from postmta_ctl.clients.dns import Answer
from postmta_ctl.core import dnsbl
from postmta_ctl.core.dnsbl import Blocklist, Code, Probe, Status
from postmta_ctl.core.ip_addresses import IPAddress
from postmta_ctl.features.security.blocklists import queries
from postmta_ctl.features.security.blocklists.queries import AnswerRow, HealthRow
from postmta_ctl.system import System

QUESTIONS_AT_ONCE = 100
HEALTH_AGE = timedelta(minutes=15)
"""How long a list's health is believed."""
_KEPT = ("listed", "clean")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What one list said of one address."""

    address: str
    list_id: str
    status: Status
    codes: tuple[Code, ...] = ()
    reason: str | None = None
    detail: str = ""
    checked_at: datetime
    expires_at: datetime | None = None
    """None: it is not kept."""
    cached: bool = False


async def ask(
    system: System, addresses: Collection[IPAddress], lists: Mapping[str, Blocklist], *, fresh: bool = False
) -> list[Found]:
    """What these lists say of these addresses; only lists that have addresses of that family are in the answer.

    Args:
        system: Whose resolver and cache.
        addresses: Public ones.
        lists: By their ids.
        fresh: Ask even what is known.
    """
    now = system.now()
    wanted = [(one, blocklist) for one in addresses for blocklist in lists.values() if blocklist.takes(one)]
    known: dict[tuple[str, str], AnswerRow] = {}
    if not fresh:
        async with system.db.reading() as connection:
            known = await queries.answers(connection, [str(one) for one in addresses], list(lists), now)
    missing = [(one, blocklist) for one, blocklist in wanted if (str(one), blocklist.id) not in known]
    asked = {(one.address, one.list_id): one for one in await _ask_all(system, missing)}
    await _keep(system, asked.values(), now)
    keys = [(str(one), blocklist.id) for one, blocklist in wanted]
    return [asked.get(key) or _from_cache(known[key]) for key in keys]


async def refresh_health(system: System, lists: Mapping[str, Blocklist]) -> dict[str, HealthRow]:
    """The health of these lists, by their test points; a list is tested when what is known is older than 15 minutes."""
    now = system.now()
    async with system.db.reading() as connection:
        known = await queries.health(connection)
    stale = [one for name, one in lists.items() if name not in known or known[name].checked_at <= now - HEALTH_AGE]
    tested = await asyncio.gather(*(_test(system, one, now) for one in stale))
    if tested:
        async with system.db.transaction() as connection:
            await queries.keep_health(connection, tested)
    current = known | {row.list_id: row for row in tested}
    return {name: current[name] for name in lists}


async def _test(system: System, blocklist: Blocklist, now: datetime) -> HealthRow:
    points = blocklist.expectations
    found = await asyncio.gather(*(_verdict(system, ip_address(one), blocklist) for one in points))
    probes = tuple(
        Probe(address=one, expected=expected, status=verdict.status)
        for (one, expected), (verdict, _) in zip(points.items(), found, strict=True)
    )
    health, detail = dnsbl.judge(probes)
    details = [detail, *dict.fromkeys(verdict.detail for verdict, _ in found if verdict.detail)]
    text = "; ".join(one for one in details if one)
    return HealthRow(list_id=blocklist.id, health=health, detail=text, probes=probes, checked_at=now)


async def _ask_all(system: System, questions: Iterable[tuple[IPAddress, Blocklist]]) -> list[Found]:
    gate = asyncio.Semaphore(QUESTIONS_AT_ONCE)

    async def one(address: IPAddress, blocklist: Blocklist) -> Found:
        async with gate:
            return await _ask(system, address, blocklist)

    return await asyncio.gather(*(one(address, blocklist) for address, blocklist in questions))


async def _ask(system: System, address: IPAddress, blocklist: Blocklist) -> Found:
    verdict, ttl = await _verdict(system, address, blocklist)
    now = system.now()
    reason = await _reason(system, address, blocklist) if verdict.status == "listed" else None
    return Found(
        address=str(address),
        list_id=blocklist.id,
        status=verdict.status,
        codes=verdict.codes,
        reason=reason,
        detail=verdict.detail,
        checked_at=now,
        expires_at=now + timedelta(seconds=dnsbl.keep_for(ttl)) if verdict.status in _KEPT else None,
    )


async def _verdict(system: System, address: IPAddress, blocklist: Blocklist) -> tuple[dnsbl.Verdict, int | None]:
    answer = await _lookup(system, dnsbl.query_name(address, blocklist.zone), "A")
    if answer.status == "failed":
        return dnsbl.Verdict(status="error", detail=f"gave no answer ({answer.reason})"), None
    return dnsbl.decode(blocklist, answer.values), answer.ttl


async def _reason(system: System, address: IPAddress, blocklist: Blocklist) -> str | None:
    answer = await _lookup(system, dnsbl.query_name(address, blocklist.zone), "TXT")
    return dnsbl.clean_reason(answer.values)


async def _lookup(system: System, name: str, kind: str) -> Answer:
    try:
        async with asyncio.timeout(system.settings.dnsbl.timeout_seconds):
            return await system.resolver.lookup(name, kind)
    except TimeoutError:
        return Answer(status="failed", reason="timed out")


async def _keep(system: System, found: Collection[Found], now: datetime) -> None:
    rows = [
        AnswerRow(
            address=one.address,
            list_id=one.list_id,
            status=one.status,
            codes=one.codes,
            reason=one.reason,
            checked_at=one.checked_at,
            expires_at=one.expires_at,
        )
        for one in found
        if one.expires_at is not None
    ]
    if rows:
        async with system.db.transaction() as connection:
            await queries.keep_answers(connection, rows, now)


def _from_cache(row: AnswerRow) -> Found:
    return Found(
        address=row.address,
        list_id=row.list_id,
        status=row.status,
        codes=row.codes,
        reason=row.reason,
        checked_at=row.checked_at,
        expires_at=row.expires_at,
        cached=True,
    )
