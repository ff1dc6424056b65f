"""The list of changes that the next release of the policy takes up."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.features.policy import change_queries


async def record(
    connection: AsyncConnection,
    *,
    organization_id: str | None,
    author: str,
    summary: str,
    now: datetime,
    domains: Collection[str] | None = None,
) -> None:
    """Note that the desired policy is another from now on.

    Call it in the transaction that makes the change: a change without its note would never be published, a note
    without its change would publish nothing.

    Args:
        connection: The transaction.
        organization_id: Whose configuration was changed; None for the installation's.
        author: Name of the principal who did it.
        summary: One line for the release's history, such as ``domain example.com verified``.
        now: When.
        domains: Names of the sending domains whose keys, organization or pool it may have changed. Those of no change
            are taken over from the release before. Absent: it may be all.
    """
    names = None if domains is None else sorted(domains)
    await change_queries.add(
        connection, organization_id=organization_id, author=author, summary=summary, domains=names, created_at=now
    )
