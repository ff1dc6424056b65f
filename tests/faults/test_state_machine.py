"""Messages, outbox, log records, suppressions, ledger and webhooks under any sequence of faults that Hypothesis finds.

The services are the real ones over a real database; node, endpoint and clock are fakes that keep state. After each step
the invariants of a dead process's database hold; in the end, with everything well again, all that was acknowledged is
over, and nobody got anything twice but what was in flight when a node lost its memory.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, get_args

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from litestar.testing import AsyncTestClient

from postmta_ctl.app import create_app
from postmta_ctl.clients.kumod import NodeAddress
from postmta_ctl.core.status import TERMINAL
from postmta_ctl.crash_points import CRASH_POINTS, CrashPoint
from postmta_ctl.features.auth.principal import SCOPES, Principal
from postmta_ctl.features.ingest.service import ingest
from postmta_ctl.features.messages import service as messages
from postmta_ctl.features.messages.idempotency import idempotency
from postmta_ctl.features.messages.relay import relay
from postmta_ctl.features.messages.schemas import SendRequest
from postmta_ctl.features.suppressions import service as suppressions
from postmta_ctl.features.suppressions.schemas import SuppressionCreate
from postmta_ctl.features.webhooks.delivery import deliver
from postmta_ctl.keys import load_keys
from postmta_ctl.recent import Recent
from postmta_ctl.settings import Settings
from postmta_ctl.store.engine import Database
from postmta_ctl.system import System
from tests.conftest import CHEAP_PASSWORDS, FakeClock, FakeResolver, migrate, register, verify_domain
from tests.faults import invariants
from tests.faults.fakes import EndpointMode, NodeMode, StatefulEndpoint, StatefulNode
from tests.faults.process import Process

IS_FULL = os.environ.get("FAULTS") == "full"
EXAMPLES, STEPS = (300, 60) if IS_FULL else (12, 30)
ADDRESSES = [f"{fate}{number}@dest.test" for fate in ("ok", "nouser", "grey") for number in range(3)]
ROUNDS = 40
"""So many turns of everything bring all to its end once the faults are over."""
POINTS: tuple[CrashPoint, ...] = tuple(
    point for point in CRASH_POINTS if point not in ("after-release", "before-switch", "after-switch")
)
NODE = NodeAddress(name="mx1", admin_url="http://127.0.0.1:1", token="t")


def installation(folder: Path) -> Settings:
    return Settings(
        data_dir=folder,
        database_url=f"sqlite+aiosqlite:///{folder / 'postmta.db'}",
        embedded_node=False,
        bounce_domain="bounce.postmta.test",
        default_plan="scale",
    )


def compose(folder: Path, clock: FakeClock, **parts: Any) -> System:
    own = installation(folder)
    keys = load_keys(own)
    return System(settings=own, db=Database(own.database), keys=keys, now=clock, passwords=CHEAP_PASSWORDS, **parts)


@cache
def template() -> Path:
    """The folder of an organization that can send, and listens to everything; made once."""
    folder = Path(tempfile.mkdtemp(prefix="postmta-machine-"))
    atexit.register(shutil.rmtree, folder)
    asyncio.run(_make(folder))
    return folder


async def _make(folder: Path) -> None:
    await migrate(installation(folder).database)
    resolver = FakeResolver()
    system = compose(folder, FakeClock(), resolver=resolver, kumod=StatefulNode(FakeClock()))
    application = create_app(system.settings, system=system, jobs=False)
    async with AsyncTestClient(application) as client:
        ann = await register(client)
        await verify_domain(client, resolver, ann, "acme.test")
        made = await client.post("/api/v1/webhooks", json={"url": "https://hooks.example.com/postmta"}, headers=ann)
        assert made.status_code == 201, made.text


class Mail(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="postmta-machine-"))
        shutil.copytree(template(), self.folder, dirs_exist_ok=True)
        self.database = self.folder / "postmta.db"
        self.clock = FakeClock()
        self.node, self.endpoint = StatefulNode(self.clock), StatefulEndpoint()
        self.process = Process(self._parts)
        ((organization_id,),) = self.ask("SELECT id FROM organizations")
        self.ann = Principal(
            organization_id=organization_id, organization="acme", role="owner", scopes=SCOPES, email="ann@acme.test"
        )
        self.requests: list[tuple[str, SendRequest]] = []
        self.answers: dict[str, bytes] = {}
        self.may_repeat: set[str] = set()
        self.suppressed: set[str] = set()
        self.held_back: set[str] = set()

    def _parts(self, reach: Any) -> System:
        system = compose(
            self.folder,
            self.clock,
            reach=reach,
            resolver=FakeResolver(),
            kumod=self.node,
            webhooks=self.endpoint,
            node_addresses=Recent(3600),
        )
        system.node_addresses.set((NODE,))
        return system

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.database)) as database:
            return database.execute(query).fetchall()

    # -- what customers do -------------------------------------------------------------------------------------

    @rule(to=st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=3, unique=True))
    def send(self, to: list[str]) -> None:
        request = SendRequest(sender="ann@acme.test", to=to, subject="Hello", text="Hello.", tags=["machine"])
        self.requests.append((f"key {len(self.requests)}", request))
        self._send(*self.requests[-1])

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        self._send(*data.draw(st.sampled_from(self.requests)))

    def _send(self, key: str, request: SendRequest) -> None:
        once = idempotency(key, "messages/send", repr(request).encode())
        answer = self.process.do(lambda system: messages.send(system, self.ann, request, once))
        if answer is None:
            return
        assert self.answers.setdefault(key, answer.body) == answer.body
        for one in json.loads(answer.body)["recipients"]:
            if one["status"] == "suppressed":
                self.held_back.add(one["id"])
            else:
                assert answer.is_replay or one["address"] not in self.suppressed

    @rule(address=st.sampled_from(ADDRESSES))
    def suppress(self, address: str) -> None:
        asked = SuppressionCreate(address=address)
        if self.process.do(lambda system: suppressions.add(system, self.ann, asked)) is not None:
            self.suppressed.add(address)

    # -- what the product does by itself -----------------------------------------------------------------------

    @rule(mode=st.sampled_from(get_args(NodeMode)))
    def relay(self, mode: NodeMode) -> None:
        self.node.mode = mode
        self.process.do(relay)

    @rule(mode=st.sampled_from(get_args(EndpointMode)))
    def tell_customers(self, mode: EndpointMode) -> None:
        self.endpoint.mode = mode
        for _ in range(2):
            self.process.do(deliver)

    # -- what happens around it --------------------------------------------------------------------------------

    @precondition(lambda self: self.node.waiting)
    @rule()
    def attempt(self) -> None:
        self.node.attempt()

    @precondition(lambda self: self.node.records)
    @rule(data=st.data())
    def tell_events(self, data: st.DataObject) -> None:
        """Some records, in any order, some of them again."""
        numbers = data.draw(st.lists(st.integers(0, len(self.node.records) - 1), min_size=1, max_size=20))
        self.tell([self.node.records[number] for number in numbers])

    def tell(self, lines: list[bytes]) -> None:
        self.process.do(lambda system: ingest(system, NODE.name, b"\n".join(lines)))

    @rule(seconds=st.sampled_from([-600, -5, 1, 5, 31, 95, 3600]))
    def clock_goes(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    @rule(point=st.sampled_from(POINTS))
    def die_at(self, point: CrashPoint) -> None:
        self.process.crash_at = point

    @rule()
    def node_restarts(self) -> None:
        """What was in flight, or what no record told of yet, may be taken a second time."""
        told = {rid for (rid,) in self.ask("SELECT recipient_id FROM events WHERE record_type = 'Reception'")}
        self.may_repeat |= self.node.taken.keys() - told
        self.may_repeat |= {rid for (rid,) in self.ask("SELECT recipient_id FROM outbox WHERE attempts > 0")}
        self.node.restart()

    # -- what must hold ----------------------------------------------------------------------------------------

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "process"):
            invariants.check(self.database, [json.loads(body)["id"] for body in self.answers.values()])
            twice = {rid for rid, times in self.node.taken.items() if times > 1}
            assert twice <= self.may_repeat
            assert not self.held_back & self.node.taken.keys()

    def teardown(self) -> None:
        if not hasattr(self, "process"):
            return
        try:
            self._come_to_an_end()
        finally:
            self.process.end()
            shutil.rmtree(self.folder)

    def _come_to_an_end(self) -> None:
        self.process.crash_at = None
        self.node.mode, self.endpoint.mode = "well", "well"
        for _ in range(ROUNDS):
            if not self._unfinished():
                break
            self.clock.advance(hours=1)
            self.process.do(relay)
            self.node.attempt()
            self.tell(self.node.records)
            for _ in range(2):
                self.process.do(deliver)
        assert self._unfinished() == []
        self.agrees()
        assert {key for (key,) in self.ask("SELECT id FROM webhook_deliveries")} == self.endpoint.told.keys()
        assert all(len(bodies) == 1 for bodies in self.endpoint.told.values())
        invariants.check_all_counts(self.database)

    def _unfinished(self) -> list[tuple[Any, ...]]:
        over = ", ".join(f"'{status}'" for status in sorted(TERMINAL))
        return [
            *self.ask(f"SELECT address, status FROM recipients WHERE status NOT IN ({over})"),
            *self.ask("SELECT recipient_id, last_error FROM outbox"),
            *self.ask("SELECT id, status FROM webhook_deliveries WHERE status = 'pending'"),
        ]


TestMail = Mail.TestCase
TestMail.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def begun() -> Mail:
    mail = Mail()
    mail.begin()
    return mail


def test_the_late_record_of_a_failed_injection_does_not_undo_a_later_one() -> None:
    mail = begun()
    mail.send(["grey0@dest.test"])
    mail.relay("internal")
    mail.clock_goes(5)
    mail.relay("well")
    # Of the first injection the node tells now, of the second one later.
    mail.tell(mail.node.records[:2])
    mail.clock_goes(5)
    mail.relay("well")
    mail.agrees()
    assert list(mail.node.taken.values()) == [1]
    mail.teardown()


def test_what_was_put_back_and_is_suppressed_meanwhile_ends_as_suppressed() -> None:
    mail = begun()
    mail.send(["ok0@dest.test"])
    mail.die_at("after-inject")
    mail.relay("internal")
    mail.clock_goes(95)
    # The fence says that the node had it, and no record yet that it failed to queue it.
    mail.relay("well")
    mail.tell(mail.node.records)
    mail.suppress("ok0@dest.test")
    mail.clock_goes(95)
    mail.relay("well")
    assert mail.ask("SELECT status, credit_state FROM recipients") == [("suppressed", "refunded")]
    mail.teardown()
