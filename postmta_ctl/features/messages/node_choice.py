"""Which node mail is given to: by health, and by weight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from postmta_ctl.clients.kumod import NodeAddress
from postmta_ctl.node_troubles import Troubles


class Choice:
    """Distributes the mail of a run of the relay.

    Args:
        nodes: Those that mail can be injected to; not none.
        troubles: What is known to be wrong with them.
    """

    def __init__(self, nodes: Sequence[NodeAddress], troubles: Troubles) -> None:
        self.by_name = {node.name: node for node in nodes}
        self._troubles = troubles
        self._given: Counter[str] = Counter()

    def choose(self, before: str | None) -> str:
        """The node for a recipient.

        Args:
            before: The node that may have it already. It is for that one only: its fence knows, and no other does. Only
                if it was removed, the recipient is for any.
        """
        return before if before in self.by_name else self._best(list(self.by_name.values()))

    def instead(self, tried: Collection[str]) -> str | None:
        """A node that is well, for what the tried ones did not take."""
        well = [n for n in self.by_name.values() if n.name not in tried and not self._troubles.until(n.name)]
        return self._best(well) if well else None

    def _best(self, possible: Sequence[NodeAddress]) -> str:
        best = min(possible, key=self._burden).name
        self._given[best] += 1
        return best

    def _burden(self, node: NodeAddress) -> tuple[float, float]:
        # A node in trouble is the last choice, and not none: it may be the only one, or be well again.
        return self._troubles.until(node.name), self._given[node.name] / node.weight
