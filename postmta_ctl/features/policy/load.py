"""From rows to the model that the compiler works on, in an order that does not depend on the database."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.compiler.model import (
    Installation,
    Organization,
    PolicyModel,
    Pool,
    PoolMember,
    ShapingRule,
    VirtualMta,
)
from postmta_ctl.features.domains import queries as domains
from postmta_ctl.features.policy import queries
from postmta_ctl.features.pools import queries as pools
from postmta_ctl.features.pools.queries import PoolRow
from postmta_ctl.features.security.greylisting import queries as greylisting
from postmta_ctl.features.shaping import queries as shaping
from postmta_ctl.features.shaping.queries import ShapingRow
from postmta_ctl.features.tsa import queries as tsa
from postmta_ctl.features.vmtas import queries as vmtas
from postmta_ctl.features.vmtas.queries import VmtaRow
from postmta_ctl.settings import PolicySettings, Settings

_FEW = 5000
"""Names that are looked up one by one; of more, all rows are read."""


async def load_model(
    connection: AsyncConnection, settings: Settings, *, only: Collection[str] | None = None
) -> PolicyModel:
    """The desired policy: settings, organizations, their vMTAs, and the domains that were verified.

    Args:
        connection: One that sees a consistent state.
        settings: What is not in the database.
        only: Names of the domains that are wanted; all of them when absent.
    """
    signing = await (domains.all_signing_keys(connection) if only is None else domains.signing_keys(connection, only))
    few = None if only is None or len(only) > _FEW else only
    pool_rows = await pools.of_all(connection, only=few)
    chosen = {(slug, domain): row.name for slug, row in pool_rows for domain in row.domains}
    return PolicyModel(
        installation=_installation(settings),
        greylisting=await greylisting.in_policy(connection),
        organizations=tuple(Organization(slug=slug) for slug in await queries.slugs(connection)),
        automation=await tsa.in_policy(connection),
        shaping=tuple(_shaping(row) for row in await shaping.of_all(connection)),
        pools=tuple(_pool(slug, row) for slug, row in pool_rows),
        vmtas=tuple(_vmta(slug, row) for slug, row in await vmtas.of_all(connection)),
        domains=tuple(
            msgspec.structs.replace(each, pool=chosen.get((each.organization, each.name))) for each in signing
        ),
    )


def _installation(settings: Settings) -> Installation:
    given = {name: getattr(settings.policy, name) for name in PolicySettings.__struct_fields__}
    return Installation(bounce_domain=settings.bounces, tracking_host=settings.tracking_host or None, **given)


def _pool(organization: str, row: PoolRow) -> Pool:
    return Pool(
        organization=organization,
        name=row.name,
        members=tuple(PoolMember(vmta=name, weight=weight) for name, weight in row.weights.items()),
        is_default=row.default_of is not None,
    )


def _shaping(row: ShapingRow) -> ShapingRule:
    provider, domain = (row.target, None) if row.kind == "provider" else (None, row.target)
    return ShapingRule(organization=row.organization, provider=provider, domain=domain, limits=row.limits)


def _vmta(organization: str, row: VmtaRow) -> VirtualMta:
    return VirtualMta(
        organization=organization,
        name=row.name,
        address=row.ip_address,
        ipv6_address=row.ipv6_address,
        ehlo_domain=row.ehlo_domain,
        version=row.version,
        state=row.shown_state,
        proxy_protocol=row.proxy_protocol,
        proxy_server=row.proxy_server,
        nodes=tuple(row.nodes),
    )
