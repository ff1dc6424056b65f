"""Lists as CSV (RFC 4180): taken in line by line as they arrive, and given out row by row.

A line is ``address``, ``address,reason`` or ``address,reason,note``. A first line that begins with ``address`` names
the columns and may bring them in any order, so that an exported file can come back as it is.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import AsyncIterator
from datetime import datetime

import msgspec

from postmta_ctl.core.csv_text import line
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.spreadsheets import from_cell
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.suppressions import queries
from postmta_ctl.features.suppressions.schemas import Imported, LineError, SuppressionCreate
from postmta_ctl.features.suppressions.service import key_of, new_row
from postmta_ctl.system import System

COLUMNS = ("address", "reason", "note", "created_at")
MAX_LINE = 4096
"""Characters: an address of 254 and a note of 500 leave room."""
MAX_ERRORS = 100
_BATCH = 1000
"""Addresses of one transaction."""


class Reader:
    """Reads lines one by one, and remembers what was wrong with them."""

    def __init__(self, organization_id: str, now: datetime) -> None:
        self._organization_id = organization_id
        self._now = now
        self._columns: tuple[str, ...] = COLUMNS
        self._line = 0
        self.rejected = 0
        self.errors: list[LineError] = []

    def read(self, text: str) -> queries.SuppressionRow | None:
        """The entry that a line asks for; None for a header, an empty line and one that cannot be taken."""
        self._line += 1
        try:
            return self._row(text)
        except (InputError, csv.Error, msgspec.ValidationError) as error:
            self.rejected += 1
            if len(self.errors) < MAX_ERRORS:
                self.errors.append(LineError(self._line, str(error)))
            return None

    def _row(self, text: str) -> queries.SuppressionRow | None:
        cells = self._cells(text)
        if not any(cells):
            return None
        if self._line == 1 and "address" in (names := tuple(cell.strip().lower() for cell in cells)):
            self._columns = names
            return None
        given = {name: from_cell(cell.strip()) for name, cell in zip(self._columns, cells, strict=False)}
        asked = {name: given[name] for name in ("address", "reason", "note") if given.get(name)}
        data = msgspec.convert(asked, SuppressionCreate)
        return new_row(self._organization_id, key_of(data.address), data.reason, self._now, note=data.note)

    def _cells(self, text: str) -> list[str]:
        if len(text) > MAX_LINE:
            raise InputError("line_too_long", f"the line has more than {MAX_LINE} characters")
        return next(csv.reader([text], strict=True), [])


async def import_csv(system: System, principal: Principal, chunks: AsyncIterator[bytes]) -> Imported:
    """Add the addresses of a file as it comes in. What was added before a broken connection stays added.

    Args:
        system: The parts.
        principal: Whose list.
        chunks: The file in UTF-8.
    """
    reader = Reader(principal.organization_id, system.now())
    added = taken = 0
    batch: list[queries.SuppressionRow] = []
    async for text in _lines(chunks):
        if (row := reader.read(text)) is not None:
            batch.append(row)
        if len(batch) == _BATCH:
            taken, added, batch = taken + len(batch), added + await _store(system, principal, batch), []
    taken, added = taken + len(batch), added + await _store(system, principal, batch)
    return Imported(added=added, existing=taken - added, rejected=reader.rejected, errors=reader.errors)


async def _store(system: System, principal: Principal, batch: list[queries.SuppressionRow]) -> int:
    if not batch:
        return 0
    unique = {row.address: row for row in reversed(batch)}
    async with system.db.transaction() as connection:
        added = await queries.add(connection, list(unique.values()))
        after = {"added": len(added), "existing": len(unique) - len(added)}
        target = principal.organization_id
        await audit.record(connection, principal, "suppressions.imported", target, after=after, now=system.now())
    return len(added)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """The lines of a file. One that never ends is given out in parts, the first of which is too long to be taken."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    rest = ""
    async for chunk in chunks:
        *lines, rest = (rest + decoder.decode(chunk)).replace("\r\n", "\n").split("\n")
        for one in lines:
            yield one
        if len(rest) > MAX_LINE + 1:
            yield rest
            rest = ""
    if rest:
        yield rest.removesuffix("\r")


async def export_csv(system: System, principal: Principal) -> AsyncIterator[bytes]:
    """The whole list, safe to open in a spreadsheet."""
    yield line(COLUMNS).encode()
    async with system.db.reading() as connection:
        async for row in queries.whole_list(connection, principal.organization_id):
            yield line((row.address, row.reason, row.note, row.created_at.isoformat())).encode()
