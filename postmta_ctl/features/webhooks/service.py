"""Making, showing, changing and deleting endpoints."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import msgspec
from msgspec import UNSET
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.errors import InputError
from postmta_ctl.core.event_types import parse_event_types
from postmta_ctl.core.ids import is_id, new_id
from postmta_ctl.core.ssrf import EndpointPolicy, parse_endpoint
from postmta_ctl.errors import Conflict, NotFound
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.billing.plans import require_room
from postmta_ctl.features.fields import Fields
from postmta_ctl.features.webhooks import queries, secrets
from postmta_ctl.features.webhooks.queries import WebhookRow
from postmta_ctl.features.webhooks.schemas import RotateSecret, Webhook, WebhookCreate, WebhookSecret, WebhookUpdate
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System

MAX_WEBHOOKS = 100
"""Of an organization: each event is written once for each."""
BY_USER = "by_user"


async def create(system: System, principal: Principal, data: WebhookCreate) -> WebhookSecret:
    """Make an endpoint. It is told of what happens from now on.

    Raises:
        InvalidRequest: The URL is none that requests are sent to, or an event does not exist.
        Conflict: The organization has as many as it or its plan may.
    """
    row, secret = _new(system, principal, data)
    async with system.db.transaction() as connection:
        if await queries.count(connection, principal.organization_id) >= MAX_WEBHOOKS:
            raise Conflict(f"An organization has {MAX_WEBHOOKS} webhooks at most.", code="too_many_webhooks")
        await require_room(system, connection, principal.organization_id, "webhooks")
        await queries.add(connection, row)
        made = shown(row, row.created_at)
        await audit.record(connection, principal, "webhook.created", row.id, after=made, now=row.created_at)
    return WebhookSecret(webhook=made, secret=secret)


def _new(system: System, principal: Principal, data: WebhookCreate) -> tuple[WebhookRow, str]:
    fields, now = Fields(), system.now()
    url = fields.read("url", partial(_url, system.webhooks.policy), data.url)
    events = _events(fields, data.events)
    fields.done()
    webhook_id = new_id(now)
    secret, sealed = secrets.new_secret(system, webhook_id)
    row = WebhookRow(
        id=webhook_id,
        organization_id=principal.organization_id,
        url=url,
        description=data.description,
        events=events,
        enabled=data.enabled,
        disabled_reason=None if data.enabled else BY_USER,
        sealed_secret=sealed,
        sealed_previous_secret=None,
        previous_secret_expires_at=None,
        failing_since=None,
        updated_at=now,
        created_at=now,
    )
    return row, secret


def _url(policy: EndpointPolicy, text: str) -> str:
    parse_endpoint(text, policy)
    return text


def _events(fields: Fields, given: list[str] | None) -> list[str] | None:
    try:
        return None if given is None else parse_event_types(given)
    except InputError as error:
        fields.refuse(f"events{error.field}", error.message, code=error.code)
        return None


async def list_webhooks(system: System, principal: Principal, paging: PageRequest) -> Page[Webhook]:
    """The organization's endpoints, newest first."""
    async with system.db.reading() as connection:
        rows = await queries.of_organization(connection, principal.organization_id, paging)
    return paging.page([shown(row, system.now()) for row in rows])


async def get(system: System, principal: Principal, webhook_id: str) -> Webhook:
    """One endpoint.

    Raises:
        NotFound: The organization has no such endpoint.
    """
    async with system.db.reading() as connection:
        return shown(await find(connection, principal, webhook_id), system.now())


async def update(
    system: System, principal: Principal, webhook_id: str, data: WebhookUpdate, unchanged: Condition
) -> Webhook:
    """Change an endpoint. What waits for it goes to the new URL.

    Raises:
        NotFound: The organization has no such endpoint.
        InvalidRequest: The URL is none that requests are sent to, or an event does not exist.
        PreconditionFailed: It is another than the caller knows.
    """
    now = system.now()
    async with system.db.transaction() as connection:
        row = await find(connection, principal, webhook_id, lock=True)
        before = shown(row, now)
        unchanged.require(before)
        changed = msgspec.structs.replace(_changed(system, row, data), updated_at=now)
        await queries.save(connection, changed)
        after = shown(changed, now)
        await audit.record(connection, principal, "webhook.updated", row.id, before=before, after=after, now=now)
    return after


def _changed(system: System, row: WebhookRow, data: WebhookUpdate) -> WebhookRow:
    fields = Fields()
    if data.url is not UNSET:
        row = msgspec.structs.replace(row, url=fields.read("url", partial(_url, system.webhooks.policy), data.url))
    if data.events is not UNSET:
        row = msgspec.structs.replace(row, events=_events(fields, data.events))
    if data.description is not UNSET:
        row = msgspec.structs.replace(row, description=data.description)
    if data.enabled is not UNSET:
        row = _switched(row, enabled=data.enabled)
    fields.done()
    return row


def _switched(row: WebhookRow, *, enabled: bool) -> WebhookRow:
    if enabled:
        return msgspec.structs.replace(row, enabled=True, disabled_reason=None, failing_since=None)
    # Why it was disabled stays known when somebody disables it once more.
    return msgspec.structs.replace(row, enabled=False, disabled_reason=row.disabled_reason or BY_USER)


async def rotate_secret(system: System, principal: Principal, webhook_id: str, data: RotateSecret) -> WebhookSecret:
    """Give an endpoint a new secret; the one before signs too for a while. Of an earlier one nothing is left.

    Raises:
        NotFound: The organization has no such endpoint.
    """
    async with system.db.transaction() as connection:
        row = await find(connection, principal, webhook_id, lock=True)
        secret, changed = secrets.rotated(system, row, timedelta(seconds=data.overlap_seconds))
        await queries.save(connection, changed)
        now = changed.updated_at
        await audit.record(connection, principal, "webhook.secret_rotated", row.id, after=shown(changed, now), now=now)
    return WebhookSecret(webhook=shown(changed, now), secret=secret)


async def delete(system: System, principal: Principal, webhook_id: str, unchanged: Condition) -> None:
    """Delete an endpoint, and what waits for it.

    Raises:
        NotFound: The organization has no such endpoint.
        PreconditionFailed: It is another than the caller knows.
    """
    now = system.now()
    async with system.db.transaction() as connection:
        row = await find(connection, principal, webhook_id, lock=True)
        before = shown(row, now)
        unchanged.require(before)
        await queries.hide(connection, row.id, now)
        await audit.record(connection, principal, "webhook.deleted", row.id, before=before, now=now)


async def find(connection: AsyncConnection, principal: Principal, webhook_id: str, *, lock: bool = False) -> WebhookRow:
    """The organization's endpoint of this id.

    Raises:
        NotFound: There is none.
    """
    # PostgreSQL takes no NUL in a text, so what is no id is not looked for.
    row = None
    if is_id(webhook_id):
        row = await queries.by_id(connection, principal.organization_id, webhook_id, lock=lock)
    if row is None:
        raise NotFound("There is no such webhook.")
    return row


def shown(row: WebhookRow, now: datetime) -> Webhook:
    """The endpoint as the API shows it."""
    expires = row.previous_secret_expires_at
    known = {name: getattr(row, name) for name in Webhook.__struct_fields__}
    return Webhook(**known | {"previous_secret_expires_at": expires if expires and expires > now else None})
