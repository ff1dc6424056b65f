"""Explaining a message that somebody asks about: by the published release, in the Lua VM."""

from __future__ import annotations

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.domain_names import parse_mail_domain
from postmta_ctl.core.errors import InputError
from postmta_ctl.errors import Conflict, NotFound, PermissionDenied
from postmta_ctl.features.auth.principal import OPERATOR, READ, Principal
from postmta_ctl.features.domains import queries as domains
from postmta_ctl.features.explain import queries, surroundings
from postmta_ctl.features.explain.deciding import decision
from postmta_ctl.features.explain.schemas import Explanation, OfRelease, Question
from postmta_ctl.features.messages.simulated_release import part_of_release, send_through
from postmta_ctl.features.messages.simulation import item_of, sample
from postmta_ctl.features.policy import queries as releases
from postmta_ctl.features.policy.queries import ReleaseRow
from postmta_ctl.features.suppressions.service import suppressed
from postmta_ctl.system import System


async def explain(system: System, principal: Principal, question: Question, organization: str | None) -> Explanation:
    """What would become of this message, and why.

    Args:
        system: The parts.
        principal: Who asks.
        question: The message.
        organization: Slug of whose it is; None: the principal's own. Another's is for operators.

    Raises:
        InvalidRequest: An address is none.
        PermissionDenied: It is another organization's.
        NotFound: There is no such organization or release, or its files are gone.
        Conflict: ``no_release``: no policy has been published yet.
    """
    now = system.now()
    message = sample(
        question.sender,
        question.recipient,
        tag=question.tag,
        vmta=question.vmta,
        pool=question.pool,
        now=now,
    )
    (person,) = message.recipients
    domain = message.sender.domain
    async with system.db.reading() as connection:
        principal = await acting_for(connection, principal, organization)
        whose = principal.organization_id
        row = await _release(connection, principal, question.release)
        bundle = await part_of_release(connection, row.number, domain)
        message, before = await surroundings.place(connection, principal, message)
        if await suppressed(connection, whose, {person.key}):
            before.append(surroundings.of_suppression(person.address))
        before += await surroundings.blocks(connection, whose, domain, person.address, question.vmta)
        listed = person.key if any(one.code == "suppressed" for one in before) else None
        live = await surroundings.live_files(connection, principal.organization, now, listed)
        around = await surroundings.look_around(connection, whose, person.address, now)
        sender_domain = await domains.by_name(connection, whose, domain)
        info = await of_release(connection, row)
        notes = await _notes(connection, row, info)
    item = item_of(system, principal, message, person, sender_domain.tracking_host if sender_domain else None)
    (simulated,) = await send_through(row.number, bundle, [item], live=live, now=now, watch=True)
    async with system.db.reading() as connection:
        before += await surroundings.holds(connection, whose, simulated.recipient.queue, now)
    return Explanation(
        release=info,
        organization=principal.organization,
        sender=message.sender.address,
        recipient=person.address,
        decision=decision(
            simulated, around, bundle, before, organization=principal.organization, domain=domain, is_now=True
        ),
        notes=notes,
    )


async def from_command_line(system: System, question: Question, organization: str | None) -> Explanation:
    """The same for who is at the host. Without an organization, that which the From domain belongs to.

    Raises:
        NotFound: No organization has verified the domain, or there is none of that name.
    """
    return await explain(system, await _whose(system, question.sender, organization), question, None)


async def _whose(system: System, sender: str, organization: str | None) -> Principal:
    async with system.db.reading() as connection:
        slug = organization or await queries.owner_of_domain(connection, _domain(sender))
        if slug is None:
            raise NotFound(f"No organization has verified the domain of {sender}: say whose message it is.")
        found = await queries.organization_by_slug(connection, slug)
    if found is None:
        raise NotFound(f"There is no organization {slug}.")
    return at_host(found, slug)


def at_host(organization_id: str, slug: str) -> Principal:
    """Who is at the host, acting for an organization."""
    scopes = READ | OPERATOR
    return Principal(organization_id=organization_id, organization=slug, role="owner", scopes=scopes, is_operator=True)


def _domain(sender: str) -> str:
    try:
        return parse_mail_domain(sender.rpartition("@")[2].rstrip("> "))
    except InputError:
        return ""


async def acting_for(connection: AsyncConnection, principal: Principal, organization: str | None) -> Principal:
    """The principal, acting for an organization (slug) where one is named.

    Raises:
        PermissionDenied: It is another's, and the principal is no operator.
        NotFound: There is no such organization.
    """
    if organization is None or organization == principal.organization:
        return principal
    if not principal.is_operator:
        raise PermissionDenied("Only operators may ask for another organization.", code="not_operator")
    found = await queries.organization_by_slug(connection, organization)
    if found is None:
        raise NotFound("There is no such organization.")
    return msgspec.structs.replace(principal, organization_id=found, organization=organization)


async def _release(connection: AsyncConnection, principal: Principal, number: int | None) -> ReleaseRow:
    """The release to go by. One that was never published is for operators to see."""
    if number is None:
        latest = await releases.latest(connection)
        if latest is None:
            raise Conflict("No policy has been published yet.", code="no_release")
        return latest
    row = await releases.by_number(connection, number)
    if row is None or not (principal.is_operator or row.published_at is not None):
        raise NotFound(f"There is no release {number}.")
    return row


async def of_release(connection: AsyncConnection, row: ReleaseRow) -> OfRelease:
    """What is told of a release."""
    latest = await releases.latest(connection)
    return OfRelease(
        number=row.number,
        digest=row.digest,
        published_at=row.published_at,
        is_latest=latest is not None and latest.number == row.number,
    )


async def _notes(connection: AsyncConnection, row: ReleaseRow, info: OfRelease) -> list[str]:
    waiting = len(await releases.pending(connection))
    canary = await releases.canary(connection)
    found = []
    if waiting and info.is_latest:
        found.append(f"{waiting} changes of the configuration are not published yet")
    if not info.is_latest:
        found.append("this is not the newest release; how the vMTAs stand is told as of today")
    if canary is not None and canary.number != row.number:
        found.append(f"some nodes run the canary, release {canary.number}")
    return found
