"""Which vMTAs mail may leave from, in which order: pools of organizations, of single vMTAs, and those with a name.

A fresh queue takes its first message's source from the second place, whatever the weights, and in its first round one
message each from all of them: weights divide what comes after. So an established vMTA stands second.
"""

from __future__ import annotations

from typing import NamedTuple

from postmta_ctl.compiler.model import PolicyModel, Pool, VirtualMta
from postmta_ctl.compiler.names import tenant_name


class Entry(NamedTuple):
    """A vMTA in a pool."""

    vmta: VirtualMta
    weight: int = 1


def pools_of(model: PolicyModel) -> dict[str, list[Entry]]:
    """The entries of each pool by its name, which is that of the tenant it is for."""
    named = {(pool.organization, pool.name): _members(pool, model) for pool in model.pools}
    default = {pool.organization: named[pool.organization, pool.name] for pool in model.pools if pool.is_default}
    pools = {each.slug: default.get(each.slug, []) for each in model.organizations}
    for vmta in model.vmtas:
        available = [Entry(vmta)] if _may_send(vmta) else []
        pools[tenant_name(vmta.organization, vmta.name)] = available
        if vmta.organization not in default:
            pools[vmta.organization] += available
    pools |= {tenant_name(organization, pool=name): entries for (organization, name), entries in named.items()}
    return {name: ordered(entries) for name, entries in pools.items()}


def _members(pool: Pool, model: PolicyModel) -> list[Entry]:
    weights = {member.vmta: member.weight for member in pool.members}
    own = [each for each in model.vmtas if each.organization == pool.organization and each.name in weights]
    return [Entry(vmta, weights[vmta.name]) for vmta in own if _may_send(vmta)]


def _may_send(vmta: VirtualMta) -> bool:
    return vmta.state == "active" or (vmta.state == "warming" and vmta.daily_limit != 0)


def ordered(entries: list[Entry]) -> list[Entry]:
    """One warming vMTA first, the established ones next, the other warming ones last.

    Mail to a domain that sees one message a day would otherwise all leave from a warming address.
    """
    by_name = sorted(entries, key=lambda each: each.vmta.name)
    warming = [each for each in by_name if each.vmta.state == "warming"]
    established = [each for each in by_name if each.vmta.state != "warming"]
    return warming[:1] + established + warming[1:]
