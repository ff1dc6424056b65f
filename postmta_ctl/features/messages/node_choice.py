"""Which node mail is given to: by where its vMTAs live, by health, and by weight."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import cache

import msgspec

from postmta_ctl.clients.kumod import NodeAddress
from postmta_ctl.core.inject_answer import Outcome
from postmta_ctl.node_troubles import Troubles


class Choice:
    """Distributes the mail of a run of the relay.

    Args:
        nodes: Those that mail can be injected to; not none.
        troubles: What is known to be wrong with them.
        placements: Names of the nodes that a tenant's mail can leave from, where that is not all of them.
    """

    def __init__(
        self, nodes: Sequence[NodeAddress], troubles: Troubles, placements: Mapping[str, frozenset[str]]
    ) -> None:
        self.by_name = {node.name: node for node in nodes}
        self._troubles, self._placements = troubles, placements
        self._given: Counter[str] = Counter()
        self._possible = cache(self._possible_for)

    def choose(self, before: str | None, tenant: str) -> str | None:
        """The node for a recipient; None: none that its mail could leave from takes any.

        Args:
            before: The node that may have it already. It is for that one only: its fence knows, and no other does. Only
                if it was removed, the recipient is for any.
            tenant: Whose mail it is.
        """
        if before in self.by_name:
            return before
        possible = self._possible(tenant)
        return self._best(possible) if len(possible) > 1 else next((node.name for node in possible), None)

    def instead(self, tried: Collection[str], tenant: str) -> str | None:
        """A node that is well and that the tenant's mail can leave from, for what the tried ones did not take."""
        well = [n for n in self._possible(tenant) if n.name not in tried and not self._troubles.until(n.name)]
        return self._best(well) if well else None

    def allowed(self, tenant: str) -> frozenset[str] | None:
        """Names of the nodes that the tenant's mail can leave from; None: all."""
        return self._placements.get(tenant)

    def why_none(self, tenant: str) -> str:
        """Why mail of the tenant finds no node."""
        names = ", ".join(sorted(self._placements.get(tenant, ())))
        return f"the addresses that {tenant} leaves from are on {names}, and no mail is taken there now"

    def explained(self, outcome: Outcome, tenant: str) -> Outcome:
        """What a node said that did not take mail of the tenant, and that there is no other for it, if so."""
        if tenant not in self._placements:
            return outcome
        return msgspec.structs.replace(outcome, text=f"{self.why_none(tenant)}: {outcome.text}")

    def _possible_for(self, tenant: str) -> list[NodeAddress]:
        allowed = self._placements.get(tenant)
        return [node for name, node in self.by_name.items() if allowed is None or name in allowed]

    def _best(self, possible: Sequence[NodeAddress]) -> str:
        best = min(possible, key=self._burden).name
        self._given[best] += 1
        return best

    def _burden(self, node: NodeAddress) -> tuple[float, float]:
        # A node in trouble is the last choice, and not none: it may be the only one, or be well again.
        share = self._given[node.name] / node.weight if node.weight else math.inf
        return self._troubles.until(node.name), share
