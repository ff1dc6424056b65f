"""SQL of removing the files of old releases."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import msgspec
from sqlalchemy import LargeBinary, Text, delete, func, select, type_coerce, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.tables import blobs, releases

DIFF_KEPT = 65_536
"""Characters of a difference that stay."""
_CUT = "\n… the rest is kept no more\n"
_SCANNED = 20
"""Lists of files in memory at a time; one of 100,000 domains has some 400 kB."""
_CHUNK = 1000
_RAW = type_coerce(releases.c.files, LargeBinary)


async def boundary(connection: AsyncConnection, count: int, moment: datetime) -> int:
    """The number below which releases are old.

    Args:
        connection: Where they are.
        count: As many of the newest are not.
        moment: What ran at this time or later is not.
    """
    newest = select(releases.c.number).order_by(releases.c.number.desc()).limit(count).subquery()
    by_count = await connection.scalar(select(func.min(newest.c.number))) or 0
    ran = (releases.c.state == "published", releases.c.published_at <= moment)
    by_age = await connection.scalar(select(func.max(releases.c.number)).where(*ran)) or 0
    return min(by_count, by_age)


async def older_than(connection: AsyncConnection, number: int, but: Collection[int], limit: int) -> list[int]:
    """Numbers of releases below one that have their files yet, oldest first."""
    old = (releases.c.number < number, releases.c.files_removed_at.is_(None), releases.c.number.not_in(but))
    query = select(releases.c.number).where(*old).order_by(releases.c.number).limit(limit)
    return list(await connection.scalars(query))


async def remove_files(connection: AsyncConnection, numbers: Collection[int], now: datetime) -> int:
    """Take away the files of these releases, and the contents that no other release has.

    Returns:
        How many contents were removed.
    """
    candidates: set[str] = set()
    for number in numbers:
        raw = await connection.scalar(select(_RAW).where(releases.c.number == number))
        candidates |= set(msgspec.json.decode(raw or b"{}", type=dict[str, str]).values())
    gone = update(releases).where(releases.c.number.in_(numbers))
    await connection.execute(gone.values(files={}, basis=None, files_removed_at=now))
    shortened = func.substr(releases.c.diff, 1, DIFF_KEPT, type_=Text) + _CUT
    long = (releases.c.number.in_(numbers), func.length(releases.c.diff) > DIFF_KEPT)
    await connection.execute(update(releases).where(*long).values(diff=shortened))
    unused = sorted(await _unused(connection, candidates))
    for start in range(0, len(unused), _CHUNK):
        await connection.execute(delete(blobs).where(blobs.c.digest.in_(unused[start : start + _CHUNK])))
    return len(unused)


async def _unused(connection: AsyncConnection, digests: set[str]) -> set[str]:
    """Those that are in no list of files. The lists are searched as they are, since only a few are looked for.

    The oldest release comes first: it shares almost all with those that were removed, so one look settles most.
    """
    first = await connection.scalar(
        select(_RAW).where(releases.c.files_removed_at.is_(None)).order_by(releases.c.number).limit(1)
    )
    left = digests - set(msgspec.json.decode(first or b"{}", type=dict[str, str]).values())
    after = 0
    while left:
        query = select(releases.c.number, _RAW.label("raw")).where(
            releases.c.files_removed_at.is_(None), releases.c.number > after
        )
        found = (await connection.execute(query.order_by(releases.c.number).limit(_SCANNED))).all()
        if not found:
            break
        left = {one for one in left if not any(one.encode() in row.raw for row in found)}
        after = found[-1].number
    return left
