"""Control plane, node and webhook receiver together, and how what they did is judged."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tests.faults import invariants
from tests.faults.load import Load
from tests.faults.looking import Ask, looking_at, wait_until_left
from tests.faults.node import Node, ended
from tests.faults.plane import Plane
from tests.faults.report import Outcome
from tests.receivers import Receiver, receiving

LEASE_SECONDS = 4
"""Of the relay: how long mail waits that it had in hand when it was killed."""
WEBHOOK_LEASE_SECONDS = 90
PATIENCE = 120.0
ENVIRONMENT = {
    "POSTMTA_EMBEDDED_NODE": "false",
    "POSTMTA_RELAY_LEASE_SECONDS": str(LEASE_SECONDS),
    "POSTMTA_LOG_LEVEL": "warning",
    # A metered plan, so that every message moves credits.
    "POSTMTA_DEFAULT_PLAN": "scale",
    "POSTMTA_ACCESS_TOKEN_SECONDS": "2592000",
    "POSTMTA_WEBHOOK_ALLOW_HTTP": "true",
    "POSTMTA_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
}


class Told(msgspec.Struct):
    """The head of a webhook's payload."""

    type: str


@dataclass
class Installation:
    """Everything, and what was acknowledged by it so far."""

    plane: Plane
    node: Node
    receiver: Receiver
    folder: Path
    url: str | None = None
    """Of the database, if it is PostgreSQL."""
    told_twice: int = 0
    acknowledged: set[str] = field(default_factory=set)

    def check(self, load: Load) -> None:
        """What must hold while the control plane is dead."""
        invariants.check(self._left(), self.acknowledged | load.acknowledged())

    def _left(self) -> Path | str:
        """What the dead control plane left: a copy of it, or the database itself that nobody writes to."""
        if self.url is None:
            return self.plane.snapshot(self.folder)
        wait_until_left(self.url)
        return self.url

    def _looking(self) -> AbstractContextManager[Ask]:
        return looking_at(self.url or self.plane.database, live=True)

    def settle(self, load: Load, outcome: Outcome, *, may_repeat: int = 0) -> None:
        """Wait until all is over, and judge it; the control plane is dead afterwards.

        Args:
            load: What was asked.
            outcome: Gets the figures.
            may_repeat: How many addresses may have got their mail twice.
        """
        self._wait_until_over(load)
        ends = ended(self.node.logs)
        mine = Counter({address: ends[address] for address in load.recipients})
        outcome.accepted = len(mine)
        outcome.delivered = sum(times > 0 for times in mine.values())
        outcome.lost = outcome.accepted - outcome.delivered
        outcome.duplicates = sum(times > 1 for times in mine.values())
        outcome.interrupted += load.interrupted
        outcome.put_off += load.refused
        assert outcome.lost == 0, f"{outcome.lost} of {outcome.accepted} are lost"
        assert outcome.duplicates <= may_repeat, f"{outcome.duplicates} were sent twice"
        strangers = {address for address in ends if f".{load.name}." in address} - mine.keys()
        assert not strangers, f"mail that nobody was told of: {sorted(strangers)[:3]}"
        self._check_webhooks(outcome)
        self.plane.kill()
        self.acknowledged |= load.acknowledged()
        self.check(load)
        invariants.check_all_counts(self._left())

    def _wait_until_over(self, load: Load) -> None:
        deadline = time.monotonic() + PATIENCE
        # What a dead process had in hand waits until its leases end.
        self.plane.step_clock(WEBHOOK_LEASE_SECONDS)
        while left := self._unfinished():
            assert time.monotonic() < deadline, f"still not over: {left}"
            time.sleep(0.1)
        assert len(set(load.recipients)) == len(load.recipients)

    def _unfinished(self) -> dict[str, int]:
        """What is under way, by a look into the live database."""
        questions = {
            "outbox": "SELECT count(*) FROM outbox",
            "recipients": "SELECT count(*) FROM recipients"
            " WHERE status NOT IN ('delivered', 'bounced', 'suppressed', 'cancelled')",
            "webhooks": "SELECT count(*) FROM webhook_deliveries WHERE status = 'pending'",
        }
        with self._looking() as ask:
            found = {name: ask(query)[0][0] for name, query in questions.items()}
        return {name: number for name, number in found.items() if number}

    def _check_webhooks(self, outcome: Outcome) -> None:
        """Every event that was announced was told, and what was told twice was the same."""
        with self._looking() as ask:
            planned = {key for (key,) in ask("SELECT id FROM webhook_deliveries")}
        told: dict[str, set[bytes]] = {}
        for request in self.receiver.requests:
            told.setdefault(request.headers["webhook-id"], set()).add(request.body)
        assert told.keys() >= planned, f"{len(planned - told.keys())} webhooks were never told"
        assert all(len(bodies) == 1 for bodies in told.values())
        twice = len(self.receiver.requests) - len(told)
        # The receiver hears of all scenarios of an installation.
        outcome.webhooks_told_twice, self.told_twice = twice - self.told_twice, twice


@contextmanager
def installed(folder: Path, url: str | None = None) -> Iterator[Installation]:
    """An installation that is ready to send, whose control plane is dead."""
    with ExitStack() as stack:
        receiver = stack.enter_context(receiving())
        own = {} if url is None else {"POSTMTA_DATABASE_URL": url}
        plane = stack.enter_context(closing(Plane(folder, ENVIRONMENT | own)))
        plane.start()
        plane.register()
        plane.verified_domain("sender.test")
        plane.call(
            "POST", "/api/v1/vmtas", {"name": "mx1", "ip_address": "192.0.2.1", "ehlo_domain": "mx1.sender.test"}
        )
        plane.call("POST", "/api/v1/webhooks", {"url": receiver.url})
        node = stack.enter_context(closing(Node(plane)))
        node.start()
        published = plane.call("POST", "/api/v1/policy/publish", {})
        assert all(one["ok"] for one in published["nodes"]), published
        plane.kill()
        yield Installation(plane=plane, node=node, receiver=receiver, folder=folder, url=url)
