from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core.kumo_log import MAX_KEPT, MAX_RECORD, LogRecord, decode

FIXTURES = Path(__file__).parents[1] / "fixtures/kumomta"
SAMPLES = (FIXTURES / "log-records.ndjson").read_bytes()
HOOK = gzip.decompress((FIXTURES / "stream/hook.ndjson.gz").read_bytes())


def line(**changes: Any) -> bytes:
    record: dict[str, Any] = {"type": "Delivery", "id": "ab", "event_time": "2026-11-22T12:00:00.123456789Z"}
    return json.dumps(record | changes).encode()


def one(raw: bytes) -> LogRecord:
    batch = decode(raw)
    assert batch.bad == []
    (record,) = batch.records
    return record


def test_one_real_record_of_each_type_is_read() -> None:
    batch = decode(SAMPLES)

    assert batch.bad == []
    assert {record.type for record in batch.records} == {json.loads(raw)["type"] for raw in SAMPLES.splitlines()}
    bounce = next(record for record in batch.records if record.type == "Bounce")
    assert (bounce.response.code, str(bounce.response.enhanced_code)) == (550, "5.1.1")
    assert (bounce.egress_source, bounce.recipients) == ("v1", ("bounce@example.org",))
    assert bounce.occurred_at == datetime(2026, 11, 22, 11, 27, 49, 752680, tzinfo=UTC)


def test_a_real_complaint_is_read_with_its_report() -> None:
    report = next(record for record in decode(SAMPLES).records if record.type == "Feedback").feedback_report

    assert report is not None
    assert report.feedback_type == "abuse"
    assert report.original_mail_from == "b+r88@bounce.lab.test"
    assert report.supplemental_trace == {"recipient": "ann@example.org"}


def test_a_real_stream_is_read_without_loss_and_alike_as_lines_and_as_an_array() -> None:
    lines = decode(HOOK)
    array = decode(b"[" + HOOK.replace(b"\n", b",").rstrip(b",") + b"]")

    assert lines.bad == array.bad == []
    assert lines.records == array.records
    assert len(lines.records) == 3338


def test_nulls_left_out_mean_the_same() -> None:
    full = [json.loads(raw) for raw in SAMPLES.splitlines()]
    bare = [{name: value for name, value in record.items() if value is not None} for record in full]

    assert decode(json.dumps(bare).encode()).records == decode(SAMPLES).records


@pytest.mark.parametrize(
    ("recipient", "expected"),
    [("a@x.org", ("a@x.org",)), (["a@x.org", "b@x.org"], ("a@x.org", "b@x.org")), ([], ())],
)
def test_a_recipient_may_be_a_list(recipient: object, expected: tuple[str, ...]) -> None:
    assert one(line(recipient=recipient)).recipients == expected


def test_an_old_record_has_only_whole_seconds() -> None:
    assert one(line(event_time=None, timestamp=0)).occurred_at == datetime(1970, 1, 1, tzinfo=UTC)


def test_nul_does_not_reach_the_database() -> None:
    assert one(line(response={"content": "a\0b"})).response.content == "a\ufffdb"


def test_empty_lines_are_no_records() -> None:
    assert len(decode(b"\n" + line() + b"\r\n\n" + line() + b"\n").records) == 2
    assert decode(b"").records == decode(b"\n").records == decode(b"[]").records == []


HOSTILE = {
    "no JSON": b"{",
    "no UTF-8": b'{"type":"\xff"}',
    "no object": b"5",
    "no type": b"{}",
    "a null type": line(type=None),
    "an odd type": line(type="Delivery\n"),
    "a long type": line(type="x" * 33),
    "no time": line(event_time=None),
    "an unreadable time": line(event_time="yesterday"),
    "a time without zone, hour 25": line(event_time="2026-11-22T25:00:00Z"),
    "a time beyond all calendars": line(event_time=None, timestamp=10**18),
    "a wrong kind of recipient": line(recipient=5),
    "a wrong kind of meta": line(meta=["x"]),
    "a wrong kind of code": line(response={"code": "550"}),
    "depth where it is decoded": line(meta={"x": 0}).replace(b'{"x": 0}', b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    "depth where it is skipped": line(other=0).replace(b": 0}", b": " + b"[" * 50_000 + b"]" * 50_000 + b"}"),
    "a huge number": line(event_time=None, timestamp=10**4000),
    "length": line(meta={"x": "y" * MAX_RECORD}),
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_bad_record_is_reported_and_its_neighbours_are_read(hostile: bytes) -> None:
    batch = decode(line(id="before") + b"\n" + hostile + b"\n" + line(id="after"))

    assert [record.id for record in batch.records] == ["before", "after"]
    (bad,) = batch.bad
    assert (bad.number, bad.raw) == (2, hostile[:MAX_KEPT])
    assert bad.reason


def test_a_bad_element_of_an_array_is_reported_by_its_place() -> None:
    batch = decode(b"[" + line() + b", 7, " + line() + b"]")

    assert len(batch.records) == 2
    assert [(bad.number, bad.raw) for bad in batch.bad] == [(2, b"7")]


def test_an_array_that_is_cut_off_is_one_bad_record() -> None:
    batch = decode(b"[" + line() + b",")

    assert batch.records == []
    assert [bad.number for bad in batch.bad] == [1]


@given(st.binary(max_size=300))
def test_no_body_raises(body: bytes) -> None:
    batch = decode(body)

    assert len(batch.records) + len(batch.bad) <= body.count(b"\n") + body.count(b",") + 1
