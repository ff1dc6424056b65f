"""The admin API: hold, bounce, rebind. What it changes is in memory, but for the messages themselves."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from postmta_ctl.luavm import PolicyError, Rejected
from postmta_ctl.sandbox.dispatcher import Dispatcher
from postmta_ctl.sandbox.durations import show_moment, show_span
from postmta_ctl.sandbox.journal import Journal
from postmta_ctl.sandbox.mail import Mail
from postmta_ctl.sandbox.queues import ScheduledQueue
from postmta_ctl.sandbox.records import response
from postmta_ctl.sandbox.requests import (
    BounceV1Request,
    RebindV1Request,
    SuspendReadyQueueV1Request,
    SuspendV1Request,
)
from postmta_ctl.sandbox.rules import covers

if TYPE_CHECKING:
    from postmta_ctl.sandbox.node import Node

_NO_QUEUE = "null"
_RETIMED_WITHIN = 60.0
"""Simulated seconds within which KumoMTA lets come due what a rebind looked at and left where it was."""


class Admin:
    """What operators order."""

    def __init__(self, node: Node, dispatcher: Dispatcher) -> None:
        self._node = node
        self._dispatcher = dispatcher

    # -- rules --------------------------------------------------------------------------------------------------

    def suspend(self, request: SuspendV1Request) -> dict[str, Any]:
        """Hold scheduled queues: from now on attempts fail, for as long as the rule lasts."""
        return {"id": self._node.suspensions.add(request, self._node.now()).id}

    def suspensions(self) -> list[dict[str, Any]]:
        """The holds in force."""
        now = self._node.now()
        return [
            {
                "id": rule.id,
                "campaign": rule.request.campaign,
                "tenant": rule.request.tenant,
                "domain": rule.request.domain,
                "reason": rule.request.reason,
                "duration": show_span(rule.expires - now),
            }
            for rule in self._node.suspensions.current(now)
        ]

    def suspend_ready(self, request: SuspendReadyQueueV1Request) -> dict[str, Any]:
        """Stop a ready queue: its source is left out when messages for its site choose theirs."""
        return {"id": self._node.ready_suspensions.add(request, self._node.now()).id}

    def ready_suspensions(self) -> list[dict[str, Any]]:
        """The stopped ready queues."""
        now = self._node.now()
        return [
            {
                "id": rule.id,
                "name": rule.request.name,
                "reason": rule.request.reason,
                "duration": show_span(rule.expires - now),
                "expires": show_moment(rule.expires),
            }
            for rule in self._node.ready_suspensions.current(now)
        ]

    def bounce(self, request: BounceV1Request) -> dict[str, Any]:
        """Bounce what is in the matching queues now, and what comes into them while the rule lasts."""
        rule = self._node.bounces.add(request, self._node.now())
        with self._node.step() as journal:
            for queue in self._node.queues.matching(lambda queue: covers(request, queue.name)):
                for mail in _waiting(queue):
                    logged = not request.suppress_logging
                    self._dispatcher.admin_bounce(mail, request.reason, journal, logged=logged)
        return {"id": rule.id, "bounced": {}, "total_bounced": 0}

    def bounces(self) -> list[dict[str, Any]]:
        """The bounce rules in force; the counts are always empty, as in KumoMTA."""
        now = self._node.now()
        return [
            {
                "id": rule.id,
                "campaign": rule.request.campaign,
                "tenant": rule.request.tenant,
                "domain": rule.request.domain,
                "routing_domain": rule.request.routing_domain,
                "reason": rule.request.reason,
                "duration": show_span(rule.expires - now),
                "bounced": {},
                "total_bounced": 0,
            }
            for rule in self._node.bounces.current(now)
        ]

    # -- rebind -------------------------------------------------------------------------------------------------

    def rebind(self, request: RebindV1Request) -> None:
        """Move the messages of the matching queues, or have them tried now."""
        with self._node.step() as journal:
            for queue in self._node.queues.matching(lambda queue: covers(request, queue.name)):
                for mail in _waiting(queue):
                    self._rebind(mail, request, journal)

    def _rebind(self, mail: Mail, request: RebindV1Request, journal: Journal) -> None:
        node, old = self._node, mail.queue
        new = self._new_queue(mail, request)
        if new != old:
            node.queues.remove(mail, node.now())
            mail.queue = new
            if not request.suppress_logging:
                answer = response(250, None, f"Rebound from {old} to {new}: {request.reason}")
                journal.log(node.record("AdminRebind", mail, answer))
        if new == _NO_QUEUE:
            journal.remove(mail)
            return
        at_once = new != old or request.always_flush
        mail.due = node.now() + (0 if at_once else node.waiting(random.uniform(0, _RETIMED_WITHIN)))  # noqa: S311
        node.enqueue(mail)
        journal.change(mail)
        if not at_once and not request.suppress_logging:
            self._dispatcher.log_delay(mail, "AdminRebind", journal)

    def _new_queue(self, mail: Mail, request: RebindV1Request) -> str:
        """The queue the message belongs to after data or the policy's event have changed its meta."""
        node = self._node
        message = mail.as_message(mail.data or node.spool.data(mail.id), node.clock)
        if request.trigger_rebind_event:
            try:
                answer = node.vm.fire("rebind_message", message, request.data)
            except PolicyError as error:
                answer = error
            if isinstance(answer, PolicyError | Rejected):
                node.complain(f"rebind_message: {answer}")
                return mail.queue
        else:
            message.meta.update(request.data)
        mail.take_over(message)
        return message.queue_name


def _waiting(queue: ScheduledQueue) -> list[Mail]:
    """The messages of a queue that no receiver and no hook has."""
    return [mail for mail in queue.mails.values() if not mail.busy]
