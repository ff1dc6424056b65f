"""A node without its process: time stands still until it is moved, and records are read from the hook's queue."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import zstandard

from postmta_ctl.luavm import ManualClock, PolicyError, Rejected
from postmta_ctl.sandbox.admin import Admin
from postmta_ctl.sandbox.dispatcher import Dispatcher
from postmta_ctl.sandbox.hooks import HookQueue, Hooks
from postmta_ctl.sandbox.inject import Caller, Injection
from postmta_ctl.sandbox.inspection import Inspector
from postmta_ctl.sandbox.jsonbody import decode
from postmta_ctl.sandbox.node import Node
from postmta_ctl.sandbox.options import Options
from postmta_ctl.sandbox.reports import Reports
from postmta_ctl.sandbox.requests import (
    BounceV1Request,
    InjectV1Request,
    RebindV1Request,
    SuspendReadyQueueV1Request,
    SuspendV1Request,
)
from tests.sandbox.fleet import injection

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
StartEngine = Callable[..., "Engine"]
CALLER = Caller(peer="127.0.0.1", listener="127.0.0.1", auth_info={})


def read_logs(folder: Path, pattern: str = "*") -> list[dict[str, Any]]:
    """All lines of the finished zstd segments in a folder."""
    lines: list[dict[str, Any]] = []
    for path in sorted(folder.glob(pattern)):
        with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as reader:
            lines += [json.loads(line) for line in io.TextIOWrapper(reader, encoding="utf-8")]
    return lines


class Engine:
    """The node, and everything that has come out of it."""

    def __init__(self, folder: Path, clock: ManualClock | None = None, **options: Any) -> None:
        self.clock = clock or ManualClock(START)
        self.node = Node(Options(policy_dir=folder, **options), self.clock)
        self.hooks = Hooks(self.node, lambda _: None)
        self.dispatcher = Dispatcher(self.node, self.hooks, Reports(self.node))
        self.admin = Admin(self.node, self.dispatcher)
        self.inspector = Inspector(self.node, self.hooks)
        self.is_hook_open = True
        """Whether the hook's connections take what comes."""
        self._closed = False
        self.records: list[dict[str, Any]] = []
        for mail in self.node.spool.messages():
            self.node.enqueue(mail)

    def inject(self, *recipients: str, **extra: Any) -> dict[str, Any]:
        """Inject, and deliver what can be delivered at once."""
        return self.inject_request(injection(*recipients, **extra))

    def inject_request(self, request: dict[str, Any]) -> dict[str, Any]:
        call = Injection(self.node, decode(json.dumps(request).encode(), InjectV1Request), CALLER)
        while not call.is_done:
            call.step()
        self.run()
        return {name: getattr(call.answer, name) for name in call.answer.__struct_fields__}

    def run(self) -> None:
        """Do all that is due, and let the hook take every record."""
        while (due := self.dispatcher.run()) is not None and due <= self.node.now():
            pass
        for hook in self.hooks if self.is_hook_open else ():
            self.take(hook)

    def take(self, hook: HookQueue, outcome: str | Rejected | PolicyError = "ok") -> int:
        """Let the hook's connection come to an outcome for every batch that waits."""
        count = 0
        while batch := self.hooks.take(hook):
            count += len(batch)
            if isinstance(outcome, str):
                self.records += [json.loads(mail.data or b"") for mail in batch]
            self.hooks.settle(hook, batch, outcome, "session", self.dispatcher)
        return count

    def advance(self, seconds: float) -> None:
        """Let time go by, in steps in which everything happens when it is due."""
        end = self.node.now() + int(seconds * 10**9)
        while (due := self.dispatcher.run()) is not None and due <= end:
            self.clock.advance(max(due - self.node.now(), 0) / 10**9 + 1e-6)
            self.run()
        self.clock.advance(max(end - self.node.now(), 0) / 10**9)
        self.run()

    def logged(self) -> list[dict[str, Any]]:
        """What stands in the local logs."""
        self.node.loggers.close()
        return read_logs(self.node.options.logs)

    def types(self, recipient: str) -> list[str]:
        return [record["type"] for record in self.records if record["recipient"] == recipient]

    def record(self, recipient: str, kind: str) -> dict[str, Any]:
        return next(one for one in self.records if (one["recipient"], one["type"]) == (recipient, kind))

    def close(self) -> None:
        """Stop, as far as it is not closed already."""
        if not self._closed:
            self._closed = True
            self.node.close()

    def suspend(self, **fields: Any) -> str:
        return str(self.admin.suspend(decode(json.dumps(fields).encode(), SuspendV1Request))["id"])

    def suspend_ready(self, **fields: Any) -> str:
        return str(self.admin.suspend_ready(decode(json.dumps(fields).encode(), SuspendReadyQueueV1Request))["id"])

    def bounce(self, **fields: Any) -> str:
        rule = self.admin.bounce(decode(json.dumps(fields).encode(), BounceV1Request))
        self.run()
        return str(rule["id"])

    def rebind(self, **fields: Any) -> None:
        self.admin.rebind(decode(json.dumps({"data": {}, **fields}).encode(), RebindV1Request))
        self.run()
