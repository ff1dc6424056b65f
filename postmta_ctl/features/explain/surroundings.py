"""What lies around a release when it decides: how the vMTAs stand today, and what keeps mail back before a node."""

from __future__ import annotations

from datetime import UTC, datetime, time

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.auto_block import Action
from postmta_ctl.core.live_data import suppression_digest, suppression_path, suppression_shard
from postmta_ctl.core.log_events import domain_of
from postmta_ctl.core.providers import OTHER, well_known
from postmta_ctl.errors import PostMTAError
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.explain import queries
from postmta_ctl.features.explain.schemas import AttemptsToday, Refusal
from postmta_ctl.features.messages import places
from postmta_ctl.features.messages.compose import NewMessage
from postmta_ctl.features.queues import queries as queues
from postmta_ctl.features.queues.holds import is_held
from postmta_ctl.features.security.auto_block.block_queries import stops
from postmta_ctl.features.security.auto_block.coverage import covers_recipient
from postmta_ctl.features.vmtas.queries import VmtaRow, all_of_organization
from postmta_ctl.features.warmup.count_queries import delivered_at
from postmta_ctl.features.warmup.handing_out import FILE as TICKET_FILE
from postmta_ctl.features.warmup.handing_out import whole_day


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the organization that limits are held against."""

    provider: str
    """Of the recipient."""
    vmtas: dict[str, VmtaRow]
    """By name, as configured now."""
    delivered: dict[str, dict[str, int]]
    """Today's deliveries of warming vMTAs, by id and provider."""
    answers: dict[str, dict[int, int]]
    """Today's answers of the provider, by name of the vMTA and first digit of the code."""

    def today(self, vmta: str) -> AttemptsToday:
        """What the provider answered to a vMTA."""
        counts = self.answers.get(vmta, {})
        return AttemptsToday(
            provider=self.provider,
            delivered=counts.get(2, 0),
            deferred=counts.get(4, 0),
            bounced=counts.get(5, 0),
        )


async def look_around(connection: AsyncConnection, organization_id: str, address: str, now: datetime) -> Surroundings:
    """How it stands today for mail to an address."""
    provider = well_known(domain_of(address)) or OTHER
    rows = await all_of_organization(connection, organization_id)
    midnight = datetime.combine(now.date(), time(), UTC)
    return Surroundings(
        provider=provider,
        vmtas={row.name: row for row in rows},
        delivered=await delivered_at(connection, now.date()),
        answers=await queries.attempts(connection, organization_id, provider, midnight),
    )


async def live_files(
    connection: AsyncConnection, organization: str, now: datetime, suppressed: str | None
) -> dict[str, bytes]:
    """What a lone node's live data would say: today's warm-up, and whether this address is suppressed."""
    files = {TICKET_FILE: await whole_day(connection, now)}
    if suppressed is not None:
        path = suppression_path(suppression_shard(suppressed))
        files[path] = f"{suppression_digest(organization, suppressed)}\n".encode()
    return files


async def place(
    connection: AsyncConnection, principal: Principal, message: NewMessage
) -> tuple[NewMessage, list[Refusal]]:
    """The message with the pool that it leaves from, and why it would not be accepted."""
    try:
        return places.place(message, await places.find_places(connection, principal.organization_id, [message])), []
    except PostMTAError as error:
        code = error.errors[0].code if error.errors else error.code
        return message, [Refusal(by="postmta", code=code, text=error.detail)]


def of_suppression(address: str) -> Refusal:
    """What is said of an address that must get no mail."""
    return Refusal(by="postmta", code="suppressed", text=f"{address} is on the suppression list")


async def blocks(
    connection: AsyncConnection, organization_id: str, domain: str, address: str, vmta: str | None
) -> list[Refusal]:
    """The active blocks that keep mail to a recipient here."""
    found = await stops(connection, {organization_id}, actions=[Action.PAUSE, Action.HOLD])
    return [
        Refusal(by="postmta", code="auto_block", text=f"kept here by the block {one.id} of the rule {one.rule_name}")
        for one in found
        if covers_recipient(one, organization_id=organization_id, domain=domain, address=address, vmta=vmta)
    ]


async def holds(connection: AsyncConnection, organization_id: str, queue: str | None, now: datetime) -> list[Refusal]:
    """The hold of the queue, if somebody holds it."""
    row = await queues.hold_of(connection, queue) if queue else None
    if row is None or row.organization_id != organization_id or not is_held(row, now):
        return []
    until = f" until {row.expires_at:%Y-%m-%d %H:%M} UTC" if row.expires_at else ""
    return [Refusal(by="postmta", code="held", text=f"the queue is held by {row.author}{until}: {row.reason}")]
