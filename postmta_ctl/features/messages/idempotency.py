"""Telling a repeated request from another one, by the Idempotency-Key that it carries."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import msgspec

from postmta_ctl.errors import InvalidRequest

LIFETIME = timedelta(hours=24)
"""How long the answer to a key is kept."""
MAX_KEY = 255


class Answer(msgspec.Struct, frozen=True):
    """The bytes of an answer, and whether they were given before."""

    body: bytes
    is_replay: bool = False


class Idempotency(msgspec.Struct, frozen=True):
    """The key of a request, the route it stands for, and what tells the request from another one."""

    key: str
    route: str
    fingerprint: bytes


def idempotency(key: str | None, route: str, body: bytes) -> Idempotency | None:
    """Read the Idempotency-Key of a request.

    Raises:
        InvalidRequest: The key is empty or too long.
    """
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY:
        raise InvalidRequest.of("Idempotency-Key", f"has 1 to {MAX_KEY} characters")
    return Idempotency(key, route, hashlib.sha256(body).digest())
