"""A DNS in which every customer has done what we asked for."""

from __future__ import annotations

import ipaddress

from postmta_ctl.clients.dns import Answer
from postmta_ctl.core.reverse_dns import reverse_name
from postmta_ctl.features.domains import queries, records
from postmta_ctl.features.vmtas import queries as vmtas
from postmta_ctl.settings import Settings
from postmta_ctl.store.engine import Database


class SandboxResolver:
    """Pretends that every DNS record of every claimed domain, and of the operator, is published.

    Nothing is asked of the real DNS.

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
        values = [record.value for record in found if record == found[0] or record.purpose == records.OWNERSHIP]
        values += await self._of_operator(".".join(labels), kind)
        return Answer(status="found", values=tuple(values)) if values else Answer(status="missing")

    async def _of_operator(self, name: str, kind: str) -> list[str]:
        """What the operator of an installation publishes: bounces come back, and addresses have names."""
        async with self._db.reading() as connection:
            used = [vmta for _, vmta in await vmtas.of_all(connection)]
        if name == self._settings.bounces:
            addresses = (ipaddress.ip_address(one) for vmta in used for one in vmta.addresses)
            networks = [f"ip{address.version}:{address}" for address in addresses]
            return {"TXT": [" ".join(["v=spf1", *networks, "-all"])], "MX": [f"10 mx.{name}"]}.get(kind, [])
        if name == f"mx.{self._settings.bounces}":
            return ["127.0.0.1"] if kind == "A" else []
        if kind == "PTR":
            return [vmta.ehlo_domain for vmta in used if name in map(reverse_name, vmta.addresses)]
        if kind in ("A", "AAAA"):
            named = [one for vmta in used if vmta.ehlo_domain == name for one in vmta.addresses]
            return [address for address in named if (":" in address) == (kind == "AAAA")]
        return []
