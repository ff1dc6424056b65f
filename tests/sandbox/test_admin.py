"""Holding, releasing, bouncing, rebinding: what KumoMTA does with the messages of the queues that are meant."""

from __future__ import annotations

from tests.sandbox.engine import Engine


def test_a_held_queue_fails_its_attempts_and_ages(engine: Engine) -> None:
    rule = engine.suspend(queue_names=["bolt@held.org"], reason="held by operator", duration="1h")
    engine.inject("ok@held.org", "ok@free.org", tenant="bolt")
    assert engine.types("ok@free.org") == ["Reception", "Delivery"]
    engine.advance(70)
    failures = [record for record in engine.records if record["type"] == "TransientFailure"]
    assert [record["num_attempts"] for record in failures] == [0, 1]
    assert failures[0]["response"] == {
        "code": 451,
        "enhanced_code": {"class": 4, "subject": 4, "detail": 4},
        "content": "KumoMTA internal: scheduled queue is suspended: held by operator",
        "command": None,
    }
    assert engine.node.suspensions.remove(rule)
    engine.run()
    assert "Delivery" not in engine.types("ok@held.org"), "lifting a hold wakes nobody"
    engine.rebind(domain="held.org", reason="released", always_flush=True)
    assert engine.record("ok@held.org", "Delivery")["num_attempts"] == 2
    assert "AdminRebind" not in engine.types("ok@held.org")


def test_a_hold_ends_when_its_time_is_up(engine: Engine) -> None:
    engine.suspend(domain="held.org", reason="short", duration=30)
    engine.inject("ok@held.org", tenant="bolt")
    engine.advance(59)
    assert engine.admin.suspensions() == []
    assert engine.types("ok@held.org") == ["Reception", "TransientFailure"]
    engine.advance(2)
    assert engine.types("ok@held.org")[-1] == "Delivery"


def test_a_repeated_hold_replaces_the_first_under_a_new_id(engine: Engine) -> None:
    first = engine.suspend(tenant="bolt", reason="one", duration="1h")
    second = engine.suspend(tenant="bolt", reason="two", duration="2h")
    assert first != second
    (entry,) = engine.admin.suspensions()
    assert (entry["id"], entry["reason"], entry["duration"]) == (second, "two", "2h")


def test_a_hold_without_criteria_holds_the_log_records_too(engine: Engine) -> None:
    rule = engine.suspend(reason="everything", duration="1h")
    engine.inject("ok@example.org", tenant="bolt")
    assert engine.records == []
    engine.node.suspensions.remove(rule)
    engine.advance(10)
    assert [record["type"] for record in engine.records] == ["Reception", "TransientFailure"]


def test_a_stopped_ready_queue_leaves_its_mail_to_the_other_sources(engine: Engine) -> None:
    engine.suspend_ready(name="acme.warm.r1->mx.example.org@smtp_client", reason="paused", duration="1h")
    engine.inject(*(f"ok{number}@example.org" for number in range(6)), tenant="acme")
    used = {record["egress_source"] for record in engine.records if record["type"] == "Delivery"}
    assert used == {"acme.mx1.r1"}
    engine.suspend_ready(name="acme.mx1.r1->mx.example.org@smtp_client", reason="paused", duration="1h")
    engine.inject("ok9@example.org", tenant="acme")
    text = engine.record("ok9@example.org", "TransientFailure")["response"]["content"]
    assert text.startswith("KumoMTA internal: no sources for acme@example.org")


def test_a_bounce_empties_the_queue_and_meets_what_comes_after(engine: Engine) -> None:
    engine.inject("defer1@gone.org", "defer2@other.org", tenant="bolt")
    rule = engine.bounce(domain="gone.org", reason="purge", duration="1m")
    engine.inject("ok3@gone.org", tenant="bolt")
    for recipient in ("defer1@gone.org", "ok3@gone.org"):
        record = engine.record(recipient, "AdminBounce")
        assert record["response"]["code"] == 551
        assert record["response"]["content"] == "Administrator bounced with reason: purge"
        assert record["site"] == "localhost"
    assert "AdminBounce" not in engine.types("defer2@other.org")
    assert engine.node.bounces.remove(rule)
    engine.inject("ok4@gone.org", tenant="bolt")
    assert engine.types("ok4@gone.org") == ["Reception", "Delivery"]


def test_a_bounce_can_be_silent(engine: Engine) -> None:
    engine.inject("defer@gone.org", tenant="bolt")
    engine.bounce(queue_names=["bolt@gone.org"], reason="purge", suppress_logging=True)
    assert engine.types("defer@gone.org") == ["Reception", "TransientFailure"]
    assert engine.node.queues.get("bolt@gone.org").mails == {}


def test_rebinding_moves_messages_and_tries_them_at_once(engine: Engine) -> None:
    engine.suspend(queue_names=["spring:bolt@example.org"], reason="wait", duration="1h")
    engine.inject("ok@example.org", tenant="bolt", campaign="spring")
    engine.rebind(campaign="spring", reason="mend", data={"campaign": "autumn"})
    rebound = engine.record("ok@example.org", "AdminRebind")
    assert rebound["queue"] == "autumn:bolt@example.org"
    content = "Rebound from spring:bolt@example.org to autumn:bolt@example.org: mend"
    assert rebound["response"]["content"] == content
    delivery = engine.record("ok@example.org", "Delivery")
    assert (delivery["queue"], delivery["num_attempts"]) == ("autumn:bolt@example.org", 1)


def test_a_rebind_that_changes_nothing_times_the_whole_queue_anew(engine: Engine) -> None:
    engine.inject("defer@example.org", tenant="bolt")
    engine.advance(61)
    engine.rebind(domain="example.org", reason="look")
    due = engine.node.queues.next_due()
    assert due is not None
    assert 0 <= due - engine.node.now() <= 60 * 10**9
    assert (
        engine.inspector.scheduled_queue("bolt@example.org", want_body=False, limit=1)["messages"][0]["message"][
            "num_attempts"
        ]
        == 2
    )
    contexts = [record["response"]["content"] for record in engine.logged() if record["type"] == "Delayed"]
    assert len(contexts) == 1
    assert contexts[0].startswith("Context: AdminRebind. Next due in ")


def test_single_messages_are_cancelled_by_the_policys_rebind_event(engine: Engine) -> None:
    engine.suspend(domain="held.org", reason="held", duration="1h")
    engine.inject("a@held.org", "b@held.org", tenant="bolt")
    rid = engine.record("a@held.org", "Reception")["meta"]["x_rid"]
    engine.rebind(domain="held.org", reason="cancel", data={"cancel_ids": rid}, trigger_rebind_event=True)
    cancelled = engine.record("a@held.org", "AdminRebind")
    assert cancelled["queue"] == "null"
    assert cancelled["response"]["content"] == "Rebound from bolt@held.org to null: cancel"
    assert "AdminRebind" not in engine.types("b@held.org")
    assert [mail.recipients for mail in engine.node.spool.messages() if mail.queue == "bolt@held.org"] == [
        ["b@held.org"]
    ]


def test_a_slow_receiver_has_the_message_until_it_answers(engine: Engine) -> None:
    engine.inject("slow@example.org", tenant="bolt")
    assert engine.types("slow@example.org") == ["Reception"]
    engine.bounce(domain="example.org", reason="too late")
    engine.advance(2.9)
    assert engine.types("slow@example.org") == ["Reception"]
    engine.advance(0.2)
    assert engine.types("slow@example.org") == ["Reception", "Delivery"]
