"""Retries, expiry, pools and throttles, with time moved by hand."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from tests.sandbox.engine import Engine, StartEngine
from tests.sandbox.fleet import PolicyFolder, make_model, vmta


def test_a_deferred_message_is_tried_at_doubling_intervals_until_it_is_too_old(engine: Engine) -> None:
    engine.inject("defer@example.org", tenant="bolt")
    engine.advance(11 * 60)
    attempts = [record for record in engine.records if record["type"] == "TransientFailure"]
    assert [record["num_attempts"] for record in attempts] == [0, 1, 2, 3]
    first = attempts[0]["timestamp"]
    assert [record["timestamp"] - first for record in attempts] == [0, 60, 180, 420]
    expiration = engine.record("defer@example.org", "Expiration")
    assert expiration["num_attempts"] == 4
    assert expiration["response"]["code"] == 551
    assert "15m" in expiration["response"]["content"]
    assert "max_age=10m" in expiration["response"]["content"]
    assert list(engine.node.spool.messages()) == []


def test_time_can_be_told_to_run_faster_for_mail(start_engine: StartEngine) -> None:
    engine = start_engine(time_scale=60)
    engine.inject("defer@example.org", tenant="bolt")
    engine.advance(11)
    assert engine.types("defer@example.org").count("TransientFailure") == 4
    assert "max_age=10m" in engine.record("defer@example.org", "Expiration")["response"]["content"]


def test_the_longest_interval_is_kept(policy: PolicyFolder, start_engine: StartEngine) -> None:
    policy.publish(make_model(max_retry_interval="90s"))
    engine = start_engine()
    engine.inject("defer@example.org", tenant="bolt")
    engine.advance(5 * 60)
    attempts = [record["timestamp"] for record in engine.records if record["type"] == "TransientFailure"]
    assert [late - early for early, late in pairwise(attempts)] == [60, 90, 90]


def test_sources_are_taken_in_kumomtas_order(policy: PolicyFolder, start_engine: StartEngine) -> None:
    model = make_model()
    vmtas = tuple(vmta("bolt", name, f"192.0.2.{number}") for number, name in enumerate("abc", 20))
    policy.publish(type(model)(**{**model_fields(model), "vmtas": vmtas}))
    engine = start_engine()
    engine.inject(*(f"ok{number}@example.org" for number in range(9)), tenant="bolt")
    chosen = [record["egress_source"] for record in engine.records if record["type"] == "Delivery"]
    assert "".join(source.split(".")[1] for source in chosen) == "bcabcabca"


def model_fields(model: object) -> dict[str, object]:
    return {name: getattr(model, name) for name in model.__struct_fields__}  # type: ignore[attr-defined]


def test_a_warming_source_takes_its_allowance_and_not_one_more(engine: Engine) -> None:
    for domain in ("one.test", "two.test"):
        for start in range(0, 60, 20):
            engine.inject(*(f"ok{start + number}@{domain}" for number in range(20)), tenant="acme")
    used = Counter(
        (record["recipient"].partition("@")[2], record["egress_source"])
        for record in engine.records
        if record["type"] == "Delivery"
    )
    assert used == {
        ("one.test", "acme.warm.r1"): 20,
        ("one.test", "acme.mx1.r1"): 40,
        ("two.test", "acme.mx1.r1"): 60,
    }


def test_mail_pinned_to_a_warming_vmta_waits_without_attempts(engine: Engine) -> None:
    def delivered() -> int:
        return sum(record["type"] == "Delivery" for record in engine.records)

    engine.inject(*(f"ok{number}@example.org" for number in range(25)), tenant="acme.warm")
    waiting = engine.inspector.scheduled_queue("acme.warm@example.org", want_body=False, limit=None)["messages"]
    assert [entry["message"]["num_attempts"] for entry in waiting] == [0] * 5
    delayed = [record for record in engine.logged() if record["type"] == "Delayed"]
    assert len(delayed) == 5
    assert "ThrottledByThrottleInsertReadyQueue" in delayed[0]["response"]["content"]
    assert delivered() == 20
    engine.advance(24 * 3600 / 21 + 1)
    assert delivered() == 21


def test_a_pool_without_sources_defers(policy: PolicyFolder, start_engine: StartEngine) -> None:
    model = make_model()
    vmtas = (vmta("bolt", "mx", "192.0.2.9", state="paused"),)
    policy.publish(type(model)(**{**model_fields(model), "vmtas": vmtas}))
    engine = start_engine()
    engine.inject("ok@example.org", tenant="bolt")
    failure = engine.record("ok@example.org", "TransientFailure")
    assert failure["response"]["code"] == 451
    assert failure["response"]["content"].startswith("KumoMTA internal: no sources for bolt@example.org pool=`bolt`")


def test_a_published_pool_is_used_after_the_bump(policy: PolicyFolder, engine: Engine) -> None:
    engine.inject("ok1@example.org", tenant="bolt")
    model = make_model()
    policy.publish(type(model)(**{**model_fields(model), "vmtas": (vmta("bolt", "new", "192.0.2.77"),)}))
    engine.clock.advance(2)
    engine.inject("ok2@example.org", tenant="bolt")
    assert engine.record("ok2@example.org", "Delivery")["egress_source"] == "bolt.mx.r1"
    engine.node.bump_epoch()
    engine.inject("ok3@example.org", tenant="bolt")
    delivery = engine.record("ok3@example.org", "Delivery")
    assert delivery["egress_source"] == "bolt.new.r1"
    assert delivery["source_address"]["address"].startswith("192.0.2.77:")


def test_a_change_nobody_announced_is_found_within_ten_seconds(policy: PolicyFolder, engine: Engine) -> None:
    engine.inject("ok1@example.org", tenant="bolt")
    model = make_model()
    policy.publish(type(model)(**{**model_fields(model), "vmtas": (vmta("bolt", "new", "192.0.2.77"),)}))
    engine.clock.advance(9)
    engine.inject("ok2@example.org", tenant="bolt")
    engine.clock.advance(2)
    engine.run()
    engine.inject("ok3@example.org", tenant="bolt")
    used = [record["egress_source"] for record in engine.records if record["type"] == "Delivery"]
    assert used == ["bolt.mx.r1", "bolt.mx.r1", "bolt.new.r1"]


def test_a_pool_asked_for_within_its_ttl_stays_old_in_its_queue(policy: PolicyFolder, engine: Engine) -> None:
    """KumoMTA's trap: a bump sooner than the pool's ttl refreshes the queue with the cached pool, and that is it."""
    engine.inject("ok1@example.org", tenant="bolt")
    model = make_model()
    policy.publish(type(model)(**{**model_fields(model), "vmtas": (vmta("bolt", "new", "192.0.2.77"),)}))
    engine.node.bump_epoch()
    engine.inject("ok2@example.org", tenant="bolt")
    engine.clock.advance(5)
    engine.inject("ok3@example.org", tenant="bolt")
    assert engine.record("ok3@example.org", "Delivery")["egress_source"] == "bolt.mx.r1"
    engine.node.bump_epoch()
    engine.inject("ok4@example.org", tenant="bolt")
    assert engine.record("ok4@example.org", "Delivery")["egress_source"] == "bolt.new.r1"
