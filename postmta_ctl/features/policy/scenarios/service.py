"""Reading and writing the scenarios."""

from __future__ import annotations

from typing import Any

import msgspec

from postmta_ctl.errors import InvalidRequest
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.policy.scenarios import queries
from postmta_ctl.features.policy.scenarios.format import ScenarioError, parse
from postmta_ctl.features.policy.scenarios.queries import ScenariosRow
from postmta_ctl.features.policy.scenarios.schemas import Scenarios, ScenariosUpdate
from postmta_ctl.store.locks import exclusive
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System


def read_update(values: dict[str, Any]) -> ScenariosUpdate:
    """A list from elsewhere than a request, held to the same limits.

    Raises:
        msgspec.ValidationError: A value is of another type or size.
    """
    return msgspec.convert(values, ScenariosUpdate)


async def get(system: System) -> Scenarios:
    """The list as it stands."""
    async with system.db.reading() as connection:
        return _shown(await queries.get(connection))


async def put(
    system: System, name: str, data: ScenariosUpdate, unchanged: Condition, principal: Principal | None = None
) -> Scenarios:
    """Replace the list. It may ask for what the policy does not do yet; then nothing is published until it does.

    Args:
        system: The parts.
        name: Who does, for the history.
        data: The list.
        unchanged: What it must not have changed since.
        principal: Who does, when it comes through the API.

    Raises:
        InvalidRequest: It is no list of scenarios.
        PreconditionFailed: Somebody else was quicker.
    """
    async with exclusive(system.db, "policy_scenarios"):
        return await replace(system, name, data, unchanged, principal)


async def replace(
    system: System, name: str, data: ScenariosUpdate, unchanged: Condition, principal: Principal | None = None
) -> Scenarios:
    """As :func:`put`, but of two at once both may find that nothing has changed since; the later one's list stays.

    Raises:
        InvalidRequest: It is no list of scenarios.
        PreconditionFailed: It is another than the caller knows.
    """
    try:
        parse(data.toml)
    except ScenarioError as error:
        raise InvalidRequest.of(f"toml.{error.field}", error.message) from error
    async with system.db.transaction() as connection:
        before = _shown(await queries.get(connection))
        unchanged.require(before)
        now = system.now()
        row = ScenariosRow(text=data.toml, updated_by=name, updated_at=now)
        await queries.put(connection, row)
        await audit.record(
            connection,
            principal,
            "policy.scenarios_updated",
            "scenarios",
            before={"toml": before.toml},
            after={"toml": data.toml},
            now=now,
            actor=name,
        )
    return _shown(row)


def _shown(row: ScenariosRow | None) -> Scenarios:
    if row is None:
        return Scenarios(toml="", scenarios=[], updated_at=None, updated_by=None)
    return Scenarios(
        toml=row.text, scenarios=list(parse(row.text)), updated_at=row.updated_at, updated_by=row.updated_by
    )
