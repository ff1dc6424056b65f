"""KumoMTA's log records: decoding a batch, and what a record is about.

A record is a JSON object (docs: reference/log_record). The log hook and the log files hold one a line, other
senders an array of them. A record that cannot be read is reported beside the others and never takes them along.
What a record means is in :mod:`postmta_ctl.core.log_events`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any

import msgspec

MAX_RECORD = 1024 * 1024
"""Octets of one record. A complaint carries the message it complains of, other records are below 4 KiB."""
MAX_KEPT = 64 * 1024
"""Octets of an unreadable record that are kept to look at."""

_Whole = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
"""Larger numbers are no codes or counts of a node's, and fit no column."""
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9]{0,31}")


class EnhancedCode(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An enhanced status code (RFC 3463), printed as ``5.1.1``."""

    klass: Annotated[int, msgspec.Meta(ge=0, le=999)] = msgspec.field(name="class")
    subject: Annotated[int, msgspec.Meta(ge=0, le=999)]
    detail: Annotated[int, msgspec.Meta(ge=0, le=999)]

    def __str__(self) -> str:
        return f"{self.klass}.{self.subject}.{self.detail}"


class Response(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the peer answered, or what KumoMTA says in its place."""

    code: _Whole = 0
    enhanced_code: EnhancedCode | None = None
    content: str = ""
    command: str | None = None


class PeerAddress(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The other side of the connection; of an OOB record the reporting MTA."""

    name: str = ""
    addr: str = ""


class SourceAddress(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The local side of the connection, ``ip:port``."""

    address: str = ""


class FeedbackReport(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The parts of an ARF report (RFC 5965) that tell whose complaint it is."""

    feedback_type: str = ""
    user_agent: str | None = None
    original_mail_from: str | None = None
    original_rcpto_to: list[str] = []
    supplemental_trace: dict[str, Any] | None = None


class LogRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The fields of a record that we use; others are skipped undecoded. Absent and null mean the same."""

    type: str
    id: str = ""
    """Spool id; empty on a Rejection; on OOB and Feedback that of the report, not of the message."""
    sender: str = ""
    recipient: str | list[str] = ""
    queue: str = ""
    site: str = ""
    size: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    response: Response = Response()
    peer_address: PeerAddress | None = None
    timestamp: int | None = None
    event_time: str | None = None
    """RFC 3339 with nanoseconds, kept as text: the dedupe key needs all of it."""
    created_time: str | None = None
    num_attempts: _Whole | None = None
    """Attempts before this one; an estimate after a restart of the node."""
    bounce_classification: str | None = None
    egress_pool: str | None = None
    egress_source: str | None = None
    source_address: SourceAddress | None = None
    feedback_report: FeedbackReport | None = None
    meta: dict[str, Any] | None = None
    delivery_protocol: str | None = None
    reception_protocol: str | None = None
    nodeid: str = ""
    provider_name: str | None = None
    session_id: str | None = None
    tls_cipher: str | None = None
    tls_protocol_version: str | None = None

    @property
    def recipients(self) -> tuple[str, ...]:
        """All recipients; KumoMTA writes a list only if they are not one."""
        return (self.recipient,) if isinstance(self.recipient, str) else tuple(self.recipient)

    @property
    def micros(self) -> int:
        """When it happened, in microseconds since the epoch. ``event_time`` exists since KumoMTA 2025.10.06."""
        return _micros(self.event_time) if self.event_time else (self.timestamp or 0) * 1_000_000

    @property
    def occurred_at(self) -> datetime:
        """The same as a moment, in UTC."""
        return _EPOCH + timedelta(microseconds=self.micros)


# Asked for at several places, within one batch.
@lru_cache(maxsize=10_000)
def _micros(text: str) -> int:
    return (msgspec.convert(text, datetime).astimezone(UTC) - _EPOCH) // _MICROSECOND


class BadRecord(msgspec.Struct, frozen=True):
    """A record that could not be read."""

    number: int
    """In the batch, from 1."""
    reason: str
    raw: bytes
    """Its first octets."""
    is_json: bool = True
    """It can be read, but says nothing that a log record says."""


class Batch(msgspec.Struct, frozen=True):
    """What was in one delivery of records."""

    records: list[LogRecord]
    bad: list[BadRecord]

    @property
    def is_garbage(self) -> bool:
        """Whether something was sent, and nothing of it is JSON: no node sent that."""
        return bool(self.bad) and not self.records and not any(one.is_json for one in self.bad)


_UNREADABLE = (msgspec.MsgspecError, RecursionError, ValueError, OverflowError)
_decoder = msgspec.json.Decoder(LogRecord)
_value_decoder = msgspec.json.Decoder()
_array_decoder = msgspec.json.Decoder(list[msgspec.Raw])


def decode(body: bytes) -> Batch:
    """Read records, one a line or in a JSON array. Empty lines count but are no records. Nothing is raised."""
    # Nearly always all of them can be read, and at once; otherwise each is looked at by itself.
    with suppress(*_UNREADABLE):
        return Batch(_all(body), [])
    batch = Batch([], [])
    for number, raw in _pieces(body):
        try:
            batch.records.append(_record(raw))
        except _UNREADABLE as error:
            batch.bad.append(BadRecord(number, str(error), raw[:MAX_KEPT], _is_json(raw)))
    return batch


def _is_json(raw: bytes) -> bool:
    try:
        _value_decoder.decode(raw)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return False
    return True


def _pieces(body: bytes) -> Iterator[tuple[int, bytes]]:
    pieces: Iterable[bytes] = body.split(b"\n")
    if body.lstrip()[:1] == b"[":
        # Otherwise they are lines, the first of which is no record.
        with suppress(msgspec.MsgspecError, RecursionError):
            pieces = [bytes(piece) for piece in _array_decoder.decode(body)]
    return ((number, piece) for number, piece in enumerate(pieces, start=1) if piece.strip())


def _all(body: bytes) -> list[LogRecord]:
    if len(body) > MAX_RECORD:  # otherwise none of them is longer
        for line in body.split(b"\n"):
            _check_length(line)
    return [_checked(record) for record in _decoder.decode_lines(_without_nul(body))]


def _record(raw: bytes) -> LogRecord:
    _check_length(raw)
    return _checked(_decoder.decode(_without_nul(raw)))


def _check_length(raw: bytes) -> None:
    if len(raw) > MAX_RECORD:
        raise ValueError(f"longer than {MAX_RECORD} octets")


def _without_nul(raw: bytes) -> bytes:
    # NUL is legal in JSON text and in no database column.
    return raw.replace(b"\\u0000", b"\\ufffd")


def _checked(record: LogRecord) -> LogRecord:
    if not _is_word(record.type):
        raise ValueError("its type is not a word of at most 32 letters and digits")
    if not record.event_time and record.timestamp is None:
        raise ValueError("it has neither event_time nor timestamp")
    # An unreadable time is found here and not by whoever asks for it.
    if not _FIRST <= record.micros <= _LAST:
        raise ValueError("its time is beyond all years")
    return record


@lru_cache(maxsize=100)
def _is_word(text: str) -> bool:
    return _TYPE.fullmatch(text) is not None
