"""Attempts: a due message on its way through suspensions, throttles and the pool to its simulated receiver."""

from __future__ import annotations

import heapq
import uuid
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from postmta_ctl.luavm import PolicyError
from postmta_ctl.luavm.formats import ThrottleSpec
from postmta_ctl.sandbox import metrics
from postmta_ctl.sandbox.durations import MINUTE, parse_moment, seconds, show_moment, show_span
from postmta_ctl.sandbox.journal import Journal
from postmta_ctl.sandbox.mail import Mail
from postmta_ctl.sandbox.queues import QueueFailure, ScheduledQueue
from postmta_ctl.sandbox.ready import ReadyQueue, site_of
from postmta_ctl.sandbox.receivers import fate_of
from postmta_ctl.sandbox.records import Response, response, response_of
from postmta_ctl.sandbox.rules import covers

if TYPE_CHECKING:
    from postmta_ctl.sandbox.hooks import Hooks
    from postmta_ctl.sandbox.node import Node
    from postmta_ctl.sandbox.reports import Reports

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INTERNAL = "KumoMTA internal: "
BATCH = 100
"""Messages tried in one step: the more, the fewer transactions, and the longer an HTTP request may wait."""


class Dispatcher:
    """Tries what is due."""

    def __init__(self, node: Node, hooks: Hooks, reports: Reports) -> None:
        self._node = node
        self._hooks = hooks
        self._reports = reports
        self._unanswered: list[tuple[int, int, Mail, ReadyQueue]] = []
        self._order = count()
        self._next_sweep = 0

    def run(self) -> int | None:
        """Do what is due by now, or a good part of it.

        Returns:
            When to come back; None: not before something new comes in.
        """
        node = self._node
        now = node.now()
        node.watch()
        for mail in node.queues.stranded(now):
            node.enqueue(mail)
        with node.step() as journal:
            while self._unanswered and self._unanswered[0][0] <= now:
                _, _, mail, ready = heapq.heappop(self._unanswered)
                self._answered(mail, ready, journal)
            self._reports.come_in(now, journal)
            for mail in node.queues.pop_due(now, BATCH):
                self.attempt(mail, journal)
        self._sweep(now)
        coming = [node.queues.next_due(), self._reports.next_due(), *(entry[0] for entry in self._unanswered[:1])]
        return min((due for due in coming if due is not None), default=None)

    def _sweep(self, now: int) -> None:
        """Forget what has long been idle."""
        if now >= self._next_sweep:
            self._next_sweep = now + MINUTE
            self._node.queues.reap(now)
            self._node.ready.reap(now)
            self._node.loggers.rotate(now)

    def attempt(self, mail: Mail, journal: Journal) -> None:
        """Try to deliver one message; when the policy fails it waits."""
        try:
            self._attempt(mail, self._node.queues.resolve(mail.queue, self._node.now()), journal)
        except (QueueFailure, PolicyError) as failure:
            self._node.strand(mail, failure)

    def _attempt(self, mail: Mail, queue: ScheduledQueue, journal: Journal) -> None:
        node, now = self._node, self._node.now()
        if bounce := node.bounces.find(lambda request: covers(request, queue.name), now):
            self.admin_bounce(mail, bounce.request.reason, journal, logged=not bounce.request.suppress_logging)
        elif held := node.suspensions.find(lambda request: covers(request, queue.name), now):
            text = f"{_INTERNAL}scheduled queue is suspended: {held.request.reason}"
            self.defer(mail, queue, response(451, (4, 4, 4), text), journal, site=queue.name)
        elif not self._is_paced(mail, queue, journal):
            self._promote(mail, queue, journal)

    def _promote(self, mail: Mail, queue: ScheduledQueue, journal: Journal) -> None:
        if queue.is_smtp:
            self._send(mail, queue, journal)
        elif "custom_lua" in queue.config.protocol:
            self._hooks.offer(mail, queue)
        else:
            kind = next(iter(queue.config.protocol))
            text = f"{_INTERNAL}delivery by {kind} is not simulated (sandbox)"
            self.defer(mail, queue, response(451, (4, 3, 5), text), journal, site=queue.name)

    # -- pacing -------------------------------------------------------------------------------------------------

    def _is_paced(self, mail: Mail, queue: ScheduledQueue, journal: Journal) -> bool:
        """Whether the policy or the queue's own rate puts the message off; that is no attempt."""
        vm = self._node.vm
        if vm.has_handler("throttle_insert_ready_queue"):
            message = mail.as_message(mail.data or self._node.spool.data(mail.id), self._node.clock)
            vm.fire("throttle_insert_ready_queue", message)
            mail.take_over(message)
            due = 0 if message.due is None else (message.due - _EPOCH) // timedelta(microseconds=1) * 1000
            if due > self._node.now():
                self.delay(mail, due, "ThrottledByThrottleInsertReadyQueue", journal)
                return True
        rate = queue.config.throttle("max_message_rate")
        return rate is not None and self._is_throttled(mail, [(f"schedq-{queue.name}-message-rate", rate)], journal)

    def _is_throttled(self, mail: Mail, rates: list[tuple[str, ThrottleSpec]], journal: Journal) -> bool:
        for key, spec in rates:
            wait = self._node.runtime.throttles.throttle(key, spec).retry_after
            if wait is not None:
                self.delay(mail, self._node.now() + seconds(wait), "MessageRateThrottle", journal)
                return True
        return False

    # -- the way out --------------------------------------------------------------------------------------------

    def _send(self, mail: Mail, queue: ScheduledQueue, journal: Journal) -> None:
        try:
            ready = self._select(queue)
        except PolicyError as error:
            self.defer(mail, queue, response(451, (4, 3, 5), f"{_INTERNAL}{error}"), journal)
            return
        if ready is None:
            pool = queue.config.egress_pool
            text = f"{_INTERNAL}no sources for {queue.name} pool=`{pool}` are eligible for selection at this time"
            self.defer(mail, queue, response(451, (4, 4, 4), text), journal, egress_pool=pool)
        elif not self._is_throttled(mail, ready.rates(), journal):
            self._offer(mail, ready, journal)

    def _select(self, queue: ScheduledQueue) -> ReadyQueue | None:
        """The ready queue of the source whose turn it is."""
        node, now = self._node, self._node.now()
        site = site_of(queue).name

        def throttles(source: str) -> list[tuple[str, ThrottleSpec]]:
            ready = node.ready.resolve(queue, source, now)
            return ready.path.selection_throttles(ready.name, source)

        def suspended(source: str) -> float | None:
            name = f"{source}->{site}@smtp_client"
            rule = node.ready_suspensions.find(lambda request: request.name == name, now)
            return None if rule is None else (rule.expires - now) / seconds(1)

        chosen = queue.selector.select(node.runtime.throttles, throttles, suspended=suspended)
        return None if chosen.source is None else node.ready.resolve(queue, chosen.source, now)

    def _offer(self, mail: Mail, ready: ReadyQueue, journal: Journal) -> None:
        ready.used = self._node.now()
        wait = fate_of(mail.recipients[0]).seconds
        if not wait:
            self._answered(mail, ready, journal)
            return
        mail.busy = True
        ready.busy += 1
        heapq.heappush(self._unanswered, (ready.used + seconds(wait), next(self._order), mail, ready))

    def _answered(self, mail: Mail, ready: ReadyQueue, journal: Journal) -> None:
        """What the receiver makes of the message."""
        if mail.busy:
            mail.busy = False
            ready.busy -= 1
        recipient = mail.recipients[0]
        fate = fate_of(recipient)
        reply = fate.reply(mail.contacts)
        mail.contacts += 1
        answer = response_of(reply, recipient)
        queue = self._node.queues.resolve(mail.queue, self._node.now())
        provider = ready.path.values["provider_name"] or queue.config.values["provider_name"]
        fields = {
            "site": ready.name,
            "peer_address": ready.peer(),
            "egress_pool": ready.pool,
            "egress_source": ready.source.name,
            "source_address": ready.source_address(),
            "delivery_protocol": "ESMTP",
            "provider_name": provider or UNSET,
            "session_id": str(uuid.uuid4()),
        }
        self._count(reply.code, ready, provider or ready.site.name)
        if 400 <= reply.code < 500:
            self.defer(mail, queue, answer, journal, **fields)
            return
        journal.log(self._node.record("Delivery" if reply.code < 300 else "Bounce", mail, answer, fields=fields))
        if reply.code < 300:
            self._reports.expect(fate, mail, ready.source_ip, journal)
        self.remove(mail, journal)

    def _count(self, code: int, ready: ReadyQueue, provider: str) -> None:
        metric = metrics.DELIVERED if code < 300 else metrics.DEFERRED if code < 500 else metrics.FAILED
        ready.delivered += metric is metrics.DELIVERED
        ready.deferred += metric is metrics.DEFERRED
        ready.failed += metric is metrics.FAILED
        counters, service = self._node.counters, f"smtp_client:{ready.name}"
        counters.add_outcome(metric, service, provider, ready.source.name, ready.pool)
        counters.add(metrics.CONNECTIONS, service)
        counters.add(metrics.CONNECTIONS, "smtp_client")

    # -- what becomes of it -------------------------------------------------------------------------------------

    def defer(self, mail: Mail, queue: ScheduledQueue, answer: Response, journal: Journal, **fields: Any) -> None:
        """Log a transient failure, and let the message wait for its next attempt or expire."""
        journal.log(self._node.record("TransientFailure", mail, answer, fields=fields))
        mail.num_attempts += 1
        mail.due = self._node.now() + self._node.waiting(queue.config.retry_delay(mail.num_attempts), queue)
        if (reason := self._expiry(mail, queue)) is None:
            self._put_back(mail, journal)
            return
        answer = response(551, (5, 4, 7), reason)
        journal.log(self._node.record("Expiration", mail, answer, fields={"egress_pool": queue.config.egress_pool}))
        self.remove(mail, journal)

    def _expiry(self, mail: Mail, queue: ScheduledQueue) -> str | None:
        """Why the message expires instead of being tried again."""
        expires = (mail.scheduling or {}).get("expires")
        if expires is not None and mail.due > parse_moment(expires):
            return f"Next delivery time {show_moment(mail.due)} is after the scheduled expiry {expires}"
        scale = self._node.options.time_scale if queue.is_smtp else 1
        age = int((mail.due - mail.created) * scale)
        if age <= seconds(queue.config.max_age):
            return None
        limit = show_span(seconds(queue.config.max_age))
        return f"Next delivery time would be {show_span(age)} after creation, which exceeds max_age={limit}"

    def delay(self, mail: Mail, due: int, context: str, journal: Journal) -> None:
        """Put a message off without counting an attempt."""
        mail.due = due
        self._put_back(mail, journal)
        self.log_delay(mail, context, journal)

    def log_delay(self, mail: Mail, context: str, journal: Journal) -> None:
        """Say why a message waits though no attempt failed."""
        wait = show_span(mail.due - self._node.now())
        text = f"Context: {context}. Next due in {wait} at {show_moment(mail.due)}"
        journal.log(self._node.record("Delayed", mail, response(400, None, text)))

    def admin_bounce(self, mail: Mail, reason: str, journal: Journal, *, logged: bool) -> None:
        """Drop a message by order."""
        if logged:
            answer = response(551, (5, 7, 1), f"Administrator bounced with reason: {reason}")
            journal.log(self._node.record("AdminBounce", mail, answer, fields={"site": "localhost"}))
        self.remove(mail, journal)

    def remove(self, mail: Mail, journal: Journal) -> None:
        """Have done with a message."""
        self._node.queues.remove(mail, self._node.now())
        journal.remove(mail)

    def _put_back(self, mail: Mail, journal: Journal) -> None:
        self._node.enqueue(mail)
        journal.change(mail)
