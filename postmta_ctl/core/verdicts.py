"""The verdict on a DNS record."""

from __future__ import annotations

from typing import Literal

import msgspec


class Verdict(msgspec.Struct, frozen=True):
    """What a look-up says of a record, and why, in a sentence for the domain's owner.

    ``unknown`` means that DNS could not be asked: it is no reason to change anything.
    """

    verdict: Literal["ok", "missing", "wrong", "warning", "unknown"]
    explanation: str


def ok(explanation: str) -> Verdict:
    """The record does what it should."""
    return Verdict("ok", explanation)


def missing(explanation: str) -> Verdict:
    """There is no such record."""
    return Verdict("missing", explanation)


def wrong(explanation: str) -> Verdict:
    """There is a record, and it does not do what it should."""
    return Verdict("wrong", explanation)


def warning(explanation: str) -> Verdict:
    """It works, but not as well as it could."""
    return Verdict("warning", explanation)


def unknown(explanation: str) -> Verdict:
    """Nobody could tell."""
    return Verdict("unknown", explanation)
