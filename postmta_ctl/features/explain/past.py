"""Explaining a message of the past: by the release that took it in, beside what really happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.addresses import parse_mailbox
from postmta_ctl.core.kept_content import KeptContent
from postmta_ctl.errors import NotFound
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.domains import queries as domains
from postmta_ctl.features.explain import queries, surroundings
from postmta_ctl.features.explain.deciding import decision
from postmta_ctl.features.explain.schemas import Decision, Happened, OfRelease, PastExplanation, PastRecipient
from postmta_ctl.features.explain.service import acting_for, at_host, of_release
from postmta_ctl.features.messages import queries as messages
from postmta_ctl.features.messages.injecting import relay_item
from postmta_ctl.features.messages.lease_queries import Leased
from postmta_ctl.features.messages.simulated_release import part_of_release, send_through
from postmta_ctl.features.messages.simulation import sample
from postmta_ctl.features.policy import queries as releases
from postmta_ctl.features.retention.horizon import content_horizon, missing_before
from postmta_ctl.features.tracking.service import tracker
from postmta_ctl.system import System

MAX_RECIPIENTS = 10
"""Each has the policy run for it: some hundredths of a second."""
NOTES = [
    "queue, pool and limits are those of the release that took the message in; a later one may have sent it",
    "what was left of warm-up allowances then is not known any more: odds are by today's",
]


async def explain(
    system: System, principal: Principal, message_id: str, only: str | None, organization: str | None = None
) -> PastExplanation:
    """What each recipient's release decided, and what became of it.

    Args:
        system: The parts.
        principal: Who asks.
        message_id: The message.
        only: Id of a recipient; None: the first ten.
        organization: Slug of whose message it is; None: the principal's own. Another's is for operators.

    Raises:
        PermissionDenied: It is another organization's.
        NotFound: The organization has no such message, or the message no such recipient.
    """
    async with system.db.reading() as connection:
        principal = await acting_for(connection, principal, organization)
        row = await messages.message_by_id(connection, principal.organization_id, message_id)
        if row is None:
            raise NotFound("There is no such message.")
        people, count = await queries.some_recipients(connection, message_id, only, MAX_RECIPIENTS)
        if not people:
            raise NotFound("The message has no such recipient.")
        content = await queries.content_of(connection, message_id)
        happened = await messages.events_of(connection, [one.id for one in people])
    shown = []
    for one in people:
        mine = [_happened(event) for event in happened if event.recipient_id == one.id]
        shown.append(await _recipient(system, principal, row, one, content, mine))
    return PastExplanation(
        message_id=message_id,
        sender=row.sender,
        recipients=shown,
        left_out=count - len(people),
        notes=[*NOTES, *_missing(system, row.created_at, content)],
    )


def _missing(system: System, accepted_at: datetime, content: KeptContent | None) -> Iterator[str]:
    """What is not told, or not of the message itself."""
    now = system.now()
    if content is None:
        kept_since = content_horizon(system.settings, now)
        is_gone = kept_since is not None and accepted_at < kept_since
        yield f"its content {'is no longer kept' if is_gone else 'was never here'}: signatures are of a sample"
    if (gone := missing_before(system.settings, accepted_at, now)) is not None:
        yield f"events that came before {gone:%Y-%m-%d %H:%M} UTC are no longer kept"


async def from_command_line(system: System, message_id: str) -> PastExplanation:
    """The same for who is at the host, whosever message it is.

    Raises:
        NotFound: There is no such message.
    """
    async with system.db.reading() as connection:
        owner = await queries.owner_of_message(connection, message_id)
    if owner is None:
        raise NotFound("There is no such message.")
    return await explain(system, at_host(*owner), message_id, None)


async def _recipient(
    system: System, principal: Principal, row: Any, one: Any, content: KeptContent | None, happened: list[Happened]
) -> PastRecipient:
    release: OfRelease | None = None
    decided: Decision | None = None
    reason: str | None = None
    try:
        release, decided = await _decided(system, principal, row, one, content)
    except NotFound as error:
        reason = error.detail
    return PastRecipient(
        id=one.id,
        address=one.address,
        status=one.status,
        release=release,
        decision=decided,
        not_explained=reason,
        happened=happened,
        differences=[] if decided is None else _differences(decided, one, happened),
    )


async def _decided(
    system: System, principal: Principal, row: Any, one: Any, content: KeptContent | None
) -> tuple[OfRelease, Decision]:
    if one.release is None:
        raise NotFound(f"No node has had it yet: it is {one.status}, and no release is known of it.")
    async with system.db.reading() as connection:
        release = await releases.by_number(connection, one.release)
        if release is None:
            raise NotFound(f"Release {one.release} took it in, and is not known here any more.")
        bundle = await part_of_release(connection, release.number, row.domain)
        info = await of_release(connection, release)
        if content is None:
            content = sample(row.sender, one.address, tag=None, vmta=None, pool=None, now=row.created_at).content
        leased = await _leased(connection, principal, row, one, content)
        listed = parse_mailbox(one.address).dedupe_key if one.status == "suppressed" else None
        live = await surroundings.live_files(connection, principal.organization, system.now(), listed)
        around = await surroundings.look_around(connection, principal.organization_id, one.address, system.now())
    item = relay_item(leased, f"b@{system.settings.bounces}", tracker(system))
    (simulated,) = await send_through(release.number, bundle, [item], live=live, now=row.created_at, watch=True)
    before = [surroundings.of_suppression(one.address)] if listed else []
    found = decision(
        simulated, around, bundle, before, organization=principal.organization, domain=row.domain, is_now=False
    )
    return info, found


async def _leased(
    connection: AsyncConnection, principal: Principal, row: Any, one: Any, content: KeptContent
) -> Leased:
    """The recipient as the relay had it."""
    domain = await domains.by_name(connection, principal.organization_id, row.domain)
    return Leased(
        recipient_id=one.id,
        message_id=row.id,
        address=one.address,
        organization=principal.organization,
        organization_id=principal.organization_id,
        domain=row.domain,
        tracking_host=domain.tracking_host if domain else None,
        vmta=row.vmta,
        pool=row.pool,
        campaign=row.campaign,
        track_opens=row.track_opens,
        track_clicks=row.track_clicks,
        unsubscribe=row.unsubscribe,
        attempts=1,
        generation=1,
        alone=False,
        accepted_at=row.created_at,
        content=content,
    )


def _happened(event: Any) -> Happened:
    at: datetime = event.occurred_at
    names = [name for name in Happened.__struct_fields__ if name != "at"]
    return Happened(at=at, **{name: getattr(event, name) for name in names})


def _differences(decided: Decision, one: Any, happened: Sequence[Happened]) -> list[str]:
    """What does not go together, for people: most often a later release, or another hand."""
    found = []
    queues = {
        event.queue for event in happened if event.queue and event.type in ("message.accepted", "message.delivered")
    }
    if decided.queue and queues and decided.queue not in queues:
        found.append(f"it was in the queue {', '.join(sorted(queues))}, and the release says {decided.queue}")
    ways = {way.vmta for way in decided.ways}
    used = {event.vmta for event in happened if event.vmta}
    found += [f"it was tried by {vmta}, which is not among the vMTAs of its pool" for vmta in sorted(used - ways)]
    if decided.outcome == "sent" and one.bounce_class == "policy":
        found.append("it was refused by the policy, which takes it now")
    return found
