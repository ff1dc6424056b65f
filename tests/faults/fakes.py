"""A node and a webhook endpoint that keep state, in the place of the clients that would reach real ones."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any, Literal

from postmta_ctl.clients.kumod import NodeAddress, NodeTimeout
from postmta_ctl.clients.webhooks import Reply
from postmta_ctl.errors import NodeUnreachable
from tests.conftest import FakeClock

NodeMode = Literal["well", "unreachable", "unavailable", "lost", "partial", "internal", "garbage"]
EndpointMode = Literal["well", "failing", "lost"]
NODE_ID = "11111111-2222-3333-4444-555555555555"
INTERNAL = "KumoMTA internal: QueueManager::insert failed during reception: resolving egress pool"


@dataclass
class StatefulNode:
    """Takes mail as kumod does with our policy, fence included, and logs what becomes of it."""

    clock: FakeClock
    mode: NodeMode = "well"
    records: list[bytes] = field(default_factory=list)
    """Its log."""
    taken: Counter[str] = field(default_factory=Counter)
    """How often each recipient (by id) was taken into a queue."""
    waiting: list[dict[str, Any]] = field(default_factory=list)
    fence: set[tuple[str, int]] = field(default_factory=set)
    _numbers: count[int] = field(default_factory=count)

    async def inject(self, node: NodeAddress, body: bytes) -> tuple[int, bytes]:
        people = json.loads(body)["recipients"]
        match self.mode:
            case "unreachable":
                raise NodeUnreachable("connection refused")
            case "unavailable":
                return 503, b"shutting down"
            case "partial":
                people = people[: len(people) // 2]
        errors = {one["email"]: words for one in people if (words := self._refusal(one))}
        if self.mode in ("lost", "partial"):
            raise NodeTimeout("connection reset")
        if self.mode == "garbage":
            return 200, b"<html>"
        counts = {"success_count": len(people) - len(errors), "fail_count": len(errors)}
        failures = {"failed_recipients": list(errors), "errors": [f"{who}: {words}" for who, words in errors.items()]}
        return 200, json.dumps(counts | failures).encode()

    def _refusal(self, one: dict[str, Any]) -> str | None:
        meta = one["metadata"]
        if (meta["rid"], meta["attempt"]) in self.fence:
            return f"550 postmta-duplicate rid={meta['rid']}"
        self.fence.add((meta["rid"], meta["attempt"]))
        mail = {"id": f"{next(self._numbers):032x}", "email": one["email"], "meta": meta, "attempts": 0}
        self._log("Reception", mail)
        if self.mode == "internal":
            self._log("Bounce", mail, code=550, content=INTERNAL)
            return INTERNAL
        self.taken[meta["rid"]] += 1
        self.waiting.append(mail)
        return None

    def attempt(self) -> None:
        """Offer everything that waits to its receiver."""
        waiting, self.waiting = self.waiting, []
        for mail in waiting:
            if mail["email"].startswith("nouser"):
                self._log("Bounce", mail, code=550, content="User unknown", source="sender.mx1.r1")
            elif mail["email"].startswith("grey") and not mail["attempts"]:
                self._log("TransientFailure", mail, code=451, content="Try again", source="sender.mx1.r1")
                self.waiting.append(mail | {"attempts": 1})
            else:
                self._log("Delivery", mail, code=250, content="OK", source="sender.mx1.r1")

    async def close(self) -> None:
        """Nothing is open."""

    def restart(self) -> None:
        """Forget what is in memory alone."""
        self.fence.clear()

    def _log(self, kind: str, mail: dict[str, Any], *, code: int = 250, content: str = "", source: str = "") -> None:
        at = self.clock() + timedelta(microseconds=len(self.records))
        record = {
            "type": kind,
            "id": mail["id"],
            "sender": f"b+{mail['meta']['rid']}@bounce.postmta.test",
            "recipient": mail["email"],
            "queue": f"{mail['meta']['tenant']}@dest.test",
            "response": {"code": code, "content": content},
            "timestamp": int(at.timestamp()),
            "event_time": at.isoformat().replace("+00:00", "Z"),
            "num_attempts": mail["attempts"],
            "egress_source": source or None,
            "meta": {"tenant": mail["meta"]["tenant"], "x_rid": mail["meta"]["rid"], "extra": mail["meta"]},
            "reception_protocol": "HTTP",
            "nodeid": NODE_ID,
        }
        self.records.append(json.dumps(record).encode())


@dataclass
class StatefulEndpoint:
    """A customer's endpoint: what it was told, by the id of the webhook."""

    mode: EndpointMode = "well"
    told: dict[str, set[bytes]] = field(default_factory=dict)
    timeout: float = 1.0

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        if self.mode == "failing":
            return Reply(status=500)
        self.told.setdefault(headers["webhook-id"], set()).add(body)
        return Reply(status=200) if self.mode == "well" else Reply(error="timeout")

    async def close(self) -> None:
        """Nothing is open."""
