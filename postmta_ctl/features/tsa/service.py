"""Rules of traffic shaping automation: operators say what daemons are to do upon which answers.

A daemon does not tell organizations apart when it looks for rules, so rules are of the installation and for operators.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.compiler.check_tsa import rule_problems, target_problem
from postmta_ctl.compiler.model import AutomationRule as ModelRule
from postmta_ctl.core.automation import MAINTAINED, Rule
from postmta_ctl.core.domain_names import parse_mail_domain
from postmta_ctl.core.ids import is_id, new_id
from postmta_ctl.errors import Conflict, FieldError, InvalidRequest, NotFound
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.fields import Fields
from postmta_ctl.features.policy import changes
from postmta_ctl.features.tsa import queries
from postmta_ctl.features.tsa.queries import AutomationRow
from postmta_ctl.features.tsa.schemas import AutomationCreate, AutomationRule, AutomationUpdate, MaintainedRule
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System

MAX_RULES = 500
"""Each is tried on every answer of what it is for."""
_RULE = Rule.__struct_fields__


async def add(system: System, principal: Principal, data: AutomationCreate) -> AutomationRule:
    """Make a rule.

    Raises:
        InvalidRequest: A field cannot be accepted.
        Conflict: There are too many.
    """
    row = _row(data, system.now())
    now = row.created_at
    async with system.db.transaction() as connection:
        if await queries.count(connection) >= MAX_RULES:
            raise Conflict(f"There are {MAX_RULES} rules at most.", code="too_many_rules")
        await queries.add(connection, row)
        await _record(connection, principal, row, "created", now)
        await audit.record(connection, principal, "automation.created", row.id, after=shown(row), now=now)
    return shown(row)


def read_plain(rules: Iterable[dict[str, Any]]) -> list[AutomationCreate]:
    """Rules from elsewhere than a request, as :func:`plain` writes them, held to the same limits.

    Raises:
        msgspec.ValidationError: A value is of another type or size.
    """
    read = []
    for rule in rules:
        own = {name: value for name, value in rule.items() if name not in ("provider", "domain")}
        kind = next((name for name in ("provider", "domain") if name in rule), "any")
        read.append(msgspec.convert(own | {"kind": kind, "target": rule.get(kind, "")}, AutomationCreate))
    return read


async def plain(connection: AsyncConnection) -> list[dict[str, Any]]:
    """Every rule, without what is as it is anyway."""
    return [
        msgspec.to_builtins(row.rule)
        | ({} if row.kind == "any" else {row.kind: row.target})
        | ({"note": row.note} if row.note else {})
        for row in await queries.of_all(connection)
    ]


async def replace(system: System, principal: Principal, rules: Iterable[AutomationCreate]) -> None:
    """Have these rules and no others; those that there are stay as they are. In a transaction that is around all of it.

    Raises:
        InvalidRequest: One cannot be accepted.
        Conflict: There are too many.
    """
    async with system.db.reading() as connection:
        there = await queries.of_all(connection)
    now = system.now()
    lacking = [(_row_of_many(data, now), data) for data in rules]
    for row in there:
        same = next((one for one in lacking if _is_same(one[0], row)), None)
        if same is None:
            await remove(system, principal, row.id, Condition())
        else:
            lacking.remove(same)
    for _, data in lacking:
        await add(system, principal, data)


async def list_rules(system: System, paging: PageRequest) -> Page[AutomationRule]:
    """The rules, newest first."""
    async with system.db.reading() as connection:
        return paging.page([shown(row) for row in await queries.page(connection, paging)])


async def get(system: System, automation_id: str) -> AutomationRule:
    """One rule.

    Raises:
        NotFound: There is none of this id.
    """
    async with system.db.reading() as connection:
        return shown(await _found(connection, automation_id))


async def update(
    system: System, principal: Principal, automation_id: str, data: AutomationUpdate, unchanged: Condition
) -> AutomationRule:
    """Change a rule, but not what it is for.

    Raises:
        NotFound: There is none of this id.
        InvalidRequest: A field cannot be accepted.
        PreconditionFailed: It is another than the caller knows.
    """
    now = system.now()
    async with system.db.transaction() as connection:
        row = await _found(connection, automation_id, lock=True)
        before = shown(row)
        unchanged.require(before)
        given = {name: value for name in _RULE if (value := getattr(data, name)) is not UNSET}
        rule = _judged(msgspec.structs.replace(row.rule, **given))
        changed = msgspec.structs.replace(row, rule=rule, note=row.note if data.note is UNSET else data.note)
        if changed == row:
            return before
        changed = msgspec.structs.replace(changed, updated_at=now)
        await queries.save(connection, changed)
        if changed.rule != row.rule:
            await _record(connection, principal, row, "changed", now)
        after = shown(changed)
        await audit.record(connection, principal, "automation.updated", row.id, before=before, after=after, now=now)
    return after


async def remove(system: System, principal: Principal, automation_id: str, unchanged: Condition) -> None:
    """Delete a rule. What daemons decided by it goes on until it expires.

    Raises:
        NotFound: There is none of this id.
        PreconditionFailed: It is another than the caller knows.
    """
    now = system.now()
    async with system.db.transaction() as connection:
        row = await _found(connection, automation_id, lock=True)
        unchanged.require(shown(row))
        await queries.remove(connection, row.id)
        await _record(connection, principal, row, "deleted", now)
        await audit.record(connection, principal, "automation.deleted", row.id, before=shown(row), now=now)


def maintained() -> list[MaintainedRule]:
    """The rules that come with PostMTA."""
    return [MaintainedRule(provider=each.provider, rule=each.rule, source=each.source) for each in MAINTAINED]


def _row(data: AutomationCreate, now: datetime) -> AutomationRow:
    rule = _judged(Rule(**{name: getattr(data, name) for name in _RULE}))
    return AutomationRow(
        id=new_id(now),
        kind=data.kind,
        target=_target(data),
        rule=rule,
        note=data.note,
        updated_at=now,
        created_at=now,
    )


def _row_of_many(data: AutomationCreate, now: datetime) -> AutomationRow:
    """The row; what is wrong is told with the expression, since the rules have no names."""
    try:
        return _row(data, now)
    except InvalidRequest as error:
        told = [
            FieldError(field=f"rules.{one.field}", message=f"{data.regex!r}: {one.message}") for one in error.errors
        ]
        raise InvalidRequest(error.detail, errors=tuple(told)) from error


def _is_same(one: AutomationRow, other: AutomationRow) -> bool:
    return (one.kind, one.target, one.rule, one.note) == (other.kind, other.target, other.rule, other.note)


def _target(data: AutomationCreate) -> str:
    if data.kind == "any":
        if data.target:
            raise InvalidRequest.of("target", "must be empty for a rule about anybody", code="bad_target")
        return ""
    target = data.target
    if data.kind == "domain":
        fields = Fields()
        target = fields.read("target", parse_mail_domain, target)
        fields.done()
    rule = Rule(regex="x", action="suspend", duration=60)
    meant = {"domain": target} if data.kind == "domain" else {"provider": target}
    if found := target_problem(ModelRule(rule=rule, **meant)):
        raise InvalidRequest.of("target", found, code="bad_target")
    return target


def _judged(rule: Rule) -> Rule:
    errors = [
        FieldError(field=field, message=problem.message, code=problem.code.replace("-", "_"))
        for field, problem in rule_problems(rule)
    ]
    if errors:
        raise InvalidRequest(f"{errors[0].field}: {errors[0].message}.", errors=tuple(errors))
    return rule


async def _found(connection: AsyncConnection, automation_id: str, *, lock: bool = False) -> AutomationRow:
    row = await queries.by_id(connection, automation_id, lock=lock) if is_id(automation_id) else None
    if row is None:
        raise NotFound("There is no such rule.")
    return row


async def _record(
    connection: AsyncConnection, principal: Principal, row: AutomationRow, what: str, now: datetime
) -> None:
    whose = f"{row.kind} {row.target}".strip()
    summary = f"automation of {whose} {what}: {row.rule.action}"
    await changes.record(connection, organization_id=None, author=principal.name, summary=summary, now=now, domains=())


def shown(row: AutomationRow) -> AutomationRule:
    """The rule as the API shows it."""
    own = {name: getattr(row, name) for name in AutomationRow.__struct_fields__ if name != "rule"}
    return AutomationRule(**own, **msgspec.structs.asdict(row.rule))
