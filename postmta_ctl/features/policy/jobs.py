"""What publishing does by itself."""

from __future__ import annotations

from datetime import timedelta

import structlog

from postmta_ctl.errors import Busy, PolicyRefused
from postmta_ctl.features.nodes import queries as nodes
from postmta_ctl.features.nodes.service import OFFLINE_AFTER
from postmta_ctl.features.policy import queries
from postmta_ctl.features.policy.bringing import catch_up
from postmta_ctl.features.policy.canaries import standstill
from postmta_ctl.features.policy.publish import publish
from postmta_ctl.features.policy.releasing import ITSELF
from postmta_ctl.settings import Settings
from postmta_ctl.system import System

log = structlog.get_logger(__name__)


async def publish_pending(system: System) -> None:
    """Publish the changes that wait, if that is to happen by itself.

    A burst of changes makes one release: it begins when the oldest has waited for the debounce. A refused policy is
    tried again when something else changes, or after a while, since a proof may fail for want of memory or disk.
    """
    async with system.db.reading() as connection:
        kinds = [row.kind for row in await nodes.all_nodes(connection)]
        changes = await queries.pending(connection)
        newest = await queries.newest_that_ran(connection)
    if standstill(newest):
        return
    if not changes or not publishes_by_itself(system.settings, kinds):
        return
    debounce = timedelta(seconds=system.settings.publish_debounce_seconds)
    last = changes[-1].id
    if system.now() - changes[0].created_at < debounce or system.refused_change.get() == last:
        return
    try:
        await publish(system, ITSELF)
    except PolicyRefused as error:
        system.refused_change.set(last)
        log.error("the policy was refused and is not published", detail=error.detail, errors=error.errors)
    except Busy:
        log.info("publishing waits for another publication")


def publishes_by_itself(settings: Settings, node_kinds: list[str]) -> bool:
    """Whether changes are published without being asked to.

    Args:
        settings: ``auto_publish`` decides; where it is not set, only a lone sandbox is so trusted.
        node_kinds: The kind of each node.
    """
    if settings.publish_approval:
        return False
    if settings.auto_publish is not None:
        return settings.auto_publish
    return node_kinds == ["sandbox"]


async def bring_nodes_up_to_date(system: System) -> None:
    """Bring nodes that were away, or new, to the newest release."""
    try:
        await catch_up(system, seen_after=system.now() - OFFLINE_AFTER)
    except Busy:
        log.debug("nodes are brought up to date by the publication that is under way")
