"""The node: what it holds, and what its parts share. Synchronous; everything runs in one thread.

The policy is the published one, run by :mod:`postmta_ctl.luavm` through the node's launcher. Time is real in records
and throttles. Where mail waits (retries, ``max_age``, reports on their way) it runs ``time_scale`` times as fast;
log hooks talk to a real peer and wait in real time.
"""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from postmta_ctl.luavm import Clock, EveryHostHasBoth, NodeRuntime, SystemClock, Vm
from postmta_ctl.luavm.http import HttpTransport, HttpxTransport
from postmta_ctl.luavm.node import LogLine
from postmta_ctl.sandbox import metrics
from postmta_ctl.sandbox.durations import moment, seconds
from postmta_ctl.sandbox.faults import Faults
from postmta_ctl.sandbox.journal import Journal
from postmta_ctl.sandbox.logs import Loggers
from postmta_ctl.sandbox.mail import Mail, SpoolIds
from postmta_ctl.sandbox.monitor import ConfigMonitor
from postmta_ctl.sandbox.options import Options
from postmta_ctl.sandbox.queues import QueueFailure, Queues, ScheduledQueue
from postmta_ctl.sandbox.ready import ReadyQueues
from postmta_ctl.sandbox.records import LogRecord, RecordType, Response, times
from postmta_ctl.sandbox.requests import BounceV1Request, SuspendReadyQueueV1Request, SuspendV1Request
from postmta_ctl.sandbox.rules import Rules
from postmta_ctl.sandbox.spool import Spool

VERSION = f"sandbox-{metadata.version('postmta-ctl')}"
_STRANDED_RETRY = 60.0


class Node:
    """A running node.

    Raises:
        PolicyError: the policy does not start.
        SpoolError: the spool cannot be opened.
    """

    def __init__(self, options: Options, clock: Clock | None = None) -> None:
        self.options = options
        self.clock = clock or SystemClock()
        self.spool = Spool(options.spool)
        self.id = options.node_id or _remembered_id(options.spool / "node-id")
        self.hostname = socket.gethostname()
        self.runtime = self._runtime()
        self.runtime.start()
        self._transport = HttpxTransport(trust_env=False)
        self.counters = metrics.Counters()
        self.ids = SpoolIds(self.clock, self.id)
        self.loggers = Loggers(
            self.runtime.local_logs,
            self.runtime.log_hooks,
            directory=options.logs,
            vm=lambda: self.vm,
            complain=self.complain,
            ids=self.ids,
            clock=self.clock,
        )
        self.loggers.make_up(self.spool.last_lines, self.now())
        self.queues = Queues(lambda: self.vm, lambda: self.runtime.epoch)
        self.ready = ReadyQueues(lambda: self.vm, lambda: self.runtime.epoch)
        self.faults = Faults()
        self.suspensions: Rules[SuspendV1Request] = Rules()
        self.ready_suspensions: Rules[SuspendReadyQueueV1Request] = Rules()
        self.bounces: Rules[BounceV1Request] = Rules()
        self.online_since = self.now()
        globs = self.runtime.settings.get("kumo.set_config_monitor_globs") or ()
        self._monitor = ConfigMonitor(globs, self.online_since)
        self._context: Vm | None = None

    def hook_runtime(self) -> NodeRuntime:
        """A Lua side for a connection of a log hook, which works in a thread of its own."""
        return self._runtime(self._transport)

    def _runtime(self, http: HttpTransport | None = None) -> NodeRuntime:
        directory = self.options.policy_dir
        return NodeRuntime(
            directory,
            policy_dir=directory,
            launcher=True,
            clock=self.clock,
            http=http,
            resolver=EveryHostHasBoth(),
            node_id=self.id,
            version=VERSION,
        )

    @property
    def vm(self) -> Vm:
        """The Lua context to ask."""
        vm = self.runtime.current()
        if vm is not self._context:
            self._context = vm
            self.counters.add(metrics.LUA_LOADS)
        return vm

    def now(self) -> int:
        """Now, in nanoseconds since 1970."""
        return moment(self.clock)

    def waiting(self, span: float, queue: ScheduledQueue | None = None) -> int:
        """Nanoseconds that so many simulated seconds take; in the queue of a log hook time is real."""
        if queue is not None and not queue.is_smtp:
            return seconds(span)
        return seconds(span / self.options.time_scale)

    def bump_epoch(self) -> None:
        """A new configuration epoch: from now on the policy is what lies in the folder now."""
        self.runtime.bump_epoch()

    def watch(self) -> None:
        """Begin a new epoch if the policy's files have changed."""
        if self._monitor.has_changed(self.now()):
            self.bump_epoch()

    @contextmanager
    def step(self) -> Iterator[Journal]:
        """Do something as one: it is written to spool and logs at the end, and records go to their hooks."""
        journal = Journal(self.spool, self.loggers)
        yield journal
        for mail in journal.commit(self.now()):
            self.enqueue(mail)

    def enqueue(self, mail: Mail) -> None:
        """Queue a message that is in the spool."""
        try:
            self.queues.insert(mail, self.now())
        except QueueFailure as failure:
            self.strand(mail, failure)

    def strand(self, mail: Mail, failure: Exception) -> None:
        """Let a message wait because the policy fails. KumoMTA would leave it in the spool until it is restarted."""
        self.complain(f"{mail.id} in {mail.queue}: {failure}")
        self.queues.strand(mail, self.now() + seconds(_STRANDED_RETRY))

    def complain(self, text: str) -> None:
        """Write an error to the node's log."""
        self.runtime.log("error", text)

    def take_log(self) -> list[LogLine]:
        """The lines of the node's log since the last time; the policy's own are among them."""
        lines: list[LogLine] = []
        while self.runtime.log_lines:
            lines.append(self.runtime.log_lines.popleft())
        return lines

    def record(
        self,
        kind: RecordType,
        mail: Mail,
        response: Response,
        *,
        event: int | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> LogRecord:
        """A log record about a message, of now unless ``event`` says otherwise; ``fields`` as LogRecord has them."""
        values = {
            "size": mail.size,
            "num_attempts": mail.num_attempts,
            "meta": mail.meta,
            "headers": mail.headers,
            "reception_protocol": mail.meta.get("reception_protocol"),
            **(fields or {}),
        }
        return LogRecord(
            type=kind,
            id=mail.id,
            sender=mail.sender,
            recipient=mail.recipient,
            queue=mail.queue,
            response=response,
            nodeid=self.id,
            **times(self.now() if event is None else event, mail.created),
            **values,
        )

    def forget_holds(self) -> None:
        """Lose what a restart loses, for tests of those who have to put it back: suspensions and bounce rules."""
        self.suspensions.clear()
        self.ready_suspensions.clear()
        self.bounces.clear()
        self.online_since = self.now()

    def close(self) -> None:
        """Close logs, spool and the log hooks' connections."""
        self._transport.close()
        self.loggers.close()
        self.spool.keep_lines([])
        self.spool.close()


def _remembered_id(path: Path) -> str:
    """The node's id, made up at its first start."""
    if not path.exists():
        path.write_text(str(uuid.uuid4()), encoding="ascii")
    return path.read_text(encoding="ascii").strip()
