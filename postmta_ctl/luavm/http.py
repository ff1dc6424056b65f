"""HTTP as a policy does it, over a transport that the caller chooses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx
import msgspec


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request on its way out; ``timeout`` in seconds."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes = b""
    timeout: float = 60.0


class HttpResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What came back."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}
    reason: str = ""


class HttpFailure(Exception):
    """No response: refused, timed out, unresolvable. Raised by transports."""


HttpTransport = Callable[[HttpRequest], HttpResponse]
"""Carries out a request, or raises :class:`HttpFailure`."""


class HttpxTransport:
    """The real network; connections are kept."""

    def __init__(self, **options: Any) -> None:
        self._client = httpx.Client(**options)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Send it and read the whole answer."""
        try:
            answer = self._client.request(
                request.method,
                request.url,
                headers=dict(request.headers),
                content=request.body,
                timeout=request.timeout,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise HttpFailure(f"{request.method} {request.url}: {error}") from error
        return HttpResponse(
            status=answer.status_code, body=answer.content, headers=dict(answer.headers), reason=answer.reason_phrase
        )

    def close(self) -> None:
        """Close the kept connections."""
        self._client.close()


def no_network(request: HttpRequest) -> HttpResponse:
    """A transport for proofs: every request fails."""
    raise HttpFailure(f"{request.method} {request.url}: no network while a policy is being checked")
