"""Scheduled queues: what waits, under which configuration, and when it is due."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count

from postmta_ctl.luavm import PolicyError, Vm
from postmta_ctl.luavm.configs import EgressPool, QueueConfig
from postmta_ctl.luavm.queues import QueueName
from postmta_ctl.luavm.selector import SourceSelector
from postmta_ctl.sandbox.durations import MINUTE, seconds
from postmta_ctl.sandbox.mail import Mail

_FAILURE_LASTS = MINUTE
"""How long KumoMTA remembers that a queue could not be made."""


class QueueFailure(Exception):
    """A queue that cannot be made, because the policy fails or names what does not exist."""


@dataclass(slots=True, eq=False)
class ScheduledQueue:
    """Messages of one tenant and campaign to one domain."""

    name: str
    parts: QueueName
    config: QueueConfig
    pool: EgressPool | None
    """None for queues that are not delivered by SMTP."""
    selector: SourceSelector
    epoch: int
    refreshed: int
    changed: int
    mails: dict[str, Mail] = field(default_factory=dict)

    @property
    def routing_domain(self) -> str:
        """The domain whose MX decides where the mail goes."""
        return self.parts.routing_domain or self.parts.domain

    @property
    def is_smtp(self) -> bool:
        """Whether it is delivered by SMTP."""
        return "smtp" in self.config.protocol


class Queues:
    """All scheduled queues of the node.

    Args:
        vm: gives the Lua context to ask.
        epoch: the number of the configuration epoch.
    """

    def __init__(self, vm: Callable[[], Vm], epoch: Callable[[], int]) -> None:
        self._vm = vm
        self._epoch = epoch
        self._by_name: dict[str, ScheduledQueue] = {}
        self._failures: dict[str, tuple[int, str]] = {}
        self._heap: list[tuple[int, int, Mail]] = []
        self._order = count()
        self._stranded: list[tuple[int, Mail]] = []

    def __iter__(self) -> Iterator[ScheduledQueue]:
        return iter(list(self._by_name.values()))

    def get(self, name: str) -> ScheduledQueue | None:
        """The queue, if there is one."""
        return self._by_name.get(name)

    def resolve(self, name: str, now: int) -> ScheduledQueue:
        """The queue, made or brought up to date if need be.

        Raises:
            QueueFailure: it does not exist and cannot be made. One that exists keeps its configuration instead.
        """
        queue = self._by_name.get(name)
        if queue is None:
            queue = self._by_name[name] = self._make(name, now)
        elif self._is_stale(queue, now):
            self._refresh(queue, now)
        return queue

    def _make(self, name: str, now: int) -> ScheduledQueue:
        until, text = self._failures.get(name, (0, ""))
        if now < until:
            raise QueueFailure(text)
        try:
            config, pool = self._configuration(name)
        except PolicyError as error:
            self._failures[name] = (now + _FAILURE_LASTS, str(error))
            raise QueueFailure(str(error)) from error
        return ScheduledQueue(
            name=name,
            parts=QueueName.parse(name),
            config=config,
            pool=pool,
            selector=SourceSelector(pool.entries if pool else ()),
            epoch=self._epoch(),
            refreshed=now,
            changed=now,
        )

    def _configuration(self, name: str) -> tuple[QueueConfig, EgressPool | None]:
        config = self._vm().queue_config_of(name)
        return config, self._vm().egress_pool(config.egress_pool) if "smtp" in config.protocol else None

    def _is_stale(self, queue: ScheduledQueue, now: int) -> bool:
        if queue.config.values["refresh_strategy"] == "Epoch":
            return queue.epoch != self._epoch()
        return now - queue.refreshed >= seconds(queue.config.seconds("refresh_interval") or 0)

    def _refresh(self, queue: ScheduledQueue, now: int) -> None:
        """Ask the policy again. A pool that the node still caches stays what it was: so it is in KumoMTA."""
        queue.epoch, queue.refreshed = self._epoch(), now
        try:
            queue.config, queue.pool = self._configuration(queue.name)
        except PolicyError:
            return  # already in the node's log; mail goes on under the old configuration
        entries = queue.pool.entries if queue.pool else ()
        if not queue.selector.is_for(entries):
            queue.selector = SourceSelector(entries)

    def insert(self, mail: Mail, now: int) -> None:
        """Put a message into its queue, to come up when it is due.

        Raises:
            QueueFailure: there is no such queue and none can be made.
        """
        queue = self.resolve(mail.queue, now)
        queue.mails[mail.id] = mail
        queue.changed = now
        heapq.heappush(self._heap, (mail.due, next(self._order), mail))

    def remove(self, mail: Mail, now: int) -> None:
        """Take a message out of its queue."""
        queue = self._by_name.get(mail.queue)
        if queue is not None and queue.mails.pop(mail.id, None) is not None:
            queue.changed = now

    def pop_due(self, now: int, limit: int) -> list[Mail]:
        """Messages that are due, longest overdue first; they stay in their queues."""
        due: list[Mail] = []
        while self._heap and len(due) < limit and self._heap[0][0] <= now:
            at, _, mail = heapq.heappop(self._heap)
            if self._is_current(at, mail):
                due.append(mail)
        return due

    def next_due(self) -> int | None:
        """When the next message is due."""
        while self._heap and not self._is_current(self._heap[0][0], self._heap[0][2]):
            heapq.heappop(self._heap)
        waiting = [until for until, _ in self._stranded]
        return min([*waiting, *(entry[0] for entry in self._heap[:1])], default=None)

    def _is_current(self, at: int, mail: Mail) -> bool:
        """Whether an entry of the heap still says when the message is due."""
        queue = self._by_name.get(mail.queue)
        return not mail.busy and mail.due == at and queue is not None and queue.mails.get(mail.id) is mail

    def strand(self, mail: Mail, until: int) -> None:
        """Keep a message for which there is no queue."""
        self._stranded.append((until, mail))

    def stranded(self, now: int) -> list[Mail]:
        """Take those back whose time has come, to try again."""
        due = [mail for until, mail in self._stranded if until <= now]
        self._stranded = [(until, mail) for until, mail in self._stranded if until > now]
        return due

    def reap(self, now: int) -> None:
        """Forget queues that have been empty for their ``reap_interval``, round robin and all."""
        for queue in self:
            if not queue.mails and now - queue.changed >= seconds(queue.config.seconds("reap_interval") or 0):
                del self._by_name[queue.name]

    def matching(self, accepts: Callable[[ScheduledQueue], bool]) -> Iterable[ScheduledQueue]:
        """The queues that a rule is meant for."""
        return [queue for queue in self if accepts(queue)]
