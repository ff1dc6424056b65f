"""Making, showing, changing and deleting rules."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.auto_block import Action, Scope
from postmta_ctl.core.ids import is_id, new_id
from postmta_ctl.errors import AlreadyExists, Conflict, InvalidRequest, NotFound
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.security.auto_block import block_queries, ending, queries
from postmta_ctl.features.security.auto_block.queries import RuleRow
from postmta_ctl.features.security.auto_block.schemas import Rule, RuleCreate, RuleUpdate, Toggle
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System

MAX_RULES = 50
"""Of an organization: each is judged twice a minute."""


def read_create(values: dict[str, Any]) -> RuleCreate:
    """What is to be made, from elsewhere than a request, held to the same limits.

    Raises:
        msgspec.ValidationError: A value is of another type or size.
    """
    return msgspec.convert(values, RuleCreate)


def read_update(values: dict[str, Any]) -> RuleUpdate:
    """What is to be changed, from elsewhere than a request, held to the same limits.

    Raises:
        msgspec.ValidationError: A value is of another type or size.
    """
    return msgspec.convert(values, RuleUpdate)


async def create(system: System, principal: Principal, data: RuleCreate) -> Rule:
    """Make a rule. It looks at what has happened already, as far as its window reaches.

    Raises:
        InvalidRequest: Its name cannot be shown in one line, or its action is none for its scope.
        AlreadyExists: The organization has a rule of this name.
        Conflict: It has as many as it may.
    """
    now = system.now()
    values = msgspec.structs.asdict(data)
    row = RuleRow(id=new_id(now), organization_id=principal.organization_id, **values, updated_at=now, created_at=now)
    _require_possible(row)
    try:
        async with system.db.transaction() as connection:
            if await queries.count_rules(connection, principal.organization_id) >= MAX_RULES:
                raise Conflict(f"An organization has {MAX_RULES} rules at most.", code="too_many_rules")
            await queries.add_rules(connection, [row])
            await audit.record(connection, principal, "auto_block_rule.created", row.id, after=_shown(row), now=now)
    except IntegrityError as error:
        raise _exists(error) from error
    return _shown(row)


def _require_possible(row: RuleRow) -> None:
    # The name goes into the reason of holds, and so into headers and log lines of nodes.
    if row.name != row.name.strip() or not row.name.isprintable():
        raise InvalidRequest.of("name", "must be printable, without white space around it")
    if row.scope is Scope.DOMAIN and row.action is Action.HOLD:
        raise InvalidRequest.of(
            "action", "queues of nodes are not by sending domain, so they cannot be held by it; use pause"
        )


def _exists(error: IntegrityError) -> Exception:
    # SQLite names the columns, PostgreSQL the constraint, which is named after them.
    if "name" in str(error.orig):
        return AlreadyExists("Your organization has a rule of this name already.")
    return error


async def list_rules(system: System, principal: Principal, paging: PageRequest) -> Page[Rule]:
    """The organization's rules, newest first."""
    async with system.db.reading() as connection:
        rows = await queries.rules_of(connection, principal.organization_id, paging)
    return paging.page([_shown(row) for row in rows])


async def get(system: System, principal: Principal, rule_id: str) -> Rule:
    """One rule.

    Raises:
        NotFound: The organization has no such rule.
    """
    async with system.db.reading() as connection:
        return _shown(await _found(connection, principal, rule_id))


async def update(system: System, principal: Principal, rule_id: str, data: RuleUpdate, unchanged: Condition) -> Rule:
    """Change a rule. Its blocks stay as they are.

    Raises:
        NotFound: The organization has no such rule.
        InvalidRequest: Its name cannot be shown in one line, or its action is none for its scope.
        AlreadyExists: The organization has another rule of this name.
        PreconditionFailed: It is another than the caller knows.
    """
    given = {name: value for name, value in msgspec.structs.asdict(data).items() if value is not UNSET}
    try:
        async with system.db.transaction() as connection:
            row = await _found(connection, principal, rule_id, lock=True)
            unchanged.require(_shown(row))
            changed = msgspec.structs.replace(row, **given)
            _require_possible(changed)
            return await _save(system, connection, principal, row, changed)
    except IntegrityError as error:
        raise _exists(error) from error


async def toggle(system: System, principal: Principal, data: Toggle) -> Rule:
    """Switch a rule on or off. Its blocks stay until they expire or are resolved.

    Raises:
        NotFound: The organization has no such rule.
    """
    async with system.db.transaction() as connection:
        row = await _found(connection, principal, data.rule_id, lock=True)
        return await _save(system, connection, principal, row, msgspec.structs.replace(row, enabled=data.enabled))


async def _save(
    system: System, connection: AsyncConnection, principal: Principal, row: RuleRow, changed: RuleRow
) -> Rule:
    if changed == row:
        return _shown(row)
    now = system.now()
    changed = msgspec.structs.replace(changed, updated_at=now)
    await queries.save_rule(connection, changed)
    before, after = _shown(row), _shown(changed)
    await audit.record(connection, principal, "auto_block_rule.updated", row.id, before=before, after=after, now=now)
    return after


async def delete(system: System, principal: Principal, rule_id: str, unchanged: Condition) -> None:
    """Delete a rule, and lift its blocks, which stay in the history; nodes are told at once.

    Raises:
        NotFound: The organization has no such rule.
        PreconditionFailed: It is another than the caller knows.
    """
    await remove(system, principal, rule_id, unchanged)
    await ending.tell_nodes(system)


async def remove(system: System, principal: Principal, rule_id: str, unchanged: Condition) -> None:
    """Delete a rule as :func:`delete` does, within a larger transaction: telling the nodes is left to the caller."""
    async with system.db.transaction() as connection:
        row = await _found(connection, principal, rule_id, lock=True)
        before = _shown(row)
        unchanged.require(before)
        for block in await block_queries.active_of_rule(connection, row.id):
            await ending.end(system, connection, block, "rule_deleted", principal)
        await queries.delete_rule(connection, row.id)
        now = system.now()
        await audit.record(connection, principal, "auto_block_rule.deleted", row.id, before=before, now=now)


async def _found(connection: AsyncConnection, principal: Principal, rule_id: str, *, lock: bool = False) -> RuleRow:
    # PostgreSQL takes no NUL in a text, so what is no id is not looked for.
    row = None
    if is_id(rule_id):
        row = await queries.rule_by_id(connection, principal.organization_id, rule_id, lock=lock)
    if row is None:
        raise NotFound("There is no such rule.")
    return row


def _shown(row: RuleRow) -> Rule:
    return Rule(**{name: getattr(row, name) for name in Rule.__struct_fields__})
