"""The list of changes that the next release of the policy takes up."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.features.policy import change_queries


async def record(
    connection: AsyncConnection, *, organization_id: str | None, author: str, summary: str, now: datetime
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
    """
    await change_queries.add(
        connection, organization_id=organization_id, author=author, summary=summary, created_at=now
    )
