"""Thresholds that tell when credits run low.

A job compares thresholds with balances, so that sending pays nothing for them. The mark ``fired_at`` makes each
crossing tell once: it is set when the balance is found at or below the threshold, and taken off when it is above.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.addresses import parse_mailbox
from postmta_ctl.core.ids import new_id
from postmta_ctl.errors import AlreadyExists, Conflict, InvalidRequest, NotFound
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.billing.queries import organization_name
from postmta_ctl.features.credits import alert_queries as queries
from postmta_ctl.features.credits.alert_queries import AlertRow, Crossing
from postmta_ctl.features.credits.schemas import Alert, AlertCreate, Alerts, AlertUpdate
from postmta_ctl.features.fields import Fields
from postmta_ctl.features.messages import notices
from postmta_ctl.features.webhooks.delivery_queries import insert_notice
from postmta_ctl.features.webhooks.outbox import Happening, announce
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System

MAX_ALERTS = 50
"""Of one organization."""
BATCH = 200
LOW = "credits.low"


class CreditsLowData(msgspec.Struct, frozen=True, kw_only=True):
    """``data`` of ``credits.low``."""

    alert_id: str
    type: str
    threshold: int
    available: int
    """When the crossing was noticed."""


async def create(system: System, principal: Principal, data: AlertCreate) -> Alert:
    """Add a threshold. It fires soon if the balance is below it already.

    Raises:
        InvalidRequest: An email is no address, or this installation sends no mail of its own.
        AlreadyExists: The organization has this threshold.
        Conflict: It has as many as there may be.
    """
    now = system.now()
    row = AlertRow(
        id=new_id(now),
        organization_id=principal.organization_id,
        type=data.type,
        threshold=data.threshold,
        emails=_emails(system, data.emails),
        fired_at=None,
        created_at=now,
    )
    try:
        async with system.db.transaction() as connection:
            if await queries.count(connection, principal.organization_id) >= MAX_ALERTS:
                raise Conflict(f"An organization has at most {MAX_ALERTS} alerts.", code="too_many_alerts")
            await queries.add(connection, row)
            await audit.record(connection, principal, "credit_alert.set", row.id, after=_shown(row), now=now)
    except IntegrityError as error:
        raise AlreadyExists(f"There is an alert at {data.threshold} {data.type} credits already.") from error
    return _shown(row)


def _emails(system: System, given: list[str]) -> list[str]:
    if given and not notices.are_sent(system):
        message = "this installation sends no mail of its own: the operator sets notice_from and notice_organization"
        raise InvalidRequest.of("emails", message, code="not_configured")
    problems = Fields()
    read = [problems.read(f"emails[{index}]", _address, one) for index, one in enumerate(given)]
    problems.done()
    return read


def _address(text: str) -> str:
    return parse_mailbox(text).address


async def get(system: System, principal: Principal, alert_id: str) -> Alert:
    """One threshold.

    Raises:
        NotFound: The organization has no such alert.
    """
    async with system.db.reading() as connection:
        return _shown(await _found(connection, principal, alert_id))


async def update(system: System, principal: Principal, alert_id: str, data: AlertUpdate, unchanged: Condition) -> Alert:
    """Change a threshold, or who is told of it.

    Raises:
        NotFound: The organization has no such alert.
        PreconditionFailed: It is another than the caller knows.
        InvalidRequest: An email is no address, or this installation sends no mail of its own.
        AlreadyExists: The organization has the new threshold.
    """
    try:
        async with system.db.transaction() as connection:
            row = await _found(connection, principal, alert_id, lock=True)
            unchanged.require(_shown(row))
            changed = _changed(system, row, data)
            await queries.change(connection, changed)
            before, after = _shown(row), _shown(changed)
            await audit.record(
                connection, principal, "credit_alert.updated", row.id, before=before, after=after, now=system.now()
            )
    except IntegrityError as error:
        raise AlreadyExists(f"There is an alert at {data.threshold} credits already.") from error
    return after


def _changed(system: System, row: AlertRow, data: AlertUpdate) -> AlertRow:
    if data.emails is not UNSET:
        row = msgspec.structs.replace(row, emails=_emails(system, data.emails))
    if data.threshold is not UNSET and data.threshold != row.threshold:
        row = msgspec.structs.replace(row, threshold=data.threshold, fired_at=None)
    return row


async def _found(connection: AsyncConnection, principal: Principal, alert_id: str, *, lock: bool = False) -> AlertRow:
    row = await queries.by_id(connection, principal.organization_id, alert_id, lock=lock)
    if row is None:
        raise NotFound("There is no such alert.")
    return row


async def list_alerts(system: System, principal: Principal) -> Alerts:
    """All thresholds of the organization."""
    async with system.db.reading() as connection:
        return Alerts([_shown(row) for row in await queries.of_organization(connection, principal.organization_id)])


async def delete(system: System, principal: Principal, alert_id: str, unchanged: Condition) -> None:
    """Remove a threshold.

    Raises:
        NotFound: The organization has no such alert.
        PreconditionFailed: It is another than the caller knows.
    """
    async with system.db.transaction() as connection:
        row = await _found(connection, principal, alert_id, lock=True)
        unchanged.require(_shown(row))
        await queries.remove(connection, principal.organization_id, alert_id)
        await audit.record(
            connection, principal, "credit_alert.deleted", alert_id, before=_shown(row), now=system.now()
        )


async def watch_balances(system: System) -> bool:
    """Fire the alerts whose threshold was crossed downwards, and arm those that were crossed upwards."""
    async with system.db.reading() as connection:
        found = await queries.crossings(connection, limit=BATCH)
    if not found:
        return False
    armed = [one.alert.id for one in found if one.alert.fired_at is not None]
    async with system.db.transaction() as connection:
        if armed:
            await queries.arm(connection, armed)
        for one in found:
            if one.alert.fired_at is None and await queries.fire(connection, one.alert.id, system.now()):
                await _tell(system, connection, one)
    return len(found) == BATCH


async def _tell(system: System, connection: AsyncConnection, one: Crossing) -> None:
    """Keep the event, send it to the organization's endpoints, and by mail to whom the alert names."""
    now, alert = system.now(), one.alert
    data = CreditsLowData(alert_id=alert.id, type=alert.type, threshold=alert.threshold, available=one.available)
    details = msgspec.to_builtins(data)
    await insert_notice(connection, alert.organization_id, LOW, details, key=system.random(16), now=now)
    await announce(connection, [Happening(organization_id=alert.organization_id, type=LOW, at=now, data=data)], now)
    if alert.emails:
        name = await organization_name(connection, alert.organization_id)
        await notices.send(system, connection, alert.emails, *_words(name, one))


def _words(organization: str, one: Crossing) -> tuple[str, str]:
    """Subject and text of the mail."""
    kind, left = one.alert.type.replace("_", " "), f"{one.available:,}"
    text = (
        f"The {kind} credits of {organization} have fallen to {left}.\n"
        f"You asked to be told at {one.alert.threshold:,}.\n"
        "Once they are used up, requests that need them are refused.\n"
    )
    return f"{organization}: {left} {kind} credits left", text


def _shown(row: AlertRow) -> Alert:
    return Alert(**{name: getattr(row, name) for name in Alert.__struct_fields__})
