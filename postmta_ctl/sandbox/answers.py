"""Answers of the HTTP API, good ones and those of a node that misbehaves."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from postmta_ctl.sandbox.faults import Mode
from postmta_ctl.sandbox.jsonbody import BodyError
from postmta_ctl.sandbox.requests import InjectV1Response

_COMPRESSED_FROM = 1024
_json = msgspec.json.Encoder()


def plain(text: str, status: int = 200) -> web.Response:
    """Text, as KumoMTA answers errors and orders."""
    return web.Response(text=text, status=status)


def as_json(value: Any) -> web.Response:
    """A value as JSON."""
    return compressed(web.Response(body=_json.encode(value), content_type="application/json"))


def compressed(response: web.Response) -> web.Response:
    """Compress a long answer, if the caller takes that."""
    if isinstance(response.body, bytes) and len(response.body) >= _COMPRESSED_FROM:
        response.enable_compression()
    return response


def query(request: web.Request, name: str) -> str:
    """A parameter that must be there.

    Raises:
        BodyError: 400.
    """
    if name not in request.query:
        raise BodyError(400, f"Failed to deserialize query string: missing field `{name}`")
    return str(request.query[name])


def cut(request: web.Request) -> None:
    """End the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    raise web.HTTPInternalServerError


def faulty(fault: Mode | None, request: web.Request, answer: InjectV1Response) -> web.StreamResponse:
    """Faults in what the caller is told."""
    if fault in ("reset_after", "partial"):
        cut(request)
    if fault == "garbage":
        return plain("<html>502 Bad Gateway (sandbox)</html>")
    return as_json(answer)
