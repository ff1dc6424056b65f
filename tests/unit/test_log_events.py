from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard

from postmta_ctl.core.kumo_log import LogRecord, decode
from postmta_ctl.core.log_events import (
    campaign_of,
    dedupe_key,
    domain_of,
    event_type,
    is_ignorable,
    is_not_queued,
    is_out_of_band,
    recipients_of,
    release_of,
    rid_of,
    tenant_of,
)

FIXTURES = Path(__file__).parents[1] / "fixtures/kumomta"
SAMPLES = {record.type: record for record in decode((FIXTURES / "log-records.ndjson").read_bytes()).records}


def record(**changes: Any) -> LogRecord:
    fields = {"type": "Delivery", "id": "ab", "nodeid": "n", "event_time": "2026-11-22T12:00:00.1Z", "recipient": "a@x"}
    (made,) = decode(json.dumps(fields | changes).encode()).records
    return made


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        ("Reception", "message.accepted"),
        ("Delivery", "message.delivered"),
        ("TransientFailure", "message.deferred"),
        ("Bounce", "message.bounced"),
        ("OOB", "message.bounced"),
        ("Expiration", "message.bounced"),
        ("AdminBounce", "message.cancelled"),
        ("Feedback", "message.complained"),
        ("Rejection", "message.rejected"),
        ("AdminRebind", "message.cancelled"),
        ("Delayed", "kumomta.Delayed"),
    ],
)
def test_a_real_record_of_each_type_is_its_event(kind: str, event: str) -> None:
    assert event_type(SAMPLES[kind]) == event


@pytest.mark.parametrize("kind", ["XferOut", "XferIn", "DeferredInjectionRebind", "SomethingNew"])
def test_types_without_a_meaning_for_recipients_are_kept_by_name(kind: str) -> None:
    assert event_type(record(type=kind)) == f"kumomta.{kind}"


def test_a_move_to_another_queue_is_no_cancellation() -> None:
    assert event_type(record(type="AdminRebind", queue="acme@example.org")) == "kumomta.AdminRebind"


def test_a_node_that_could_not_queue_a_message_has_not_bounced_it() -> None:
    content = "KumoMTA internal: QueueManager::insert failed during reception: resolving egress pool main"
    failed = record(type="Bounce", response={"code": 500, "content": content})

    assert is_not_queued(failed)
    assert event_type(failed) == "message.deferred"
    assert not is_not_queued(SAMPLES["Bounce"])


def test_only_oob_is_out_of_band() -> None:
    assert [kind for kind, sample in SAMPLES.items() if is_out_of_band(sample)] == ["OOB"]


def local_log() -> list[LogRecord]:
    """The log files of the real stream."""
    reader = zstandard.ZstdDecompressor()
    files = [path.read_bytes() for path in sorted((FIXTURES / "stream").glob("local-log-*.zst"))]
    texts = [reader.stream_reader(file, read_across_frames=True).read() for file in files]
    return [record for text in texts for record in decode(text).records]


def test_the_hooks_own_deliveries_are_no_mail() -> None:
    records = local_log()

    assert len(records) == 2 * 3338
    assert sum(map(is_ignorable, records)) == 3338


def test_reports_coming_in_are_told_by_their_own_records() -> None:
    report = record(type="Reception", recipient="b+r1@Bounce.lab.test")

    assert is_ignorable(report, {"bounce.lab.test"})
    assert not is_ignorable(report, {"other.test"})
    assert not is_ignorable(SAMPLES["OOB"], {"bounce.lab.test"})
    assert not is_ignorable(SAMPLES["Reception"], {"bounce.lab.test"})


def test_deferred_generation_is_no_mail() -> None:
    assert is_ignorable(record(queue="generator.kumomta.internal"))


@pytest.mark.parametrize(
    ("kind", "rid"),
    [
        ("Reception", "r1"),
        ("Delivery", "r1"),
        ("Bounce", "r2"),
        ("TransientFailure", "h2"),
        ("OOB", "r77"),
        ("Feedback", "r88"),
        ("Rejection", None),
    ],
)
def test_a_real_record_names_its_recipient(kind: str, rid: str | None) -> None:
    assert rid_of(SAMPLES[kind]) == rid


@pytest.mark.parametrize(
    ("meta", "release"),
    [
        ({"x_release": 7}, 7),
        ({}, None),
        (None, None),
        *(({"x_release": odd}, None) for odd in (0, -1, 2**31, 10**400, "7", True, 7.5, [7], {"a": 7})),
    ],
)
def test_a_record_names_the_release_that_took_the_message_in(meta: Any, release: int | None) -> None:
    assert release_of(record(meta=meta)) == release


