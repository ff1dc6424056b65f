"""What the daemons for traffic shaping automation decided, as each of them says now."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from postmta_ctl.clients import tsa as client
from postmta_ctl.clients.tsa import Decided, Limit, ReadySuspension, Scheduled, TsaFailed
from postmta_ctl.compiler.names import parse_source
from postmta_ctl.core.automation import MAINTAINED, REASON
from postmta_ctl.features.tsa import queries
from postmta_ctl.features.tsa.schemas import Cause, Daemon, Override, StoppedMail, SuspendedVmta, TsaState
from postmta_ctl.system import System

UNSET = (
    "No TSA daemon is configured. Set urls in the table [policy.tsa] of the settings, publish, and start tsa-daemon"
    " with the file tsa_init.lua of a node's policy folder."
)


async def show(system: System) -> TsaState:
    """Ask all daemons at once; one that does not answer is shown with what is wrong, and keeps nobody waiting."""
    urls = system.settings.policy.tsa.urls
    if not urls:
        return TsaState(configured=False, detail=UNSET, daemons=[])
    async with system.db.reading() as connection:
        rows = await queries.of_all(connection)
    seen = Counter(row.rule.regex for row in rows)
    known = {row.rule.regex: row.id for row in rows if seen[row.rule.regex] == 1}
    daemons = await asyncio.gather(*(_daemon(url, known) for url in urls))
    away = sum(not each.ok for each in daemons)
    detail = f"{away} of {len(urls)} daemons cannot be asked." if away else "All daemons answer."
    return TsaState(configured=True, detail=detail, daemons=list(daemons))


async def _daemon(url: str, known: dict[str, str]) -> Daemon:
    try:
        found = await client.decided(url)
    except TsaFailed as error:
        return Daemon(url=url, ok=False, error=str(error))
    return _shown(url, found, lambda regex: _cause(regex, known))


def _shown(url: str, found: Decided, cause: Callable[[str], Cause]) -> Daemon:
    return Daemon(
        url=url,
        ok=True,
        suspended=[_suspended(each, cause) for each in found.suspensions.ready_q],
        held=[_stopped(each, cause) for each in found.suspensions.sched_q],
        bounced=[_stopped(each, cause) for each in found.bounces],
        overrides=[_override(each, cause) for each in found.limits],
    )


def _cause(regex: str, known: dict[str, str]) -> Cause:
    is_maintained = any(each.rule.regex == regex for each in MAINTAINED)
    return Cause(regex=regex, rule_id=known.get(regex), is_maintained=is_maintained)


def _suspended(one: ReadySuspension, cause: Callable[[str], Cause]) -> SuspendedVmta:
    site = one.site_name.removeprefix(f"{one.source}->").removesuffix("@smtp_client")
    return SuspendedVmta(vmta=_vmta(one.source), site=site, cause=cause(_regex(one.reason)), expires_at=one.expires)


def _stopped(one: Scheduled, cause: Callable[[str], Cause]) -> StoppedMail:
    # The daemon's reason ends in what is stopped, in an order that differs between holds and bounces.
    tenant, domain = f" tenant={one.tenant}", f" domain={one.domain}"
    campaign = f" campaign={one.campaign}" if one.campaign else ""
    regex = _regex(one.reason)
    for end in (tenant + domain + campaign, domain + tenant + campaign, domain):
        if regex.endswith(end):
            regex = regex.removesuffix(end)
            break
    return StoppedMail(
        tenant=one.tenant or "",
        domain=one.domain,
        campaign=one.campaign,
        cause=cause(regex),
        expires_at=one.expires,
    )


def _override(one: Limit, cause: Callable[[str], Cause]) -> Override:
    return Override(
        vmta=_vmta(one.source),
        domain=one.domain,
        option=one.option,
        value=one.value,
        cause=cause(_regex(one.reason)),
        expires_at=one.expires,
    )


def _regex(reason: str) -> str:
    return reason.removeprefix(REASON)


def _vmta(source: str) -> str:
    parts = parse_source(source)
    return source if parts is None else f"{parts.organization}.{parts.vmta}"
