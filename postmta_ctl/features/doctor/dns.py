"""DNS: the records of every domain, the name of every address that mail leaves from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple, TypeVar

from postmta_ctl.core.ip_addresses import is_public
from postmta_ctl.features.doctor import queries
from postmta_ctl.features.doctor.findings import Finding, Level
from postmta_ctl.features.domains import insights, records
from postmta_ctl.features.domains import queries as domains
from postmta_ctl.features.domains.records import Judged
from postmta_ctl.features.vmtas import queries as vmtas
from postmta_ctl.features.vmtas.queries import VmtaRow
from postmta_ctl.system import System

AT_ONCE = 20
LATER = "Ask again later; should it stay so, see to the name servers."
Progress = Callable[[int, int], None]
T = TypeVar("T")


class Asked(NamedTuple):
    """What was found about one domain or one address."""

    findings: list[Finding]
    is_silent: bool
    """DNS gave no answer to anything."""


async def look(system: System, progress: Progress) -> list[Finding]:
    """Every domain, then every vMTA; ``progress`` is told how many of them are done."""
    async with system.db.reading() as connection:
        known = await queries.domain_ids(connection)
        used = await vmtas.of_all(connection)
    asked: list[Awaitable[Asked]] = [_domain(system, *one) for one in known]
    addresses = [(slug, row, address) for slug, row in used for address in row.addresses]
    asked += [_address(system, *one) for one in addresses if is_public(one[2])]
    answers = await _some_at_once(asked, progress)
    hidden = [_private(*one) for one in addresses if not is_public(one[2])]
    if len(answers) > 1 and all(one.is_silent for one in answers):
        return [_dead(system.settings.dns, answers[0].findings[0].found), *hidden]
    return [*(finding for one in answers for finding in one.findings), *hidden]


def _dead(resolver: str, words: str) -> Finding:
    """A resolver that answers nothing is one thing to mend, and not one for each domain."""
    todo = "See that the name servers of /etc/resolv.conf answer from here, or name another one in POSTMTA_DNS."
    return Finding(check="dns", subject=f"resolver {resolver}", level="error", found=words, todo=todo)


async def _some_at_once(asked: Iterable[Awaitable[T]], progress: Progress) -> list[T]:
    turn, waiting = asyncio.Semaphore(AT_ONCE), list(asked)
    done = 0

    async def one(question: Awaitable[T]) -> T:
        nonlocal done
        async with turn:
            answer = await question
        done += 1
        progress(done, len(waiting))
        return answer

    return await asyncio.gather(*map(one, waiting))


async def _domain(system: System, organization_id: str, slug: str, domain_id: str) -> Asked:
    async with system.db.reading() as connection:
        row = await domains.by_id(connection, organization_id, domain_id)
        if row is None:
            return Asked([], is_silent=False)
        keys = (await domains.keys_of(connection, [row]))[row.id]
    expected = records.expected(system.settings, row, keys)
    answers = await asyncio.gather(*(system.resolver.lookup(one.name, one.type) for one in expected))
    judged = [records.judged(one, answer) for one, answer in zip(expected, answers, strict=True)]
    subject = f"{row.name} of {slug}"
    if all(one.verdict.verdict == "unknown" for one in judged):
        words = f"DNS answered none of {len(judged)} questions"
        return Asked([Finding(check="dns", subject=subject, level="warning", found=words, todo=LATER)], is_silent=True)
    bad = [finding for one in judged if (finding := _record(subject, one))]
    good = f"{len(judged)} records are as they should be, status {row.status}"
    return Asked(bad or [Finding(check="dns", subject=subject, level="ok", found=good)], is_silent=False)


def _record(subject: str, one: Judged) -> Finding | None:
    if one.verdict.verdict == "ok":
        return None
    level: Level = "error" if one.record.required and one.verdict.verdict != "unknown" else "warning"
    todo = f"Publish {one.record.type} {one.record.name}: {one.record.value}"
    if one.verdict.verdict == "unknown":
        todo = LATER
    return Finding(check="dns", subject=subject, level=level, found=one.verdict.explanation, todo=todo)


async def _address(system: System, slug: str, row: VmtaRow, address: str) -> Asked:
    check = await insights.reverse(system.resolver, row, address)
    bad: Level = "error" if check.verdict in ("missing", "wrong") else "warning"
    level: Level = "ok" if check.verdict == "ok" else bad
    todo = "" if level == "ok" else check.action or LATER
    found = Finding(check="ptr", subject=f"{row.name} of {slug}", level=level, found=check.explanation, todo=todo)
    return Asked([found], is_silent=check.verdict == "unknown")


def _private(slug: str, row: VmtaRow, address: str) -> Finding:
    words = f"{address} is private: receivers see another address, which is not looked at"
    return Finding(check="ptr", subject=f"{row.name} of {slug}", level="ok", found=words)