@pytest.mark.parametrize(
    ("changes", "rid"),
    [
        ({"meta": {"x_rid": "one", "extra": {"rid": "two"}}, "sender": "b+three@x"}, "one"),
        ({"meta": {"extra": {"rid": "two"}}, "sender": "b+three@x"}, "two"),
        ({"sender": "b+three@x"}, "three"),
        ({"meta": {"x_rid": 5, "extra": "odd"}}, None),
        ({"meta": {"x_rid": "", "extra": {"rid": ["x"]}}}, None),
        ({"sender": "b+@x"}, None),
        ({"sender": "bob+one@x"}, None),
        ({"sender": "b+" + "x" * 65 + "@x"}, None),
        ({"type": "Feedback", "feedback_report": {"supplemental_trace": {"x_rid": "one"}}}, "one"),
        ({"type": "Feedback", "feedback_report": {"supplemental_trace": {"x_rid": 1}}}, None),
        ({"type": "Feedback", "feedback_report": {}}, None),
    ],
)
def test_a_recipient_id_is_found_wherever_it_is_text(changes: dict[str, Any], rid: str | None) -> None:
    assert rid_of(record(**changes)) == rid


def test_tenant_and_campaign_come_from_meta_or_from_the_trace_header() -> None:
    assert (tenant_of(SAMPLES["Delivery"]), campaign_of(SAMPLES["Delivery"])) == ("acme", "spring")
    assert tenant_of(record(meta={"extra": {"tenant": "bolt.mx1"}})) == "bolt.mx1"
    assert tenant_of(record(feedback_report={"supplemental_trace": {"tenant": "cove"}})) == "cove"
    assert (tenant_of(SAMPLES["OOB"]), campaign_of(SAMPLES["OOB"])) == (None, None)


@pytest.mark.parametrize(
    ("address", "domain"), [("a@X.Org", "x.org"), ('"a@b"@x.org', "x.org"), ("x.org", ""), ("", "")]
)
def test_the_domain_of_an_address(address: str, domain: str) -> None:
    assert domain_of(address) == domain


def test_the_key_of_an_event_is_16_octets_and_does_not_change() -> None:
    assert dedupe_key(record()) == dedupe_key(record(meta={"other": "logger"}, headers={"Subject": "x"}))
    assert dedupe_key(record()).hex() == "02932e6401e9b24516a50293d8b551cb"
    assert dedupe_key(record(recipient=["a@x", "b@x"])) == dedupe_key(record(recipient=["b@x", "a@x"]))
    assert dedupe_key(record(recipient=["a@x"])) == dedupe_key(record(recipient="a@x"))


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "ac"},
        {"type": "Bounce"},
        {"nodeid": "m"},
        {"recipient": "b@x"},
        {"event_time": "2026-11-22T12:00:00.100000001Z"},
        {"event_time": None, "timestamp": 1},
    ],
)
def test_different_events_have_different_keys(changes: dict[str, Any]) -> None:
    assert dedupe_key(record(**changes)) != dedupe_key(record())


def test_rejections_without_an_id_are_told_apart_by_session_and_reply() -> None:
    keys = {
        dedupe_key(record(type="Rejection", id="", session_id=session, response={"code": 550, "content": text}))
        for session in ("s1", "s2")
        for text in ("no", "never")
    }

    assert len(keys) == 4


def test_an_oob_report_is_the_same_whatever_time_a_logger_gives_it() -> None:
    assert dedupe_key(record(type="OOB")) == dedupe_key(record(type="OOB", event_time="2026-11-23T00:00:00Z"))
    assert dedupe_key(record(type="OOB")) != dedupe_key(record(type="OOB", recipient="b@x"))


def test_the_hook_and_the_log_files_tell_of_the_same_events() -> None:
    hook = decode(gzip.decompress((FIXTURES / "stream/hook.ndjson.gz").read_bytes())).records
    keys = {dedupe_key(record) for record in hook}

    assert len(keys) == len(hook)
    assert keys == {dedupe_key(record) for record in local_log() if not is_ignorable(record)}


def test_a_refused_recipient_stands_in_the_command() -> None:
    command = {"code": 550, "content": "postmta-suppressed: no", "command": "rcpt to: <Gone@example.org> NOTIFY=NEVER"}
    refused = record(type="Rejection", recipient="before@example.org", response=command)
    assert recipients_of(refused) == ("Gone@example.org",)
    assert event_type(refused) == "message.suppressed"
    for other in ("DATA", None, "RCPT TO:<>", "MAIL FROM:<a@b>"):
        one = record(type="Rejection", recipient="before@example.org", response=command | {"command": other})
        assert recipients_of(one) == ("before@example.org",)


def test_a_message_that_was_taken_and_dropped_is_suppressed() -> None:
    assert event_type(record(type="Reception", queue="null", meta={"x_suppressed": True})) == "message.suppressed"
    assert event_type(record(type="Delivery", meta={"x_suppressed": True})) == "message.delivered"


def test_what_came_by_smtp_and_was_not_queued_is_lost() -> None:
    words = {"code": 500, "content": "KumoMTA internal: QueueManager::insert failed during reception: x"}
    assert event_type(record(type="Bounce", response=words)) == "message.deferred"
    assert event_type(record(type="Bounce", response=words, meta={"x_smtp": {}})) == "message.bounced"
