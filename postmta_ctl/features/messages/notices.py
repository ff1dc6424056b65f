"""Mail that the installation itself sends, such as credit alerts: by its own relay, like everybody's."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.errors import PostMTAError
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.messages import service
from postmta_ctl.features.messages.compose import new_message
from postmta_ctl.features.messages.schemas import SendRequest
from postmta_ctl.features.queues.queries import organization_id as organization_id_of
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

TAG = "notice"


def are_sent(system: System) -> bool:
    """Whether the operator has said who such mail comes from."""
    return bool(system.settings.notice_from and system.settings.notice_organization)


async def send(system: System, connection: AsyncConnection, to: Sequence[str], subject: str, text: str) -> bool:
    """Accept a notice, in the transaction of what it tells of: there is no one without the other.

    What stands in its way is the operator's to mend and stays in the log: the occasion itself goes on without it.

    Returns:
        Whether it was accepted.
    """
    if not are_sent(system):
        return False
    settings = system.settings
    organization_id = await organization_id_of(connection, settings.notice_organization)
    if organization_id is None:
        log.warning("notice not sent", reason=f"there is no organization {settings.notice_organization}")
        return False
    sender = Principal(
        organization_id=organization_id,
        organization=settings.notice_organization,
        role="system",
        scopes=frozenset(),
    )
    request = SendRequest(sender=settings.notice_from, to=list(to), subject=subject, text=text, tags=[TAG])
    try:
        async with connection.begin_nested():
            await service.accept(system, connection, sender, new_message(request, system.now()))
    except PostMTAError as error:
        log.warning("notice not sent", reason=error.detail)
        return False
    return True
