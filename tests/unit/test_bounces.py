from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core.bounce_rules import BY_CODE, BY_ENHANCED_CODE, BY_KUMOMTA_CLASS, TEXT_RULES, BounceClass
from postmta_ctl.core.bounces import LOOKED_AT, class_of, classify, is_hard
from postmta_ctl.core.kumo_log import EnhancedCode, decode
from postmta_ctl.core.log_events import rid_of

FIXTURES = Path(__file__).parents[1] / "fixtures/kumomta"
EXAMPLES = [(rule.bounce_class, example) for rule in TEXT_RULES for example in rule.examples]


def enhanced(text: str) -> EnhancedCode:
    klass, subject, detail = map(int, text.split("."))
    return EnhancedCode(klass=klass, subject=subject, detail=detail)


@pytest.mark.parametrize(("expected", "reply"), EXAMPLES, ids=[example[:50] for _, example in EXAMPLES])
def test_each_rule_wins_the_replies_it_was_made_for(expected: BounceClass, reply: str) -> None:
    assert classify(550, enhanced("5.7.1"), reply, "AuthenticationFailed") is expected


def test_every_rule_has_an_example() -> None:
    assert all(rule.examples for rule in TEXT_RULES)


def test_every_class_can_be_reached() -> None:
    tables = {rule.bounce_class for rule in TEXT_RULES}.union(
        BY_ENHANCED_CODE.values(), BY_KUMOMTA_CLASS.values(), BY_CODE.values()
    )

    assert set(BounceClass) - tables == {BounceClass.OTHER}


@pytest.mark.parametrize(
    ("code", "enhanced_code", "text", "kumomta_class", "expected"),
    [
        (550, "5.1.1", "no", None, "invalid_recipient"),
        (556, "5.1.10", "no", None, "bad_domain"),
        (550, "5.7.26", "see our web site", None, "authentication"),
        (421, "4.7.28", "later", None, "rate_limited"),
        (550, "5.7.1", "no", None, "policy"),
        (550, "5.7.1", "no", "AuthenticationFailed", "policy"),
        (550, "5.0.0", "no", "QuotaIssues", "quota"),
        (550, None, "no", "SpamBlock", "blocklisted"),
        (550, None, "no", "MyOwnClass", "other"),
        (550, None, "no", "Uncategorized", "other"),
        (552, None, "no", None, "quota"),
        (556, None, "no", None, "bad_domain"),
        (554, None, "", None, "other"),
        (421, "4.7.0", "Try again later, closing connection", None, "temporary"),
        (451, None, "", None, "temporary"),
    ],
)
def test_words_go_before_codes_and_codes_before_guesses(
    code: int, enhanced_code: str | None, text: str, kumomta_class: str | None, expected: str
) -> None:
    parsed = enhanced(enhanced_code) if enhanced_code else None

    assert classify(code, parsed, text, kumomta_class) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Recipient address rejected: User unknown in virtual mailbox table", "invalid_recipient"),
        ("Recipient address rejected: Access denied", "policy"),
        ("The user you are trying to contact is receiving mail too quickly", "rate_limited"),
        ("Your message was blocked because it looks like spam", "spam"),
        ("Your host was blocked for sending spam", "blocklisted"),
    ],
)
def test_wordings_that_are_close_to_each_other(text: str, expected: str) -> None:
    assert classify(550, None, text) == expected


@pytest.mark.parametrize("bounce_class", BounceClass)
def test_only_the_address_at_fault_is_hard(bounce_class: BounceClass) -> None:
    assert is_hard(bounce_class) == (bounce_class in {"invalid_recipient", "inactive_mailbox", "bad_domain"})


def test_the_bounces_of_a_real_stream_are_told_apart() -> None:
    injected = json.loads(gzip.decompress((FIXTURES / "stream/injected.json.gz").read_bytes()))
    fates = {one["rid"]: one["fate"] for one in injected}
    records = decode(gzip.decompress((FIXTURES / "stream/hook.ndjson.gz").read_bytes())).records

    found = Counter((fates[rid_of(record) or ""], record.type, class_of(record)) for record in records)

    assert {key: count for key, count in found.items() if key[2] is not None} == {
        ("nouser", "Bounce", "invalid_recipient"): 133,
        ("spam", "Bounce", "spam"): 72,
        ("block", "Bounce", "blocklisted"): 45,
        ("full", "TransientFailure", "quota"): 68,
        ("full", "Bounce", "quota"): 68,
        ("grey", "TransientFailure", "greylisted"): 84,
        ("defer", "TransientFailure", "temporary"): 186,
        ("defer", "Expiration", "expired"): 35,
    }


def test_real_records_of_other_types() -> None:
    samples = decode((FIXTURES / "log-records.ndjson").read_bytes()).records
    classes = {record.type: class_of(record) for record in samples}

    assert classes["OOB"] == "invalid_recipient"
    assert classes["Expiration"] == "expired"
    assert {kind for kind, found in classes.items() if found is None} == {
        "Reception", "Delivery", "Delayed", "AdminRebind", "AdminBounce", "Feedback", "Rejection",
    }  # fmt: skip


@given(st.integers(0, 999), st.text(max_size=200))
def test_any_reply_has_a_class(code: int, text: str) -> None:
    assert classify(code, None, text) in BounceClass


def test_only_the_beginning_of_a_long_reply_is_searched() -> None:
    assert classify(550, None, "x" * (LOOKED_AT - 12) + "mailbox full") is BounceClass.QUOTA
    assert classify(550, None, "x" * LOOKED_AT + "mailbox full") is BounceClass.OTHER
