"""What is wrong with the pools of a model: names that lead nowhere, and pools that nothing can leave from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal, NamedTuple

from postmta_ctl.compiler.model import PolicyModel, Pool
from postmta_ctl.compiler.names import SLUG

MAX_WEIGHT = 1_000_000


class Problem(NamedTuple):
    """One thing wrong."""

    code: str
    where: str
    message: str
    severity: Literal["error", "warning"] = "error"


def pool_problems(model: PolicyModel) -> Iterator[Problem]:
    """All of them."""
    yield from _names(model)
    for pool in model.pools:
        yield from _pool(pool, {each.name for each in model.vmtas if each.organization == pool.organization})
    yield from _waiting(model)


def _names(model: PolicyModel) -> Iterator[Problem]:
    slugs = {each.slug for each in model.organizations}
    known = Counter((pool.organization, pool.name) for pool in model.pools)
    for (organization, name), count in known.items():
        where = f"pool {organization}.{name}"
        if not SLUG.match(name):
            yield Problem("bad-name", where, f"{name!r} is not 1 to 63 of a-z, 0-9 and -")
        if organization not in slugs:
            yield Problem("unknown-organization", where, f"there is no organization {organization!r}")
        if count > 1:
            yield Problem("duplicate-pool", where, "two of that name")
    for organization, count in Counter(pool.organization for pool in model.pools if pool.is_default).items():
        if count > 1:
            yield Problem("two-defaults", f"organization {organization}", "two pools are its default")
    for domain in model.domains:
        if domain.pool and (domain.organization, domain.pool) not in known:
            yield Problem("unknown-pool", f"domain {domain.name}", f"there is no pool {domain.pool!r}")


def _pool(pool: Pool, vmtas: set[str]) -> Iterator[Problem]:
    where = f"pool {pool.organization}.{pool.name}"
    for name, count in Counter(member.vmta for member in pool.members).items():
        if name not in vmtas:
            yield Problem("unknown-vmta", where, f"the organization has no vMTA {name!r}")
        if count > 1:
            yield Problem("duplicate-member", where, f"{name!r} is in it twice")
    for member in pool.members:
        if not 1 <= member.weight <= MAX_WEIGHT:
            yield Problem("bad-weight", where, f"the weight of {member.vmta!r} is not 1 to {MAX_WEIGHT}")


def _waiting(model: PolicyModel) -> Iterator[Problem]:
    senders = {each.organization for each in model.domains}
    states: dict[str, set[str]] = {each.slug: set() for each in model.organizations}
    for vmta in model.vmtas:
        states.get(vmta.organization, set()).add(vmta.state)
    for slug, found in states.items():
        yield from _idle(f"organization {slug}", found, is_used=slug in senders)
    for pool in model.pools:
        names = {member.vmta for member in pool.members}
        found = {each.state for each in model.vmtas if each.organization == pool.organization and each.name in names}
        yield from _idle(f"pool {pool.organization}.{pool.name}", found, is_used=True)


def _idle(where: str, states: set[str], *, is_used: bool) -> Iterator[Problem]:
    if states == {"paused"}:
        yield Problem("paused-only", where, "all vMTAs are paused: mail waits and expires in the end", "warning")
    elif states and states <= {"warming", "paused"}:
        yield Problem("warming-only", where, "no established vMTA: what exceeds the warm-up waits", "warning")
    elif not states and is_used:
        yield Problem("no-vmta", where, "no vMTA: mail waits and expires in the end", "warning")
