"""A published release with all that a reader of an ops repository wants to know of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from postmta_ctl.compiler.bundle import Bundle, ChangeClass
from postmta_ctl.errors import Conflict, NotFound
from postmta_ctl.features.policy import queries
from postmta_ctl.features.policy.draft import load_release
from postmta_ctl.features.policy.scenarios import queries as scenario_queries
from postmta_ctl.system import System


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A release to be kept elsewhere. It holds no secret."""

    number: int
    bundle: Bundle
    author: str
    approved_by: str | None
    reason: str
    change_class: ChangeClass
    changes: list[str]
    """What it took up, a line each."""
    published_at: datetime
    scenarios: str
    """Those that are kept now, as TOML."""


async def export(system: System, number: int | None) -> Exported:
    """A release.

    Args:
        system: The parts.
        number: Which; the newest published one when absent.

    Raises:
        NotFound: There is no such release, or its files are kept no more.
        Conflict: It was never published.
    """
    async with system.db.reading() as connection:
        row = await (queries.latest(connection) if number is None else queries.by_number(connection, number))
        if row is None:
            raise NotFound("No release was published yet." if number is None else f"There is no release {number}.")
        if row.state != "published" or row.published_at is None:
            raise Conflict(f"Release {row.number} is not published: it is {row.state}.")
        return Exported(
            number=row.number,
            bundle=await load_release(connection, row.number),
            author=row.author,
            approved_by=row.approved_by,
            reason=row.reason,
            change_class=row.change_class,
            changes=[change.summary for change in await queries.changes_of(connection, row.number)],
            published_at=row.published_at,
            scenarios=await scenario_queries.text(connection),
        )
