"""All that is looked at, in the order in which it matters."""

from __future__ import annotations

from postmta_ctl.features.doctor import database, dns, engines, installation, nodes, outgoing
from postmta_ctl.features.doctor.dns import Progress
from postmta_ctl.features.doctor.findings import Finding
from postmta_ctl.features.nodes import queries
from postmta_ctl.system import System


async def examine(system: System, progress: Progress, *, port_25: str | None = None) -> list[Finding]:
    """Look at everything, and change nothing.

    Args:
        system: The parts.
        progress: Is told how many of the domains and vMTAs are done.
        port_25: A mail server to connect to; none: it is not tried.
    """
    found = await database.look(system)
    if any(one.level == "error" for one in found):
        return [*installation.look(system.settings, []), *found]
    async with system.db.reading() as connection:
        rows = await queries.all_nodes(connection)
    found = [*installation.look(system.settings, rows), *found, *await database.secrets(system, rows)]
    found += await nodes.look(system, rows)
    found += await nodes.database_clock(system)
    found += await engines.look(system)
    found += await dns.look(system, progress)
    return [*found, await outgoing.look(port_25)] if port_25 else found
