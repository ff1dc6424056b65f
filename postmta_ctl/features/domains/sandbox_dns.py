"""A DNS in which every customer has done what we asked for."""

from __future__ import annotations

from postmta_ctl.clients.dns import Answer
from postmta_ctl.features.domains import queries, records
from postmta_ctl.settings import Settings
from postmta_ctl.store.engine import Database


class SandboxResolver:
    """Pretends that every DNS record of every claimed domain is published; nothing is asked of the real DNS.

    For trying things out (``dns = "sandbox"``): *any* organization can verify *any* domain by it. Of several claims
    to one name the zone shows every ownership record, but the other records only of who holds the name, or else
    claimed it last: two DKIM keys at one selector would be one too many.
    """

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings

    async def lookup(self, name: str, kind: str) -> Answer:
        """Answer from the database."""
        labels = name.lower().removesuffix(".").split(".")
        async with self._db.reading() as connection:
            rows = await queries.of_names(connection, [".".join(labels[at:]) for at in range(len(labels))])
            keys = await queries.keys_of(connection, rows)
        rows.sort(key=lambda row: (row.verified_at is not None, row.id), reverse=True)
        found = [
            record
            for row in rows
            for record in records.expected(self._settings, row, keys[row.id])
            if (record.name, record.type) == (".".join(labels), kind)
        ]
        values = tuple(record.value for record in found if record == found[0] or record.purpose == records.OWNERSHIP)
        return Answer(status="found", values=values) if values else Answer(status="missing")
