"""Two nodes that keep suspensions of ready queues in memory, as kumod does, and one that nobody has seen yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import insert

from postmta_ctl.clients.kumod import NodeAddress, ReadySuspension
from postmta_ctl.core.ids import new_id
from postmta_ctl.errors import NodeUnreachable
from postmta_ctl.features.nodes import access
from postmta_ctl.store.tables import nodes


def ready(source: str, site: str) -> str:
    return f"{source}->{site}@smtp_client"


@dataclass
class FakeFleet:
    """In the place of ``clients.kumod``: what each node has, by its name."""

    metrics: dict[str, list[str]] = field(default_factory=lambda: {"n1": [], "n2": []})
    rules: dict[str, dict[str, ReadySuspension]] = field(default_factory=lambda: {"n1": {}, "n2": {}})
    flushes: list[tuple[str, str, str]] = field(default_factory=list)
    away: set[str] = field(default_factory=set)
    calls: int = 0

    def ready_queue(self, node: str, name: str, messages: int = 0, connections: int = 0) -> None:
        self.metrics[node].append(f'ready_count{{service="smtp_client:{name}"}} {messages}')
        self.metrics[node].append(f'connection_count{{service="smtp_client:{name}"}} {connections}')

    def scheduled(self, node: str, queue: str, messages: int) -> None:
        self.metrics[node].append(f'scheduled_count{{queue="{queue}"}} {messages}')

    def suspended(self) -> dict[str, list[str]]:
        return {node: sorted(rule.name for rule in rules.values()) for node, rules in self.rules.items()}

    def restart(self, node: str) -> None:
        self.rules[node].clear()

    def _asked(self, node: NodeAddress) -> None:
        self.calls += 1
        if node.name in self.away:
            raise NodeUnreachable(f"node {node.name}: cannot connect")

    async def metric_lines(self, node: NodeAddress) -> Any:
        self._asked(node)
        for line in self.metrics[node.name]:
            yield line

    async def ready_suspensions(self, node: NodeAddress) -> list[ReadySuspension]:
        self._asked(node)
        return list(self.rules[node.name].values())

    async def suspend_ready(self, node: NodeAddress, body: dict[str, str]) -> None:
        self._asked(node)
        rule = ReadySuspension(
            id=f"rule-{self.calls}",
            name=body["name"],
            reason=body["reason"],
            expires=datetime.fromisoformat(body["expires"]),
        )
        kept = {key: one for key, one in self.rules[node.name].items() if one.name != rule.name}
        self.rules[node.name] = kept | {rule.id: rule}

    async def end_ready_suspension(self, node: NodeAddress, suspension_id: str) -> None:
        self._asked(node)
        self.rules[node.name].pop(suspension_id, None)

    async def admin(self, node: NodeAddress, method: str, path: str, body: Any = None) -> Any:
        self._asked(node)
        assert (method, path) == ("POST", "/api/admin/rebind/v1")
        self.flushes.append((node.name, body["tenant"], body["domain"]))
        return {}

    async def close(self) -> None:
        pass


async def add_nodes(system: Any, db: Any, now: datetime) -> None:
    """Their rows: two that were seen just now and run no release yet, and one that never was."""
    async with db.transaction() as connection:
        for name in ("n1", "n2", "new"):
            node_id = new_id(now)
            await connection.execute(
                insert(nodes).values(
                    id=node_id,
                    name=name,
                    kind="kumod",
                    admin_url="http://127.0.0.1:1",
                    policy_dir=f"/{name}",
                    ingest_token_digest=name.encode(),
                    sealed_ingest_token=b"",
                    sealed_admin_token=access.seal(system, node_id, "sealed_admin_token", "t"),
                    online_since=None if name == "new" else now,
                    last_seen_at=None if name == "new" else now,
                    created_at=now,
                )
            )
