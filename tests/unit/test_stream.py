"""A real node's records of 1,500 messages, judged from the records alone, give the fates that were arranged."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from postmta_ctl.core.bounces import class_of
from postmta_ctl.core.kumo_log import LogRecord, decode
from postmta_ctl.core.log_events import campaign_of, dedupe_key, event_type, rid_of, tenant_of
from postmta_ctl.core.status import RecipientEvent, RecipientState, advance

STREAM = Path(__file__).parents[1] / "fixtures/kumomta/stream"
ENDS = {
    "ok": ("delivered", None),
    "grey": ("delivered", None),
    "nouser": ("bounced", "invalid_recipient"),
    "spam": ("bounced", "spam"),
    "full": ("bounced", "quota"),
    "block": ("bounced", "blocklisted"),
    "defer": ("bounced", "expired"),
}


@pytest.fixture(scope="module")
def records() -> list[LogRecord]:
    return decode(gzip.decompress((STREAM / "hook.ndjson.gz").read_bytes())).records


@pytest.fixture(scope="module")
def injected() -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(gzip.decompress((STREAM / "injected.json.gz").read_bytes()))
    return found


def ends(records: Iterable[LogRecord]) -> dict[str, RecipientState]:
    states: dict[str, RecipientState] = {}
    for record in records:
        rid = rid_of(record)
        assert rid is not None
        event = RecipientEvent(
            type=event_type(record),
            at=record.micros,
            code=record.response.code,
            reply=record.response.content,
            bounce_class=class_of(record),
        )
        states[rid] = advance(states.get(rid, RecipientState()), event)
    return states


def test_every_message_ends_as_arranged(records: list[LogRecord], injected: list[dict[str, str]]) -> None:
    found = {rid: (state.status, state.bounce_class) for rid, state in ends(records).items()}

    assert found == {one["rid"]: ENDS[one["fate"]] for one in injected}


@pytest.mark.parametrize("seed", range(3))
def test_order_and_repeats_change_nothing(records: list[LogRecord], seed: int) -> None:
    shuffled = records + records[:1000]
    random.Random(seed).shuffle(shuffled)

    assert ends(shuffled) == ends(records)
    assert len({dedupe_key(record) for record in shuffled}) == len(records)


def test_every_record_names_tenant_and_campaign(records: list[LogRecord], injected: list[dict[str, str]]) -> None:
    arranged = {one["rid"]: (one["tenant"], one["campaign"]) for one in injected}

    assert all((tenant_of(record), campaign_of(record)) == arranged[rid_of(record) or ""] for record in records)
