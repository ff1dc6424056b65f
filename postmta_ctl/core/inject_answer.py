"""Reading the answer to a request of KumoMTA's ``POST /api/inject/v1``, recipient by recipient.

A 200 says how many were taken and lists the others by address, each with a text; even "none" is a 200. The text of
``kumo.reject`` begins with its reply code and ends in a Lua stack trace. What the node's own policy refuses carries
a word ``postmta-…``.

The node's troubles are never blamed on an address: only a 5xx that the policy gave, and an address that KumoMTA
cannot parse, are final.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum

import msgspec

from postmta_ctl.core.inject import InjectCall


class Result(StrEnum):
    """What became of one recipient of a request."""

    INJECTED = "injected"
    """The node has it; a Reception record follows, or came already."""
    DUPLICATE = "duplicate"
    """An earlier request with the same attempt number had brought it: as good as injected."""
    REFUSED = "refused"
    """For good; the text says why."""
    SUPPRESSED = "suppressed"
    """The node's list of suppressions has the recipient; it may be a moment behind ours."""
    TRY_AGAIN = "try_again"
    """The node could not, now, and has not taken it."""
    UNKNOWN = "unknown"
    """The node may have it: its Reception record will tell, and its fence if the request is repeated."""
    TRY_ALONE = "try_alone"
    """The request as a whole was not understood or too large; in one of its own, this recipient may do."""


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """The result for one recipient, and the node's words if it was not taken."""

    rid: str
    result: Result
    text: str = ""


class _Answer(msgspec.Struct):
    success_count: int
    fail_count: int
    failed_recipients: list[str]
    errors: list[str]


MAX_TEXT = 500
"""Characters kept of what the node said."""

_ABOUT_THE_REQUEST = frozenset({400, 413, 415, 422})
DECLINED = frozenset({401, 403, 404, 503})
"""Answered before the node looks at any recipient."""
_POLICY_REPLY = re.compile(r"(?P<code>[2-5]\d\d)[ -]")
_UNPARSABLE_ADDRESS = re.compile(r"recipient email |.*not an address", re.DOTALL)
_RELEASE_BEHIND = ("postmta-unknown-tenant", "postmta-foreign-domain")
"""The node does not know yet what the database knows: a newer release is on its way to it."""


def read_answer(call: InjectCall, status: int, body: bytes) -> list[Outcome]:
    """Judge every recipient of a request by the HTTP status and body of its answer, in the request's order."""
    if status == 200:
        try:
            return list(_each(call.recipients, _failures(call, body)))
        except (msgspec.MsgspecError, ValueError) as error:
            return unanswered(call, Result.UNKNOWN, f"the answer could not be read: {error}")
    text = body.decode("utf-8", "replace").strip()
    result = Result.TRY_AGAIN if status in DECLINED else Result.UNKNOWN
    if status in _ABOUT_THE_REQUEST:
        result = Result.REFUSED if len(call.recipients) == 1 else Result.TRY_ALONE
    return unanswered(call, result, f"HTTP {status}: {text}")


def unanswered(call: InjectCall, result: Result, text: str) -> list[Outcome]:
    """The same result for every recipient of a request."""
    return [Outcome(rid, result, _first_line(text)) for rid in call.recipients.values()]


def judge(text: str) -> Result:
    """Judge the text that the answer gives for one failed recipient, without the address before it."""
    if "postmta-duplicate" in text:
        return Result.DUPLICATE
    if "postmta-suppressed" in text:
        return Result.SUPPRESSED
    if "KumoMTA internal" in text or any(word in text for word in _RELEASE_BEHIND):
        return Result.TRY_AGAIN
    if _UNPARSABLE_ADDRESS.match(text):
        return Result.REFUSED
    reply = _POLICY_REPLY.match(text)
    return Result.REFUSED if reply and reply["code"].startswith("5") else Result.TRY_AGAIN


def _failures(call: InjectCall, body: bytes) -> dict[str, str]:
    answer = msgspec.json.decode(body, type=_Answer)
    if answer.success_count + answer.fail_count != len(call.recipients):
        raise ValueError("its counts are not those of the request")
    failed = dict(zip(answer.failed_recipients, answer.errors, strict=True))
    if not failed.keys() <= call.recipients.keys():
        raise ValueError("it names recipients that were not in the request")
    return {address: text.removeprefix(f"{address}: ") for address, text in failed.items()}


def _each(recipients: Mapping[str, str], failures: Mapping[str, str]) -> Iterator[Outcome]:
    for address, rid in recipients.items():
        text = failures.get(address)
        yield Outcome(rid, Result.INJECTED) if text is None else Outcome(rid, judge(text), _first_line(text))


def _first_line(text: str) -> str:
    """Without the stack trace, or the drawing of where the parser stopped."""
    return text.partition("\n")[0][:MAX_TEXT]
