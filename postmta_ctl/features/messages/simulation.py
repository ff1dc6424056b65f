"""Simulated delivery: the message is composed as for sending, and goes through the published policy in the Lua VM."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from postmta_ctl.core.inject import InjectItem
from postmta_ctl.errors import Conflict, PostMTAError
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.domains import queries as domains
from postmta_ctl.features.messages.compose import NewMessage, NewRecipient, new_message
from postmta_ctl.features.messages.injecting import relay_item
from postmta_ctl.features.messages.lease_queries import Leased
from postmta_ctl.features.messages.places import find_places, place
from postmta_ctl.features.messages.schemas import SendRequest
from postmta_ctl.features.messages.simulated_release import part_of_release, send_through
from postmta_ctl.features.messages.simulation_schemas import Predicted, SimulatedRecipient, Simulation
from postmta_ctl.features.messages.templated import composed
from postmta_ctl.features.policy import queries as releases
from postmta_ctl.features.suppressions.service import suppressed
from postmta_ctl.features.tracking.service import tracker
from postmta_ctl.features.warmup.handing_out import FILE as TICKET_FILE
from postmta_ctl.features.warmup.handing_out import whole_day
from postmta_ctl.system import System

CLIPPED_FROM = 102_400
"""Octets of HTML above which Gmail shows only the beginning, by its users' long experience."""
LARGE_FROM = 10 * 1024 * 1024
"""Octets; smaller providers refuse what is larger."""


async def simulate(system: System, principal: Principal, request: SendRequest) -> Simulation:
    """Say what would happen to this message, without sending, storing or charging anything.

    Raises:
        InvalidRequest: The message could not be sent as it is.
        DomainNotVerified: The From domain is not a verified domain of the organization.
        Conflict: ``no_release``: no policy has been published yet.
    """
    (message,) = await composed(system, principal, [request])
    if isinstance(message, PostMTAError):
        raise message
    async with system.db.reading() as connection:
        message = place(message, await find_places(connection, principal.organization_id, [message]))
        held_back = await suppressed(connection, principal.organization_id, {one.key for one in message.recipients})
        release = await releases.latest(connection)
        if release is None:
            raise Conflict("No policy has been published yet.", code="no_release")
        waiting = await releases.pending(connection)
        bundle = await part_of_release(connection, release.number, message.sender.domain)
        domain = await domains.by_name(connection, principal.organization_id, message.sender.domain)
        tickets = await whole_day(connection, system.now())
    tracking_host = domain.tracking_host if domain else None
    message = message.without(held_back)
    items = [item_of(system, principal, message, one, tracking_host) for one in message.waiting]
    found = await send_through(release.number, bundle, items, live={TICKET_FILE: tickets}, now=system.now())
    people = [
        *(one.recipient for one in found),
        *(_suppressed(one) for one in message.recipients if one.status == "suppressed"),
    ]
    problems = [*_of_message(message), *_of_recipients(people)]
    if waiting:
        words = f"{len(waiting)} changes of the configuration are not published yet"
        problems.append(Predicted(severity="warning", code="policy_behind", message=words))
    return Simulation(release=release.number, recipients=people, problems=problems)


def sample(
    sender: str, recipient: str, *, tag: str | None, vmta: str | None, pool: str | None, now: datetime
) -> NewMessage:
    """A message of which only the way matters.

    Raises:
        InvalidRequest: An address is none.
    """
    tags = [tag] if tag else []
    request = SendRequest(
        sender=sender, to=[recipient], subject="Sample", text="Sample", tags=tags, vmta=vmta, pool=pool
    )
    return new_message(request, now)


def item_of(
    system: System, principal: Principal, message: NewMessage, recipient: NewRecipient, tracking_host: str | None
) -> InjectItem:
    """The recipient as the relay would give it to a node the first time."""
    request = message.request
    leased = Leased(
        recipient_id=recipient.id,
        message_id=message.id,
        address=recipient.address,
        organization=principal.organization,
        organization_id=principal.organization_id,
        domain=message.sender.domain,
        tracking_host=tracking_host,
        vmta=request.vmta,
        pool=message.pool,
        campaign=message.campaign,
        track_opens=request.track_opens,
        track_clicks=request.track_clicks,
        unsubscribe=request.unsubscribe,
        attempts=1,
        generation=1,
        alone=False,
        accepted_at=message.created_at,
        content=message.content,
    )
    return relay_item(leased, f"b@{system.settings.bounces}", tracker(system))


def _suppressed(recipient: NewRecipient) -> SimulatedRecipient:
    return SimulatedRecipient(address=recipient.address, outcome="suppressed")


def _of_message(message: NewMessage) -> Iterator[Predicted]:
    request, content = message.request, message.content.opened()
    html = content.html
    names = {name.lower() for name in request.headers}
    if html is not None and content.text is None:
        yield _warning("html_only", "there is no text alternative to the HTML; some filters count that against it")
    if not request.subject.strip():
        yield _warning("subject_empty", "the subject is empty")
    if html is not None and len(html.encode()) > CLIPPED_FROM:
        yield _warning("html_clipped", f"more than {CLIPPED_FROM} octets of HTML: Gmail shows only the beginning")
    if request.tags and not request.unsubscribe and "list-unsubscribe-post" not in names:
        words = "it is tagged like bulk mail, and bulk mail without one-click unsubscription (RFC 8058) is filtered"
        yield _warning("no_one_click", words)


def _of_recipients(people: Collection[SimulatedRecipient]) -> Iterator[Predicted]:
    for one in people:
        yield from (_at(problem, one.address) for problem in _of(one))


def _of(one: SimulatedRecipient) -> Iterator[Predicted]:
    if one.outcome == "suppressed":
        yield Predicted(severity="error", code="suppressed", message="it is on the suppression list")
    if one.refusal is not None:
        yield Predicted(severity="error", code="refused", message=one.refusal)
    if one.outcome != "sent":
        return
    if not one.vmtas:
        words = "no vMTA may send it now: it waits on the node until one may, or it expires"
        yield Predicted(severity="error", code="no_vmta", message=words)
    elif one.first_vmta is None:
        yield _warning("no_allowance", "every vMTA is out of its allowance; it waits")
    if not one.dkim:
        yield _warning("unsigned", "it carries no DKIM signature")
    if one.octets > LARGE_FROM:
        yield _warning("large", f"it has {one.octets} octets; many receivers refuse more than {LARGE_FROM}")
    if one.receiver is not None and one.receiver.code >= 400:
        severity = "error" if one.receiver.code >= 500 else "warning"
        yield Predicted(severity=severity, code="receiver_refuses", message=one.receiver.reply)


def _warning(code: str, message: str) -> Predicted:
    return Predicted(severity="warning", code=code, message=message)


def _at(problem: Predicted, address: str) -> Predicted:
    return Predicted(severity=problem.severity, code=problem.code, message=problem.message, recipient=address)
