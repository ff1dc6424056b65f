"""An installation with as many sending domains as are wanted, put into the database without asking DNS for each."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import insert, update

from postmta_ctl.core.ids import new_id
from postmta_ctl.features.domains import service
from postmta_ctl.features.domains.queries import by_name
from postmta_ctl.store.tables import dkim_keys, domains, organizations, vmtas
from postmta_ctl.system import System

MADE = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def name_of(number: int) -> str:
    """The name of one of the domains."""
    return f"d{number}.example"


async def add_domains(system: System, organization_id: str, count: int, *, on_nodes: int | None = None) -> None:
    """Verified domains of an organization, with a key each that nothing can be signed with.

    Args:
        system: The parts.
        organization_id: Whose they are.
        count: How many.
        on_nodes: How many of them have their keys on nodes; all when absent.
    """
    rows, keys = [], []
    for number in range(count):
        domain = {"id": new_id(MADE), "organization_id": organization_id, "name": name_of(number)}
        held = MADE if on_nodes is None or number < on_nodes else None
        rows.append(domain | {"status": "verified", "ownership_token": "t", "verified_at": held, "created_at": MADE})
        key = {"id": new_id(MADE), "domain_id": domain["id"], "selector": "pmta", "algorithm": "rsa-sha256"}
        keys.append(key | {"public_record": "p", "sealed_private_key": b"", "state": "active", "created_at": MADE})
    async with system.db.transaction() as connection:
        await connection.execute(insert(domains), rows)
        await connection.execute(insert(dkim_keys), keys)


async def add_organization(system: System) -> str:
    """An organization with one vMTA; its id."""
    organization, vmta = new_id(MADE), new_id(MADE)
    async with system.db.transaction() as connection:
        await connection.execute(
            insert(organizations).values(id=organization, slug="many", name="many", created_at=MADE)
        )
        await connection.execute(
            insert(vmtas).values(
                id=vmta,
                organization_id=organization,
                name="mx1",
                ip_address="192.0.2.10",
                ehlo_domain="mx1.example",
                state="active",
                updated_at=MADE,
                created_at=MADE,
            )
        )
    return organization


async def change(system: System, organization_id: str, number: int) -> None:
    """Give one domain another key, as a rotation does when it has published the record."""
    async with system.db.transaction() as connection:
        row = await by_name(connection, organization_id, name_of(number))
        assert row is not None
        own = dkim_keys.c.domain_id == row.id
        await connection.execute(update(dkim_keys).where(own).values(id=new_id(system.now())))
        await service.record_change(connection, row, "ann", f"another key for {row.name}", system.now())
