"""Secrets in what is written down."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from postmta_ctl.core.masking import MASK, masked


class Thing(msgspec.Struct):
    name: str
    client_secret: str
    digest: bytes
    made_at: datetime
    token: str | None = None


def test_a_struct_is_written_down_without_its_secrets() -> None:
    thing = Thing("mx1", "s3cret", b"abc", datetime(2026, 1, 1, tzinfo=UTC))
    assert masked(thing) == {
        "name": "mx1",
        "client_secret": MASK,
        "digest": MASK,
        "made_at": "2026-01-01T00:00:00Z",
        "token": None,
    }


@pytest.mark.parametrize("name", ["password", "new_password", "Authorization", "sealed_key", "private_key", "tokens"])
def test_names_that_speak_of_secrets(name: str) -> None:
    assert masked([{"deep": {name: "x"}}, {name: ["x"]}]) == [{"deep": {name: MASK}}, {name: MASK}]


def test_what_only_contains_a_secret_is_looked_into() -> None:
    assert masked({"api_key": {"id": "1", "secret": "x"}}) == {"api_key": {"id": "1", "secret": MASK}}
    assert masked({"has_token": True, "scopes": ["a"], "n": 1}) == {"has_token": True, "scopes": ["a"], "n": 1}
    assert masked(None) is None
