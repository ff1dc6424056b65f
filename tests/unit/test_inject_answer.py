from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from postmta_ctl.core.inject import InjectCall
from postmta_ctl.core.inject_answer import MAX_TEXT, Outcome, Result, judge, read_answer

CAPTURES = json.loads((Path(__file__).parents[1] / "fixtures/kumomta/http.json").read_text())
TWO = InjectCall(b"", {"ann@example.org": "r1", "bob@example.org": "r2"})
ONE = InjectCall(b"", {"ann@example.org": "r1"})


def captured(name: str) -> list[Outcome]:
    """The verdict on what a real node answered to a real request."""
    capture = next(capture for capture in CAPTURES if capture["name"] == name)
    recipients = capture["request"]["body"]["recipients"]
    call = InjectCall(b"", {recipient["email"]: f"r{n}" for n, recipient in enumerate(recipients)})
    answer = capture["body"]
    raw = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
    return read_answer(call, capture["status"], raw)


def answer(**failures: str) -> bytes:
    failed = [f"{name}@example.org" for name in failures]
    errors = [f"{name}@example.org: {text}" for name, text in failures.items()]
    taken = len(TWO.recipients) - len(failed)
    return json.dumps(
        {"success_count": taken, "fail_count": len(failed), "failed_recipients": failed, "errors": errors}
    ).encode()


def test_a_real_success() -> None:
    assert captured("inject ok") == [Outcome("r0", Result.INJECTED)]


def test_a_real_refusal_by_the_policy() -> None:
    assert captured("inject refused by policy (probe)") == [Outcome("r0", Result.REFUSED, "550 postmta-release=2")]


def test_a_real_partial_failure() -> None:
    taken, failed = captured("inject partial failure")

    assert taken == Outcome("r0", Result.INJECTED)
    assert (failed.rid, failed.result) == ("r1", Result.REFUSED)
    assert failed.text.startswith("recipient email not an address: Error at line 1")


@pytest.mark.parametrize("name", ["inject template syntax error", "inject unknown field"])
def test_a_real_refusal_of_a_request_with_one_recipient(name: str) -> None:
    (outcome,) = captured(name)

    assert outcome.result is Result.REFUSED
    assert outcome.text.startswith("HTTP 422: ")


def test_a_real_refusal_of_the_envelope_sender_is_not_blamed_on_the_recipient() -> None:
    assert [outcome.result for outcome in captured("inject bad envelope sender")] == [Result.UNKNOWN]


def test_failures_belong_to_their_addresses_whatever_their_order() -> None:
    outcomes = read_answer(TWO, 200, answer(bob="550 5.7.1 no", ann="451 4.7.1 later"))

    assert outcomes == [
        Outcome("r1", Result.TRY_AGAIN, "451 4.7.1 later"),
        Outcome("r2", Result.REFUSED, "550 5.7.1 no"),
    ]


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("550 postmta-duplicate rid=r1\nstack traceback:\n\t[C]: in function 'kumo.reject'", Result.DUPLICATE),
        ("550 5.7.1 postmta-unknown-tenant: 'acme' is not known to this release", Result.TRY_AGAIN),
        ("550 5.7.1 postmta-foreign-domain: a.example is not a verified domain", Result.TRY_AGAIN),
        ("550 5.7.1 postmta-bad-from: the From field must hold exactly one address", Result.REFUSED),
        ("421 4.3.2 try later", Result.TRY_AGAIN),
        ("KumoMTA internal: QueueManager::insert failed during reception: x", Result.TRY_AGAIN),
        ("500 KumoMTA internal: no", Result.TRY_AGAIN),
        ("resolving egress pool 'acme': no such pool", Result.TRY_AGAIN),
        ("runtime error: policy.lua:5: attempt to index a nil value", Result.TRY_AGAIN),
        ("5500 is no reply code", Result.TRY_AGAIN),
        ("", Result.TRY_AGAIN),
    ],
)
def test_only_the_policys_own_5xx_is_final(text: str, result: Result) -> None:
    assert judge(text) is result


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_request_that_was_not_understood_is_taken_apart(status: int) -> None:
    assert [outcome.result for outcome in read_answer(TWO, status, b"no")] == [Result.TRY_ALONE] * 2
    assert [outcome.result for outcome in read_answer(ONE, status, b"no")] == [Result.REFUSED]


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (401, Result.TRY_AGAIN),
        (404, Result.TRY_AGAIN),
        (503, Result.TRY_AGAIN),
        (429, Result.UNKNOWN),
        (500, Result.UNKNOWN),
        (502, Result.UNKNOWN),
    ],
)
def test_a_node_in_trouble_is_tried_again_and_only_some_answers_say_that_it_took_nothing(
    status: int, result: Result
) -> None:
    (outcome,) = read_answer(ONE, status, b"load shedding\n")

    assert outcome == Outcome("r1", result, f"HTTP {status}: load shedding")


def failing(**changes: Any) -> bytes:
    return json.dumps(json.loads(answer()) | changes).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"[]",
        failing(success_count=1),
        failing(fail_count=1),
        failing(success_count=1, fail_count=1, failed_recipients=["ann@example.org"]),
        failing(success_count=1, fail_count=1, failed_recipients=["eve@example.org"], errors=["x"]),
        failing(errors=None),
    ],
)
def test_a_200_that_makes_no_sense_is_no_success(body: bytes) -> None:
    assert {outcome.result for outcome in read_answer(TWO, 200, body)} == {Result.UNKNOWN}


def test_a_long_text_is_cut() -> None:
    assert len(read_answer(ONE, 503, b"x" * 10_000)[0].text) == MAX_TEXT
