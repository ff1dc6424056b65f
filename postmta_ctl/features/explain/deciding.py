"""From what a simulated node did to a decision that people can follow. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.features.explain import limits
from postmta_ctl.features.explain.rules import rules_about
from postmta_ctl.features.explain.schemas import Absent, Decision, Refusal, WayOut
from postmta_ctl.features.explain.surroundings import Surroundings
from postmta_ctl.features.messages.simulated_release import Simulated
from postmta_ctl.features.messages.simulation_schemas import SimulatedRecipient, VmtaOdds
from postmta_ctl.features.vmtas.queries import VmtaRow
from postmta_ctl.luavm import QueueName

_WORD = re.compile(r"postmta-([a-z-]+): ")
_KEPT = ("auto_block", "held")
"""What lets the mail wait rather than refuses it."""


def decision(
    simulated: Simulated,
    around: Surroundings,
    bundle: Bundle,
    before: Sequence[Refusal],
    *,
    organization: str,
    domain: str,
    is_now: bool,
) -> Decision:
    """What was decided.

    Args:
        simulated: What the node did.
        around: How it stands today.
        bundle: The release.
        before: What keeps it from reaching a node.
        organization: Slug.
        domain: Of the From field.
        is_now: The question is about today; else today's counts say nothing.
    """
    one = simulated.recipient
    refusals = [*before, *_by_policy(one)]
    ways = [_way(odds, around, is_now) for odds in one.vmtas]
    return Decision(
        outcome=_outcome(one, refusals),
        refusals=refusals,
        tenant=one.tenant,
        campaign=QueueName.parse(one.queue).campaign if one.queue else None,
        queue=one.queue,
        pool=one.pool,
        first_vmta=one.first_vmta,
        ways=ways,
        absent=list(_absent(one, around, {way.vmta for way in ways})) if is_now and one.outcome == "sent" else [],
        delayed_share=one.delayed_share,
        limits=limits.of_queue(one, simulated.steps),
        retries=one.retries,
        dkim=one.dkim,
        rules=rules_about(bundle, one, organization=organization, domain=domain),
        steps=simulated.steps,
    )


def _by_policy(one: SimulatedRecipient) -> list[Refusal]:
    if one.refusal is None:
        return []
    word = _WORD.search(one.refusal)
    code = word[1].replace("-", "_") if word else "policy_failed"
    return [Refusal(by="policy", code=code, text=one.refusal)]


def _outcome(one: SimulatedRecipient, refusals: Sequence[Refusal]) -> Literal["sent", "waits", "refused", "suppressed"]:
    codes = {refusal.code for refusal in refusals}
    if "suppressed" in codes:
        return "suppressed"
    if codes - set(_KEPT):
        return "refused"
    return "waits" if codes or one.first_vmta is None else "sent"


def _way(odds: VmtaOdds, around: Surroundings, is_now: bool) -> WayOut:
    row = around.vmtas.get(odds.vmta)
    found = list(limits.of_path(odds.limits))
    if row is not None and is_now:
        found = [*limits.of_warmup(row, around.delivered.get(row.id, {}), around.provider), *found]
    return WayOut(
        vmta=odds.vmta,
        egress_source=odds.egress_source,
        ip_address=odds.ip_address,
        ehlo_domain=odds.ehlo_domain,
        state=row.shown_state if row else "deleted",
        share=odds.share,
        limits=found,
        today=around.today(odds.vmta) if is_now else None,
    )


def _absent(one: SimulatedRecipient, around: Surroundings, there: set[str]) -> Iterator[Absent]:
    for name, row in around.vmtas.items():
        if name not in there:
            yield Absent(vmta=name, reason=_why(one, row, around.delivered.get(row.id, {})))


def _why(one: SimulatedRecipient, row: VmtaRow, delivered: dict[str, int]) -> str:
    if row.is_paused:
        until = f" until {row.paused_until:%Y-%m-%d %H:%M} UTC" if row.paused_until else ""
        reason = f": {row.paused_reason}" if row.paused_reason else ""
        return f"paused by {row.paused_by}{until}{reason}"
    progress = row.warmup
    if row.state == "warming" and progress is not None:
        if progress.paused:
            return "its warm-up is paused"
        if sum(delivered.values()) >= progress.allowance:
            return f"its allowance of today is used: {sum(delivered.values())} of {progress.allowance}"
    return f"not in the pool {one.pool} of this release"
