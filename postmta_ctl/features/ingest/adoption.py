"""Messages that nodes took by SMTP become messages here: rows, counts, events and credits as for the API's own.

No balance can be asked while a client waits for its 250, so a credit is drawn when the record comes in. What a balance
does not cover any more is in the ledger with its quantity and no credits; by then the nodes are told to take no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.kumo_log import LogRecord
from postmta_ctl.core.log_events import domain_of
from postmta_ctl.core.providers import OTHER, well_known
from postmta_ctl.core.rollups import Fact
from postmta_ctl.features.credits import account
from postmta_ctl.features.ingest import adoption_queries, queries
from postmta_ctl.features.ingest.submitted import Submitted, submitted
from postmta_ctl.features.smtp_credentials.queries import touch
from postmta_ctl.features.webhooks.outbox import announce_mail
from postmta_ctl.store import rollups
from postmta_ctl.system import System

_RESOLUTION = timedelta(minutes=1)
"""``last_used_at`` of a credential is written at most this often."""


async def adopt(connection: AsyncConnection, mail: Sequence[LogRecord], now: datetime) -> dict[str, Submitted]:
    """Store the recipients that are not known yet, and their messages.

    Returns:
        Those that are new, by their ids; :func:`charge` is for when all recipients of the batch are locked.
    """
    found = {one.rid: one for record in mail if (one := submitted(record))}
    owners = await queries.organizations_by_slug(connection, {one.organization for one in found.values()})
    ours = [one for _, one in sorted(found.items()) if one.organization in owners]
    if not ours:
        return {}
    await adoption_queries.insert_messages(connection, ours, owners)
    added = await adoption_queries.insert_recipients(connection, ours, owners)
    new = {one.rid: one for one in ours if one.rid in added}
    await adoption_queries.insert_tags(connection, list(new.values()), owners)
    await _tell(connection, new, owners, now)
    await touch(connection, {one.username for one in new.values() if one.username}, now, now - _RESOLUTION)
    return new


async def _tell(
    connection: AsyncConnection, new: Mapping[str, Submitted], owners: Mapping[str, str], now: datetime
) -> None:
    await rollups.count(connection, [_queued(one, owners[one.organization]) for one in new.values()])
    await announce_mail(connection, [_event(one, owners[one.organization]) for one in new.values()], now)


def _queued(one: Submitted, organization_id: str) -> Fact:
    domain = domain_of(one.address)
    return Fact(
        organization_id=organization_id,
        type="message.queued",
        at=one.created_at,
        sending_domain=one.domain,
        recipient_domain=domain,
        provider=well_known(domain) or OTHER,
        tags=tuple(one.tags),
    )


def _event(one: Submitted, organization_id: str) -> dict[str, Any]:
    return {
        "organization_id": organization_id,
        "message_id": one.message_id,
        "recipient_id": one.rid,
        "recipient": one.address,
        "type": "message.queued",
        "occurred_at": one.created_at,
        "campaign": one.campaign,
    }


async def charge(system: System, connection: AsyncConnection, new: Mapping[str, Submitted]) -> dict[str, int]:
    """Reserve a credit for each new recipient, as far as the balances go; what each was charged.

    Balances are locked after recipients and in one order, as everywhere.
    """
    if not new:
        return {}
    slugs = {one.organization for one in new.values()}
    owners = await queries.organizations_by_slug(connection, slugs)
    counts = Counter(owners[one.organization] for one in new.values())
    covered = {
        organization_id: await account.reserve_covered(system, connection, organization_id, counts[organization_id])
        for organization_id in sorted(counts)
    }
    charged: dict[str, int] = {}
    for rid, one in sorted(new.items()):
        organization_id = owners[one.organization]
        charged[rid] = 1 if covered[organization_id] > 0 else 0
        covered[organization_id] -= 1
    await adoption_queries.set_credits(connection, [rid for rid, credits in charged.items() if credits])
    return charged
