"""Log hooks: queues whose messages a Lua connection of the policy delivers, in batches, in threads of their own."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from postmta_ctl.luavm import LuaConnection, NodeRuntime, PolicyError, Rejected
from postmta_ctl.sandbox import metrics
from postmta_ctl.sandbox.dispatcher import Dispatcher
from postmta_ctl.sandbox.logs import as_message
from postmta_ctl.sandbox.mail import Mail
from postmta_ctl.sandbox.queues import ScheduledQueue
from postmta_ctl.sandbox.records import Peer, RecordType, Response, response

if TYPE_CHECKING:
    from postmta_ctl.sandbox.node import Node

UNSPECIFIED = "unspecified"
Outcome = str | Rejected | PolicyError
"""What a connection made of a batch: its text, a rejection, or an error of the policy."""


@dataclass(slots=True, eq=False)
class HookQueue:
    """The ready queue of one scheduled queue that a Lua constructor serves."""

    name: str
    queue: str
    constructor: str
    domain: str
    tenant: str | None
    campaign: str | None
    batch_size: int
    connection_limit: int
    idle_timeout: float
    waiting: deque[Mail] = field(default_factory=deque)
    busy: int = 0


class Hooks:
    """All hook queues of the node.

    Args:
        wake: called when a queue has something for its connections, and to have them made when it is new.
    """

    def __init__(self, node: Node, wake: Callable[[HookQueue], None]) -> None:
        self._node = node
        self._wake = wake
        self._by_name: dict[str, HookQueue] = {}

    def __iter__(self) -> Iterator[HookQueue]:
        return iter(list(self._by_name.values()))

    def offer(self, mail: Mail, queue: ScheduledQueue) -> None:
        """Give a due message to the connections of its queue."""
        hook = self._by_name.get(queue.name) or self._make(queue)
        hook.batch_size = int(queue.config.protocol["custom_lua"].get("batch_size", 1))
        mail.busy = True
        hook.waiting.append(mail)
        self._wake(hook)

    def _make(self, queue: ScheduledQueue) -> HookQueue:
        constructor = str(queue.config.protocol["custom_lua"]["constructor"])
        path = self._node.vm.egress_path(queue.routing_domain, UNSPECIFIED, queue.routing_domain)
        hook = self._by_name[queue.name] = HookQueue(
            name=f"{UNSPECIFIED}->{queue.routing_domain}@lua:{constructor}",
            queue=queue.name,
            constructor=constructor,
            domain=queue.parts.domain,
            tenant=queue.parts.tenant,
            campaign=queue.parts.campaign,
            batch_size=1,
            connection_limit=path.limit("connection_limit").limit,
            idle_timeout=path.seconds("idle_timeout") or 0.0,
        )
        return hook

    def take(self, hook: HookQueue) -> list[Mail]:
        """The next batch for a connection; empty when nothing waits."""
        size = min(hook.batch_size, len(hook.waiting))
        batch = [hook.waiting.popleft() for _ in range(size)]
        for mail in batch:
            if mail.data is None:
                mail.data = self._node.spool.data(mail.id)
        hook.busy += len(batch)
        return batch

    def settle(
        self, hook: HookQueue, batch: list[Mail], outcome: Outcome, session: str, dispatcher: Dispatcher
    ) -> None:
        """Do with a batch what its outcome says: all delivered, all tried again, or all lost."""
        hook.busy -= len(batch)
        queue = self._node.queues.resolve(hook.queue, self._node.now())
        fields = {
            "site": hook.name,
            "peer_address": Peer(name=f"Lua via {hook.constructor}", addr="0.0.0.0"),  # noqa: S104 - KumoMTA's text
            "egress_pool": UNSPECIFIED,
            "egress_source": UNSPECIFIED,
            "delivery_protocol": "Lua",
            "session_id": session,
        }
        kind, metric, answer = _judged(outcome)
        with self._node.step() as journal:
            for mail in batch:
                mail.busy = False
                self._node.counters.add_outcome(metric, f"lua:{hook.name}", hook.domain, UNSPECIFIED, UNSPECIFIED)
                if kind == "TransientFailure":
                    dispatcher.defer(mail, queue, answer, journal, **fields)
                else:
                    journal.log(self._node.record(kind, mail, answer, fields=fields))
                    dispatcher.remove(mail, journal)


def _judged(outcome: Outcome) -> tuple[RecordType, metrics.Metric, Response]:
    if isinstance(outcome, str):
        return "Delivery", metrics.DELIVERED, response(200, None, outcome)
    if isinstance(outcome, PolicyError):
        return "TransientFailure", metrics.DEFERRED, response(400, None, f"KumoMTA internal: {outcome}")
    if 400 <= outcome.code < 500:
        return "TransientFailure", metrics.DEFERRED, response(outcome.code, None, outcome.text)
    return "Bounce", metrics.FAILED, response(outcome.code, None, outcome.text)


class HookConnection:
    """One connection of a hook queue. It is made when it is first needed, with a Lua side all of its own.

    Not to be used by two threads at a time; the node may go on working meanwhile.
    """

    def __init__(self, hook: HookQueue, node: Node) -> None:
        self._hook = hook
        self._node = node
        self._runtime: NodeRuntime | None = None
        self._connection: LuaConnection | None = None
        self.session = str(uuid.uuid4())

    def deliver(self, batch: list[Mail]) -> Outcome:
        """Hand a batch to the policy's Lua. An error and a 421 close the connection."""
        try:
            outcome: Outcome = self._send(batch)
        except PolicyError as error:
            self._node.complain(f"{self._hook.constructor}: {error}")
            outcome = error
        self._pass_on_log()
        if isinstance(outcome, PolicyError) or (isinstance(outcome, Rejected) and outcome.code == 421):
            self.close()
        return outcome

    def _send(self, batch: list[Mail]) -> str | Rejected:
        if self._connection is None:
            hook = self._hook
            self._runtime = self._node.hook_runtime()
            vm = self._runtime.context()
            self._connection = vm.connection(hook.constructor, hook.domain, hook.tenant, hook.campaign)
            self.session = str(uuid.uuid4())
        messages = [as_message(mail, self._node.clock) for mail in batch]
        if self._hook.batch_size == 1:
            return self._connection.send(messages[0])
        return self._connection.send_batch(messages)

    def close(self) -> None:
        """Let the policy close it; a new one, with the policy as it is then, is made when there is need."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except (PolicyError, Rejected) as error:
                self._node.complain(f"{self._hook.constructor}: close: {error}")
            self._pass_on_log()

    def _pass_on_log(self) -> None:
        """What the policy wrote becomes part of the node's log."""
        while self._runtime is not None and self._runtime.log_lines:
            line = self._runtime.log_lines.popleft()
            self._node.runtime.log(line.level, line.text)
