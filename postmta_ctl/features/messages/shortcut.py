"""Single sends, answered before the router: most requests of a busy installation are of this one route.

Litestar's way to ``send_message`` (a request object, guards, hooks, parameters, a response object) takes about as long
as all that is done for the message. This way does the same for the plain case: a caller who is known, a small JSON
body of the right types. Whatever is not plain goes on to the route, which says what is wrong with it; what is raised
here is answered by the same exception handlers. ``tests/api/test_send_shortcut.py`` holds both ways together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from postmta_ctl import rate_limits
from postmta_ctl.bodies import SMALL
from postmta_ctl.errors import Unauthenticated
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.auth.service import remembered
from postmta_ctl.features.messages import service
from postmta_ctl.features.messages.idempotency import Answer, idempotency
from postmta_ctl.features.messages.schemas import SendRequest
from postmta_ctl.middleware import ANSWER_HEADERS
from postmta_ctl.system import System
from postmta_ctl.web import AnyRequest, address_in

PATH = "/api/v1/messages/send"
NEEDS = "messages:send"
ROUTE = "messages/send"
"""As records of Idempotency-Keys name it."""
_JSON = b"application/json"
_decoder = msgspec.json.Decoder(SendRequest)


class SendShortcut:
    """ASGI middleware around the router.

    Args:
        app: What answers all else.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != ScopeType.HTTP or scope["path"] != PATH or not (headers := _plain(scope)):
            await self._app(scope, receive, send)
            return
        system: System = scope["litestar_app"].state.system
        scope["path_template"] = PATH
        messages = await _received(receive)
        body = b"".join([one.get("body", b"") for one in messages])
        principal = _caller(system, scope, headers)
        request = _read(body) if messages[-1]["type"] == "http.request" else None
        if request is None or principal is None:
            await self._app(scope, _again(messages, receive), send)
            return
        try:
            await _guard(system, principal, scope["state"])
            key = headers.get(b"idempotency-key")
            once = idempotency(None if key is None else key.decode("latin-1"), ROUTE, body)
            answer = await service.send(system, principal, request, once)
        except Exception as error:
            await _refuse(error, scope, receive, send)
        else:
            await _answer(send, answer)


def _plain(scope: Any) -> dict[bytes, bytes] | None:
    """The headers, if by them the request is one of those that are answered here."""
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"")
    if (
        scope["method"] == "POST"
        and not scope["query_string"]
        and headers.get(b"content-type") == _JSON
        and length.isdigit()
        and int(length) <= min(SMALL, scope["litestar_app"].request_max_body_size)
        and len(headers) == len(scope["headers"])  # none of them twice
    ):
        return headers
    return None


def _caller(system: System, scope: Any, headers: Mapping[bytes, bytes]) -> Principal | None:
    """Who asks, if it is known; the route finds out, or says what is missing."""
    names = ("authorization", "x-api-key")
    given = {name: value.decode("latin-1") for name in names if (value := headers.get(name.encode()))}
    try:
        return remembered(system, given, address_in(system, scope))
    except Unauthenticated:
        return None


async def _received(receive: Receive) -> list[Any]:
    """The messages that the body comes in; the last is another if it breaks off."""
    messages: list[Any] = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    return messages


def _read(body: bytes) -> SendRequest | None:
    """The request, if it is as it should be; U+0000 is looked for by its escape, as JSON has no other way to say it."""
    if b"\\u0000" in body:
        return None
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _again(messages: list[Any], receive: Receive) -> Receive:
    """What was received already, and then what comes."""

    async def replayed() -> Any:
        return messages.pop(0) if messages else await receive()

    return replayed


async def _guard(system: System, principal: Principal, state: Any) -> None:
    """What ``web.guard`` does of all that it does."""
    headers: rate_limits.Headers = state.setdefault(ANSWER_HEADERS, {})
    await rate_limits.count(system, rate_limits.of_principal(system, principal), headers)
    principal.require(NEEDS)


async def _refuse(error: Exception, scope: Any, receive: Receive, send: Send) -> None:
    """Answer what was raised, by the handlers that the application has for it."""
    handlers = scope["litestar_app"].exception_handlers
    handler = next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)
    request: AnyRequest = Request(scope, receive, send)
    response = handler(request, error).to_asgi_response(app=None, request=request)
    await response(scope, receive, send)


async def _answer(send: Send, answer: Answer) -> None:
    headers = [(b"content-type", _JSON), (b"content-length", b"%d" % len(answer.body))]
    if answer.is_replay:
        headers.append((b"idempotent-replayed", b"true"))
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
