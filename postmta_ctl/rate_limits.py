"""Which limits a request counts against, and what its answer says about them."""

from __future__ import annotations

from postmta_ctl.core import rate_limits
from postmta_ctl.core.plans import RequestLimits
from postmta_ctl.core.rate_limits import Bucket, Limit
from postmta_ctl.errors import RateLimited
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.billing import catalogue
from postmta_ctl.system import System

Headers = dict[str, str]


def of_principal(system: System, principal: Principal) -> list[Bucket]:
    """The buckets of a key or user, and of its organization."""
    settings, of_plan = system.settings, _of_plan(system, principal)
    if principal.api_key_id:
        own = ("key", principal.api_key_id, of_plan.key or settings.rate_limit_key)
    else:
        own = ("user", principal.user_id or "", of_plan.user or settings.rate_limit_user)
    together = of_plan.organization or settings.rate_limit_organization
    return _buckets(own, ("organization", principal.organization_id, together))


def _of_plan(system: System, principal: Principal) -> RequestLimits:
    plans = catalogue.load(system.settings)
    try:
        return plans.plan(principal.plan or system.settings.default_plan).requests_per_minute
    except KeyError:  # out of the catalogue, though somebody has it: billing says so, and requests go on
        return RequestLimits()


def of_address(system: System, address: str) -> list[Bucket]:
    """The bucket of somebody who has shown no credential."""
    return _buckets(("address", address, system.settings.rate_limit_address))


def _buckets(*wanted: tuple[str, str, int]) -> list[Bucket]:
    return [Bucket(key=f"{name}:{who}", limit=Limit(name=name, quota=quota)) for name, who, quota in wanted if quota]


async def count(system: System, buckets: list[Bucket], headers: Headers) -> None:
    """Count a request, and add to the headers of its answer how the limits stand.

    Raises:
        RateLimited: It is one too many.
    """
    standings = await system.limiter.take(buckets)
    headers |= rate_limits.headers(standings)
    if wait := rate_limits.retry_after(standings):
        refusing = ", ".join(one.limit.name for one in standings if one.retry_after)
        raise RateLimited(f"The limit of requests is reached: {refusing}.", retry_after=wait)
