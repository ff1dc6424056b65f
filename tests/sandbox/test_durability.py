"""What was accepted is delivered and logged, whatever happens to the process."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import httpx
import pytest

from postmta_ctl.sandbox.inject import Injection
from postmta_ctl.sandbox.jsonbody import decode
from postmta_ctl.sandbox.requests import InjectV1Request
from tests.sandbox.engine import CALLER, Engine, StartEngine
from tests.sandbox.fleet import PolicyFolder, injection, make_model
from tests.sandbox.ingestion import Ingestion
from tests.sandbox.process import SandboxProcess, StartSandbox, start_and_fail


def test_nothing_accepted_is_lost_when_the_process_is_killed(
    policy: PolicyFolder, start: StartSandbox, ingestion: Ingestion
) -> None:
    policy.publish(make_model(max_age="30 days"))
    node = start("--time-scale", "600")
    accepted: list[str] = []

    def send(thread: int) -> None:
        for number in range(200):
            addresses = [f"{word}{thread}-{number}@example.org" for word in ("ok", "grey", "bounce")]
            try:
                answer = node.send(*addresses, tenant="bolt")
            except httpx.TransportError:
                return
            assert answer["fail_count"] == 0
            accepted.extend(addresses)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    ingestion.wait_for(lambda records: len(records) > 60)
    node.process.kill()
    for thread in threads:
        # Before the client is closed: a sender ends by finding nobody there, and by nothing else.
        thread.join()
    node.kill()
    assert 0 < len(accepted) < 4 * 200 * 3, "killed in the middle"
    start("--time-scale", "600")
    final = {"ok": "Delivery", "grey": "Delivery", "bounce": "Bounce"}
    wanted = {(address, final[address[: -len(address.lstrip("abcdefghijklmnopqrstuvwxyz"))]]) for address in accepted}
    ingestion.wait_for(lambda records: wanted <= {(record["recipient"], record["type"]) for record in records})
    received = {record["recipient"] for record in ingestion.records if record["type"] == "Reception"}
    assert set(accepted) <= received


def test_attempts_and_due_times_outlive_a_restart_and_holds_do_not(start_engine: StartEngine) -> None:
    first = start_engine()
    first.suspend(domain="held.org", reason="held", duration="1h")
    first.inject("ok@held.org", "defer@example.org", tenant="bolt")
    first.advance(61)
    before = _waiting(first)
    assert [attempts for _, _, attempts in before] == [2, 2]
    first.close()
    second = start_engine(clock=first.clock)
    assert _waiting(second) == before
    assert second.admin.suspensions() == []
    second.advance(121)
    assert second.record("ok@held.org", "Delivery")["num_attempts"] == 2
    assert second.record("defer@example.org", "TransientFailure")["num_attempts"] == 2


def _waiting(engine: Engine) -> list[tuple[list[str], int, int]]:
    return [(mail.recipients, mail.due, mail.num_attempts) for mail in engine.node.spool.messages()]


def test_records_that_the_hook_has_not_taken_outlive_a_restart(start_engine: StartEngine) -> None:
    first = start_engine()
    first.suspend(domain="postmta.log_hook", reason="wait", duration="1h")
    first.inject("ok@example.org", "bounce@example.org", tenant="bolt")
    assert first.records == []
    first.close()
    second = start_engine(clock=first.clock)
    second.advance(6)
    assert sorted(record["type"] for record in second.records) == ["Bounce", "Delivery", "Reception", "Reception"]


def test_a_report_on_its_way_outlives_a_restart(start_engine: StartEngine) -> None:
    first = start_engine()
    first.inject("complaint@example.org", tenant="bolt")
    first.close()
    second = start_engine(clock=first.clock)
    second.advance(31)
    feedback = second.record("fbl@bounce.postmta.test", "Feedback")["feedback_report"]
    assert feedback["original_rcpto_to"] == ["complaint@example.org"]
    second.close()
    third = start_engine(clock=first.clock)
    third.advance(60)
    assert third.records == []


@pytest.mark.parametrize("has_written", [False, True])
def test_the_local_log_has_what_the_spool_has_when_the_process_dies_between_them(
    start_engine: StartEngine, tmp_path: Path, has_written: bool
) -> None:
    first = start_engine()
    first.is_hook_open = False
    first.inject("ok@example.org", tenant="bolt")
    request = injection("bounce@example.org", tenant="bolt")
    mail = Injection(first.node, decode(json.dumps(request).encode(), InjectV1Request), CALLER)
    logs_before = shutil.copytree(first.node.options.logs, tmp_path / "before")
    mail.step()
    # Not closed: what a process leaves that is killed.
    spool = shutil.copytree(first.node.options.spool, tmp_path / "spool")
    logs_after = shutil.copytree(first.node.options.logs, tmp_path / "after")
    first.clock.advance(1)
    second = start_engine(clock=first.clock, spool_dir=spool, log_dir=logs_after if has_written else logs_before)
    second.run()
    logged = [record["type"] for record in second.logged() if record["reception_protocol"] == "HTTP"]
    assert logged == ["Reception", "Delivery", "Reception", "Bounce"]


def test_two_processes_cannot_share_a_spool(sandbox: SandboxProcess) -> None:
    status, text = start_and_fail(sandbox.folder)
    assert status == 73
    assert "cannot open the spool" in text
