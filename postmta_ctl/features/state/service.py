"""Writing the state down, planning what a file would change, and carrying it out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from postmta_ctl.core import dkim
from postmta_ctl.core.dkim import KeyPair
from postmta_ctl.declarative.document import MAX_PROBLEMS, Desired, read_document, write_document
from postmta_ctl.declarative.kinds import RULE, VMTA
from postmta_ctl.declarative.steps import Step, difference
from postmta_ctl.errors import Conflict, FieldError
from postmta_ctl.features.auth.principal import ROLES, Principal, scopes_of
from postmta_ctl.features.security.auto_block import ending
from postmta_ctl.features.state import keys, logos, present
from postmta_ctl.features.state.carrying_out import Carrier, joined
from postmta_ctl.features.state.keys import Pairs, Progress, Secrets
from postmta_ctl.features.state.logos import Logos
from postmta_ctl.features.state.schemas import State, StateChange, StateFile
from postmta_ctl.features.vmtas import pausing
from postmta_ctl.store.engine import Joined
from postmta_ctl.system import System

NEEDED = ("domains:write", "vmtas:write", "ips:write", "templates:write", "security:write", "policy:write")
"""What whoever applies a file must be allowed to."""
REQUEST = "state"
"""What a file is called that came by a request."""


class _Undone(Exception):
    """Leaves a transaction so that nothing of it remains."""


def operator(author: str) -> Principal:
    """Who works on the installation itself, from its command line."""
    return Principal(
        organization_id="",
        organization="",
        role="owner",
        scopes=ROLES["owner"] | scopes_of("owner", is_operator=True),
        email=author,
        is_operator=True,
    )


async def export(system: System) -> str:
    """The state as a file; as long as nothing changes, the same bytes. It holds no secrets."""
    return write_document((await _present(system)).things)


async def plan(
    system: System, principal: Principal, text: str, file: str, secrets: Secrets, *, prune: bool
) -> StateChange:
    """What applying a file would change, and what is wrong with it.

    It is found out by doing it, in a transaction that is undone: so the plan finds what applying would find. Only the
    keys of new domains are not made; one pair stands for all. Nor are the files of logos fetched.
    """
    made = dict[str, KeyPair]()

    def once(algorithm: str) -> KeyPair:
        return made.setdefault(algorithm, made.get(algorithm) or dkim.generate(algorithm))

    def pairs(step: Step) -> Pairs:
        return keys.pairs_of(step.values(), secrets, once)

    desired = await asyncio.to_thread(read_document, text, file)
    steps = list[Step]()
    try:
        async with system.db.transaction() as connection:
            db = Joined(system.db, connection)
            steps = await _carry_out(system, principal, desired, pairs, {}, db, prune=prune)
            raise _Undone
    except _Undone:
        return _shown(desired, steps, applied=False)


async def apply(
    system: System,
    principal: Principal,
    text: str,
    file: str,
    secrets: Secrets,
    *,
    prune: bool,
    progress: Progress = lambda _done, _all: None,
) -> StateChange:
    """Bring the installation to what a file says, in one transaction: all of it, or nothing.

    Args:
        system: The parts.
        principal: Who does it.
        text: The file's content.
        file: Its name, for messages.
        secrets: Reads references to secrets.
        prune: Delete what is not in the file, where it has a section for things of that kind.
        progress: Is told how many keys of new domains are made.

    Raises:
        Conflict: ``state_refused``: something of the file cannot be read or done; nothing was.
    """
    desired = await asyncio.to_thread(read_document, text, file)
    expected = difference((await _present(system)).things, desired, prune=prune)
    _require_fine(desired)
    ready = await keys.make(expected, secrets, progress)
    checked = await logos.fetch(system, expected)

    def pairs(step: Step) -> Pairs:
        return ready.get(step.key) or keys.pairs_of(step.values(), secrets)

    async with system.db.transaction() as connection:
        # Looked at anew, since somebody may have changed something while keys were made.
        desired = read_document(text, file)
        db = Joined(system.db, connection)
        steps = await _carry_out(system, principal, desired, pairs, checked, db, prune=prune)
        _require_fine(desired)
    if any(step.kind == VMTA.name and "paused" in step.values() for step in steps):
        await pausing.tell_nodes(system)
    if any(step.kind == RULE.name and step.action == "delete" for step in steps):
        await ending.tell_nodes(system)
    return _shown(desired, steps, applied=bool(steps))


async def shown(system: System, principal: Principal) -> State:
    """The state, for an operator.

    Raises:
        PermissionDenied: The principal is none.
    """
    _require_scopes(principal, "policy:read")
    return State(yaml=await export(system))


async def plan_by_request(system: System, principal: Principal, data: StateFile) -> StateChange:
    """As :func:`plan`, for an operator who is elsewhere: nothing of this host is read for the file.

    Raises:
        PermissionDenied: The principal is none, or may not do all that a file can ask for.
    """
    _require_scopes(principal, *NEEDED)
    return await plan(system, principal, data.yaml, REQUEST, keys.no_secrets, prune=data.prune)


async def apply_by_request(system: System, principal: Principal, data: StateFile) -> StateChange:
    """As :func:`apply`, for an operator who is elsewhere: nothing of this host is read for the file.

    Raises:
        PermissionDenied: The principal is none, or may not do all that a file can ask for.
        Conflict: ``state_refused``.
    """
    _require_scopes(principal, *NEEDED)
    return await apply(system, principal, data.yaml, REQUEST, keys.no_secrets, prune=data.prune)


def _require_scopes(principal: Principal, *scopes: str) -> None:
    # The scopes of operators cannot be had by others; a key may have fewer than its maker.
    for one in scopes:
        principal.require(one)


async def _present(system: System) -> present.Present:
    async with system.db.reading() as connection:
        return await present.load(joined(system, Joined(system.db, connection)), connection)


async def _carry_out(
    system: System,
    principal: Principal,
    desired: Desired,
    pairs: Callable[[Step], Pairs],
    checked: Logos,
    db: Joined,
    *,
    prune: bool,
) -> list[Step]:
    parts = joined(system, db)
    async with db.reading() as connection:
        there = await present.load(parts, connection)
    steps = difference(there.things, desired, prune=prune)
    if not desired.problems:
        await Carrier(parts, principal, there, desired, pairs, checked).do(steps)
    return steps


def _require_fine(desired: Desired) -> None:
    if not desired.problems:
        return
    errors = tuple(
        FieldError(field=f"{one.file}:{one.line}", message=f"{one.path}: {one.message}" if one.path else one.message)
        for one in desired.problems[:MAX_PROBLEMS]
    )
    raise Conflict(f"Nothing was written: {len(errors)} problems.", code="state_refused", errors=errors)


def _shown(desired: Desired, steps: list[Step], *, applied: bool) -> StateChange:
    return StateChange(applied=applied, steps=steps, problems=desired.problems[:MAX_PROBLEMS])
