"""Tenants of KumoMTA's ``queue`` helper: which pool their mail leaves from."""

from __future__ import annotations

from typing import Any

from postmta_ctl.importing.builder import Builder, reason
from postmta_ctl.importing.kumomta_sources import Sources
from postmta_ctl.importing.report import Outcome
from postmta_ctl.importing.wanted import WantedPool

NOBODY = ""
"""In the place of a tenant: mail of all that have no pool of their own."""


class Tenants:
    """Collects them. All of them become one organization."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._pools: list[tuple[str, Any, int]] = []
        self._defaults: list[tuple[Any, int]] = []

    def add(self, tenant: str, pool: Any, index: int) -> None:
        """A tenant's pool."""
        self._pools.append((tenant, pool, index))

    def default(self, tenant: Any, index: int) -> None:
        """The tenant of mail that names none."""
        self._defaults.append((tenant if isinstance(tenant, str) else NOBODY, index))

    def finish(self, sources: Sources) -> None:
        """Settle them, now that the pools are known."""
        default = self._defaults[-1][0] if self._defaults else None
        for tenant, name, index in self._pools:
            try:
                outcome, note = self._pool(tenant in (NOBODY, default), sources.pool(name), index)
            except ValueError as error:
                outcome, note = "not_supported", reason(error)
            self._builder.settle(index, outcome, note)
        known = {tenant for tenant, _, _ in self._pools}
        for tenant, index in self._defaults:
            if tenant == default and tenant in known:
                self._builder.settle(index, "imported", "its pool is the organization's default")
            else:
                self._builder.settle(index, "not_supported", "this tenant has no pool, or another is the default")

    def _pool(self, is_default: bool, pool: WantedPool, index: int) -> tuple[Outcome, str]:
        if not is_default:
            return "approximated", f"mail of this tenant says the pool {pool.name}, or its From domain has it"
        others = [one for one in self._builder.wanted.pools if one.default and one is not pool]
        if others:
            raise ValueError(f"the pool {others[0].name} is the organization's default already")
        pool.default = True
        pool.lines.append(index)
        return "imported", f"the pool {pool.name} is the organization's default"
