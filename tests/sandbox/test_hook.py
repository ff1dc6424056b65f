"""The policy's own log hook: what its answers do to the records, and where else records go."""

from __future__ import annotations

import time

import pytest

from postmta_ctl.luavm import PolicyError, Rejected
from postmta_ctl.sandbox.hooks import HookConnection, HookQueue
from tests.sandbox.engine import Engine, StartEngine, read_logs
from tests.sandbox.fleet import PolicyFolder, make_model
from tests.sandbox.ingestion import Ingestion
from tests.sandbox.process import SandboxProcess


def test_records_wait_while_ingestion_answers_503(sandbox: SandboxProcess, ingestion: Ingestion) -> None:
    ingestion.refusals = [503] * 50
    sandbox.send("ok@example.org", tenant="bolt")
    sandbox.wait_until(lambda: len(ingestion.refusals) < 50)
    ingestion.refusals = []
    for _ in range(2):  # what a connection still has is not seen by a rebind
        sandbox.post("/api/admin/rebind/v1", domain="postmta.log_hook", reason="back", data={}, always_flush=True)
        time.sleep(0.1)
    ingestion.wait_for(lambda records: len(records) >= 2)
    assert sorted(record["type"] for record in ingestion.records) == ["Delivery", "Reception"]


def test_batches_are_as_large_as_the_policy_says(policy: PolicyFolder, start_engine: StartEngine) -> None:
    policy.publish(make_model(log_hook_batch_size=4))
    engine = start_engine()
    engine.is_hook_open = False
    engine.inject(*(f"ok{number}@example.org" for number in range(5)), tenant="bolt")
    (hook,) = engine.hooks
    assert [len(engine.hooks.take(hook)) for _ in range(4)] == [4, 4, 2, 0]


@pytest.mark.parametrize("outcome", [Rejected(451, "not now"), PolicyError("lua_error", "it broke")])
def test_what_is_not_taken_for_now_comes_again(engine: Engine, outcome: Rejected | PolicyError) -> None:
    hook = _first_batch(engine)
    assert engine.take(hook, outcome) == 2
    assert engine.records == []
    engine.advance(4)
    assert engine.records == []
    engine.advance(2)
    assert [record["type"] for record in engine.records] == ["Reception", "Delivery"]
    kinds = [record["type"] for record in engine.logged() if record["reception_protocol"] == "LogRecord"]
    assert kinds == ["TransientFailure", "TransientFailure", "Delivery", "Delivery"]


def test_a_permanent_refusal_loses_the_batch_as_in_kumomta(engine: Engine) -> None:
    hook = _first_batch(engine)
    engine.take(hook, Rejected(550, "never"))
    engine.advance(3600)
    assert engine.records == []
    assert list(engine.node.spool.messages()) == []
    lost = [record for record in engine.logged() if record["reception_protocol"] == "LogRecord"]
    assert [(record["type"], record["response"]["code"]) for record in lost] == [("Bounce", 550)] * 2


def _first_batch(engine: Engine) -> HookQueue:
    """Two records that have come as far as the hook's connection."""
    engine.is_hook_open = False
    engine.inject("ok@example.org", tenant="bolt")
    engine.is_hook_open = True
    (hook,) = engine.hooks
    assert len(hook.waiting) == 2
    return hook


def test_a_connection_runs_the_policy_of_the_day_it_was_made(
    policy: PolicyFolder, engine: Engine, ingestion: Ingestion
) -> None:
    hook = _first_batch(engine)
    connection = HookConnection(hook, engine.node)
    batch = engine.hooks.take(hook)
    assert connection.deliver(batch) == "ingestion answered 200"
    first = connection.session
    ingestion.refusals = [500]
    refused = connection.deliver(batch)
    assert isinstance(refused, Rejected)
    assert refused.code == 451
    assert connection.session == first, "a 451 keeps the connection"
    connection.close()
    connection.deliver(batch)
    assert connection.session != first
    assert ingestion.batches == [2, 2]


def test_local_logs_hold_mail_and_the_hooks_own_deliveries(sandbox: SandboxProcess, ingestion: Ingestion) -> None:
    sandbox.send("ok@example.org", tenant="bolt")
    ingestion.wait_for(lambda records: len(records) >= 2)
    folder = sandbox.folder / "logs"
    assert sandbox.stop() == 0
    logged = read_logs(folder)
    mail = [record for record in logged if record["reception_protocol"] == "HTTP"]
    assert [record["type"] for record in mail] == ["Reception", "Delivery"]
    assert {record["event_time"] for record in mail} == {record["event_time"] for record in ingestion.records}
    hook = [record for record in logged if record["reception_protocol"] == "LogRecord"]
    assert {record["queue"] for record in hook} == {"postmta.log_hook"}
    assert [(record["type"], record["response"]["code"]) for record in hook] == [("Delivery", 200)] * 2
    assert all(path.stat().st_mode & 0o222 == 0 for path in folder.iterdir()), "finished segments cannot be written"
