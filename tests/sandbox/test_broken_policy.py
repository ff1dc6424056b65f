"""A policy that breaks on a running node: what still works, what is refused, and what comes of it once it is mended."""

from __future__ import annotations

import pytest

from postmta_ctl.luavm import PolicyError
from tests.sandbox.engine import Engine
from tests.sandbox.fleet import PolicyFolder


def test_mail_waits_while_the_policy_does_not_load(policy: PolicyFolder, engine: Engine) -> None:
    engine.inject("grey@example.org", tenant="bolt")
    with policy.changed("init.lua", "this is no Lua"):
        engine.node.bump_epoch()
        engine.advance(70)
        assert engine.types("grey@example.org") == ["Reception", "TransientFailure"]
        with pytest.raises(PolicyError):
            engine.inject("ok@example.org", tenant="bolt")
        assert any("init.lua" in line.text for line in engine.node.take_log())
    engine.node.bump_epoch()
    engine.advance(70)
    assert engine.types("grey@example.org") == ["Reception", "TransientFailure", "Delivery"]


def test_a_queue_that_cannot_be_made_refuses_its_mail_for_a_minute(policy: PolicyFolder, engine: Engine) -> None:
    engine.inject("ok@known.org", tenant="bolt")
    engine.clock.advance(2)
    with policy.changed("generated/pools.lua", "return { bolt = { 'bolt.ghost.r1' } }"):
        engine.node.bump_epoch()
        answer = engine.inject("ok1@new.org", tenant="bolt")
        assert answer["fail_count"] == 1
        assert "KumoMTA internal: QueueManager::insert failed during reception: " in answer["errors"][0]
        assert "bolt.ghost.r1" in answer["errors"][0]
        assert engine.types("ok1@new.org") == ["Reception", "Bounce"]
        assert engine.record("ok1@new.org", "Bounce")["response"]["code"] == 500
        engine.inject("ok2@known.org", tenant="bolt")
        assert engine.record("ok2@known.org", "Delivery")["egress_source"] == "bolt.mx.r1", "it keeps its old pool"
    engine.node.bump_epoch()
    assert engine.inject("ok3@new.org", tenant="bolt")["fail_count"] == 1, "the failure is remembered"
    engine.clock.advance(60)
    assert engine.inject("ok4@new.org", tenant="bolt")["fail_count"] == 0
    assert engine.types("ok4@new.org") == ["Reception", "Delivery"]
