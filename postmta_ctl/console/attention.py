"""What somebody should look at, each with the page where it is mended. The words are pure; :func:`gather` asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from postmta_ctl.console.filters import counted, percent, words
from postmta_ctl.console.policy_words import drift_words
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.credits import alerts
from postmta_ctl.features.credits import service as credits
from postmta_ctl.features.credits.schemas import Alert, Balance
from postmta_ctl.features.domains import service as domains
from postmta_ctl.features.domains.schemas import Domain
from postmta_ctl.features.nodes import service as nodes
from postmta_ctl.features.nodes.schemas import Node
from postmta_ctl.features.policy import drift
from postmta_ctl.features.policy import service as policy
from postmta_ctl.features.policy.drift import NodeDrift
from postmta_ctl.features.policy.schemas import Release
from postmta_ctl.features.security.auto_block import service as blocks
from postmta_ctl.features.security.auto_block.schemas import Block
from postmta_ctl.features.vmtas import service as vmtas
from postmta_ctl.features.vmtas.schemas import Vmta
from postmta_ctl.features.warmup import status as warmup
from postmta_ctl.features.warmup.schemas import WarmupStatus
from postmta_ctl.features.webhooks import service as webhooks
from postmta_ctl.features.webhooks.schemas import Webhook
from postmta_ctl.store.paging import MAX_LIMIT, PageRequest
from postmta_ctl.system import System

ALL = PageRequest(limit=MAX_LIMIT)
"""More than this many domains, vMTAs or endpoints are looked at on their own pages."""
WARMING = 50
"""vMTAs whose warm-up is looked at."""
LOW = 0.1
"""Of a period's allowance: with less than this share left, credits are low."""


class Item(msgspec.Struct, frozen=True):
    """One thing, in words, and where it is mended."""

    tone: str
    """``bad``: mail is stopped or lost; ``warn``: it may come to that."""
    about: str
    said: str
    action: str
    path: str


async def gather(system: System, principal: Principal) -> list[Item]:
    """What the principal may see of it, the worst first."""
    found: list[Item] = []
    may = principal.scopes.__contains__
    if may("domains:read"):
        found += of_domains((await domains.list_domains(system, principal, ALL)).data)
    if may("vmtas:read"):
        every = (await vmtas.list_vmtas(system, principal, ALL)).data
        warming = [one for one in every if one.state == "warming"][:WARMING]
        found += of_vmtas(every)
        found += of_warmups([await warmup.status(system, principal, one.id) for one in warming])
    if may("security:read"):
        found += of_blocks((await blocks.list_blocks(system, principal, ALL, active=True)).data)
    if may("webhooks:read"):
        found += of_webhooks((await webhooks.list_webhooks(system, principal, ALL)).data)
    if may("credits:read"):
        balances = (await credits.balances(system, principal.organization_id)).data
        found += of_credits(balances, (await alerts.list_alerts(system, principal)).data)
    if may("nodes:read"):
        found += of_nodes(await nodes.list_nodes(system))
    if may("policy:read"):
        found += of_drift(await drift.look(system, paths=False))
        found += of_releases((await policy.list_releases(system, limit=20, cursor=None)).data)
    return sorted(found, key=lambda one: one.tone != "bad")


def of_domains(found: Iterable[Domain]) -> Iterator[Item]:
    """Domains whose records are gone, or never were there."""
    for one in found:
        if one.status == "verified":
            continue
        at, fails = f"/console/domains/{one.id}", one.status == "failing"
        missing = [record.name for record in one.dns_records if record.required and not _holds(record.check)]
        said = f"DNS fails for {', '.join(missing)}." if fails and missing else "Its records are not verified."
        yield Item("bad" if fails else "warn", one.domain, said, "See the records", at)


def _holds(check: object) -> bool:
    return getattr(check, "verdict", None) == "ok"


def of_vmtas(found: Iterable[Vmta]) -> Iterator[Item]:
    """vMTAs that are paused."""
    for one in found:
        if one.pause is not None:
            said, at = f"Paused: {one.pause.reason}.", f"/console/vmtas/{one.id}"
            yield Item("warn", f"vMTA {one.name}", said, "Resume", at)


def of_warmups(found: Iterable[WarmupStatus]) -> Iterator[Item]:
    """Warm-ups that do not go on as planned."""
    for one in found:
        at = f"/console/vmtas/{one.vmta_id}"
        if one.held is not None:
            yield Item("warn", f"Warm-up of {one.vmta}", f"On hold: {one.held.reason}.", "See the decision", at)
        elif one.state in ("paused", "stopped"):
            yield Item("warn", f"Warm-up of {one.vmta}", f"It is {one.state}.", "See the warm-up", at)


def of_blocks(found: Iterable[Block]) -> Iterator[Item]:
    """What an auto-block rule stopped."""
    for one in found:
        cause = one.cause
        rates = f"{percent(cause.rate)}, over {percent(cause.threshold)}"
        said = f"The rule {one.rule_name} found {words(cause.metric)} of {rates}"
        tone = "bad" if one.action in ("pause", "hold") else "warn"
        yield Item(tone, f"{words(one.scope)} {one.value}", f"{said}.", "See the block", "/console/security")


def of_webhooks(found: Iterable[Webhook]) -> Iterator[Item]:
    """Endpoints that were switched off by themselves, or are about to be."""
    for one in found:
        at = f"/console/webhooks/{one.id}"
        if one.disabled_reason in ("gone", "failing"):
            yield Item("bad", one.url, "The endpoint was disabled, since it does not answer well.", "Enable it", at)
        elif one.enabled and one.failing_since is not None:
            yield Item("warn", one.url, "No event has reached the endpoint for some time.", "See the attempts", at)


def of_credits(balances: Iterable[Balance], thresholds: Iterable[Alert]) -> Iterator[Item]:
    """Credits that are used up or low, by the plan's allowance or a threshold of one's own."""
    fired = {one.type: one.threshold for one in thresholds if one.fired_at is not None}
    for one in balances:
        if one.available is None:
            continue
        used_up = one.available <= 0 and one.used > 0
        low = one.included > 0 and one.available < one.included * LOW
        if used_up or low or one.type in fired:
            said = f"{counted(max(one.available, 0), 'credit')} left."
            tone = "bad" if used_up else "warn"
            yield Item(tone, f"Credits for {words(one.type)}", said, "See the credits", "/console/credits")


def of_nodes(found: Iterable[Node]) -> Iterator[Item]:
    """Nodes that are away, or need a restart."""
    for one in found:
        if not one.is_online:
            yield Item(
                "bad", f"Node {one.name}", one.last_error or "It is not online.", "See the nodes", "/console/nodes"
            )
        elif one.restart_needed:
            said = f"KumoMTA reads {', '.join(one.restart_needed)} at its start only: restart it."
            yield Item("warn", f"Node {one.name}", said, "See the releases", "/console/policy")


def of_drift(found: Iterable[NodeDrift]) -> Iterator[Item]:
    """Nodes that are not as published."""
    for one in found:
        if not one.is_as_published:
            yield Item(
                "warn", f"Node {one.node}", f"Drift: {drift_words(one)}.", "Mend it", "/console/policy/drift/fix"
            )


def of_releases(found: Iterable[Release]) -> Iterator[Item]:
    """What waits for somebody's decision."""
    for one in found:
        at = f"/console/policy/releases/{one.number}"
        if one.state == "proposed":
            yield Item("warn", f"Release {one.number}", f"{one.author} proposes it: {one.reason}.", "Decide", at)
        elif one.state == "canary":
            yield Item("warn", f"Release {one.number}", "Some nodes try it.", "See how it does", at)
