"""Names that KumoMTA sees, and how to read them back.

Slugs of organizations and names of vMTAs and pools hold letters, digits and hyphens, so a dot separates without doubt:

===============  ================================  ================================
what             name                              example
===============  ================================  ================================
tenant, pool     ``<organization>``                ``acme``
pinned tenant    ``<organization>.<vmta>``         ``acme.mx-1``
named pool       ``<organization>._<pool>``        ``acme._news``
egress source    ``<organization>.<vmta>.r<n>``    ``acme.mx-1.r3``
of a pair, IPv6  ``<source>.v6``                   ``acme.mx-1.r3.v6``
pool, one family ``<pool>/v4``, ``<pool>/v6``      ``acme._news/v6``
===============  ================================  ================================

A source's name carries the version of the vMTA because KumoMTA freezes the address of a source in a busy ready
queue: https://docs.kumomta.com/reference/kumo/make_egress_source/. The name people see is the vMTA's. None of these
characters needs escaping in a queue name or a metrics label.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

_SLUG = "[a-z0-9-]{1,63}"
SLUG = re.compile(rf"{_SLUG}\Z")
_TENANT = re.compile(rf"({_SLUG})(?:\.({_SLUG})|\._({_SLUG}))?\Z")
_SOURCE = re.compile(rf"({_SLUG})\.({_SLUG})\.r([1-9][0-9]{{0,9}})(\.v6)?\Z")
FAMILIES = (4, 6)
"""Versions of the Internet Protocol."""

SHARD_LIMIT = 32
"""Entries a shard holds at most on average: a look-up of 16 to 32 entries costs half a millisecond."""


class TenantName(NamedTuple):
    """A tenant's parts."""

    organization: str
    vmta: str | None
    pool: str | None = None


class SourceName(NamedTuple):
    """An egress source's parts."""

    organization: str
    vmta: str
    version: int
    is_second: bool = False
    """The IPv6 half of a pair."""

    @property
    def key(self) -> str:
        """Under which the policy keeps its address."""
        name = tenant_name(self.organization, self.vmta)
        return f"{name}.v6" if self.is_second else name


def tenant_name(organization: str, vmta: str | None = None, pool: str | None = None) -> str:
    """The KumoMTA tenant of an organization's mail; also its pool.

    Args:
        organization: Slug.
        vmta: The only one that it may leave from.
        pool: The named pool that it may leave from; a vMTA goes before it. No slug begins with an underscore.
    """
    if pool and not vmta:
        return f"{organization}._{pool}"
    return f"{organization}.{vmta}" if vmta else organization


def parse_tenant(name: str) -> TenantName | None:
    """The parts of a tenant's name; None for one that PostMTA did not make."""
    match = _TENANT.match(name)
    return TenantName(match[1], match[2], match[3]) if match else None


def source_name(organization: str, vmta: str, version: int, *, is_second: bool = False) -> str:
    """The egress source of one version of a vMTA, as it appears in log records and metrics.

    KumoMTA gives a source one address, so a vMTA of two is two sources; the second is the IPv6 one.
    """
    return f"{organization}.{vmta}.r{version}{'.v6' if is_second else ''}"


def family_pool(pool: str, family: int) -> str:
    """What of a pool has addresses of one family, for hosts that have no others."""
    return f"{pool}/v{family}"


def whole_pool(name: str) -> str:
    """The pool that this is, or is the part of one family of."""
    return name.partition("/")[0]


def parse_source(name: str) -> SourceName | None:
    """The parts of an egress source's name; None for one that PostMTA did not make, such as ``unspecified``."""
    match = _SOURCE.match(name)
    return SourceName(match[1], match[2], int(match[3]), match[4] is not None) if match else None


def shard_count(entries: int) -> int:
    """How many files hold this many entries: the smallest power of two that leaves each at most ``SHARD_LIMIT``."""
    count = 1
    while entries > count * SHARD_LIMIT:
        count *= 2
    return count


def shard_of(key: str, count: int) -> int:
    """The number of the file that holds ``key``. The Lua side is ``postmta/domains.lua``."""
    return int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) % count


def shard_file(kind: str, shard: int) -> str:
    """The path of a shard inside a bundle."""
    return f"data/{kind}/{shard:04x}.json"


def release_folder(release: int, digest: str) -> str:
    """The name of a release's folder on a node: it sorts by number and shows what it holds."""
    return f"{release:06d}-{digest[:12]}"
