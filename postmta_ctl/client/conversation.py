"""The core that both clients drive: what to send next, or how long to wait, until there is a result. No I/O."""

from __future__ import annotations

import random
import uuid
from collections.abc import Generator
from types import NoneType
from typing import Any, TypeVar, cast
from urllib.parse import quote

import httpx
import msgspec

from postmta_ctl.client.calls import Call, Tagged
from postmta_ctl.client.connection import Patience
from postmta_ctl.client.errors import NoAnswer, Problem, UnreadableAnswer, error_of
from postmta_ctl.client.retries import Retries, retry_after

T = TypeVar("T")
OF_PROXIES = frozenset({429, 502, 503, 504})
"""What a proxy before the API may answer by itself, in words of its own."""
Outcome = httpx.Response | httpx.TransportError
Conversation = Generator[httpx.Request | float, Outcome | None, Tagged[T]]
"""Yields a request to make, which is answered with its outcome, or seconds to wait."""


def converse(
    call: Call[T], http: httpx.Client | httpx.AsyncClient, retries: Retries, timeout: Patience | None = None
) -> Conversation[T]:
    """Make a call, again where that is safe.

    Raises:
        ApiError: The API refused it.
        NoAnswer: There was none.
        UnreadableAnswer: It is none of this API's.
    """
    call = call.once(str(uuid.uuid4()))
    attempt = 0
    while True:
        attempt += 1
        outcome = yield _request(call, http, timeout)
        assert outcome is not None  # a request was yielded
        wait = retries.wait(call, outcome, attempt=attempt, chance=random.random())  # noqa: S311 - no secret
        if wait is None:
            break
        yield wait
    if isinstance(outcome, httpx.TransportError):
        raise NoAnswer(f"{call.method} {call.path}: {outcome or type(outcome).__name__}") from outcome
    return Tagged(_result(call, outcome), outcome.headers.get("ETag"))


def _request(call: Call[Any], http: httpx.Client | httpx.AsyncClient, timeout: Patience | None) -> httpx.Request:
    path = call.path.format(**{name: quote(str(value), safe="") for name, value in call.parts.items()})
    headers = {name: value for name, value in call.headers.items() if value is not None}
    content = call.body if isinstance(call.body, bytes | NoneType) else msgspec.json.encode(call.body)
    if content is not None and "Content-Type" not in headers:
        headers["Content-Type"] = "application/json"
    # httpx writes booleans and numbers itself; dates as msgspec does.
    query = msgspec.to_builtins({name: value for name, value in call.query.items() if value is not None})
    patience: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
    return http.build_request(call.method, path, params=query or None, content=content, headers=headers, **patience)


def _result(call: Call[T], answer: httpx.Response) -> T:
    if answer.status_code >= 400:
        raise error_of(_problem(answer), retry_after(answer))
    if answer.has_redirect_location and call.result is not str:
        where = answer.headers["Location"]
        raise UnreadableAnswer(f"{call.method} {call.path}: redirected to {where}", status=answer.status_code)
    kinds: dict[Any, Any] = {NoneType: None, bytes: answer.content}
    if call.result in kinds:
        return cast("T", kinds[call.result])
    if call.result is str:
        return cast("T", answer.headers.get("Location") or answer.text)
    try:
        return msgspec.json.decode(answer.content, type=call.result)
    except msgspec.MsgspecError as error:
        raise UnreadableAnswer(f"{call.method} {call.path}: {error}", status=answer.status_code) from error


def _problem(answer: httpx.Response) -> Problem:
    try:
        return msgspec.json.decode(answer.content, type=Problem)
    except msgspec.MsgspecError as error:
        if answer.status_code in OF_PROXIES:
            return Problem(status=answer.status_code, code="http_error", detail=answer.reason_phrase)
        words = f"status {answer.status_code}, and no problem+json"
        raise UnreadableAnswer(words, status=answer.status_code) from error
