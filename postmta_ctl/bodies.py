"""What request bodies may take of memory together: one that does not fit is answered with 503 before it is read.

A body is in memory from its first octet until its request is answered: as it came, decoded, and composed. Small ones
are bounded by the number of connections.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from postmta_ctl.errors import Busy
from postmta_ctl.octets import Octets

SMALL = 64 * 1024
"""Octets of a body that is not counted."""
RETRY_AFTER = 1


class Bodies:
    """ASGI middleware around all routes, within the one that gives a request its id.

    Args:
        app: What answers.
        limit: Octets of all bodies together.
        largest: What a body may have whose length its request does not tell.
    """

    def __init__(self, app: ASGIApp, *, limit: int, largest: int) -> None:
        self._app, self._largest = app, largest
        self._octets = Octets(limit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        count = self._length(scope) if scope["type"] == ScopeType.HTTP else 0
        if count <= SMALL:
            await self._app(scope, receive, send)
        elif not self._octets.take(count):
            await _refuse(scope, send)
        else:
            try:
                await self._app(scope, receive, send)
            finally:
                self._octets.give_back(count)

    def _length(self, scope: Any) -> int:
        """Of the body, at most; a longer one than allowed is refused elsewhere, unread."""
        headers = dict(scope["headers"])
        told = headers.get(b"content-length", b"")
        if told.isdigit():
            return min(int(told), self._largest)
        return self._largest if b"transfer-encoding" in headers else 0


async def _refuse(scope: Any, send: Send) -> None:
    error = Busy("Too much is being taken in at the moment.", retry_after=RETRY_AFTER)
    told = scope["state"]["request_id"]
    problem = {"title": error.title, "status": error.status, "detail": error.detail, "code": error.code}
    headers = {
        b"content-type": b"application/problem+json",
        b"retry-after": str(RETRY_AFTER).encode(),
    }
    await send({"type": "http.response.start", "status": error.status, "headers": list(headers.items())})
    body = msgspec.json.encode(problem | {"request_id": told})
    await send({"type": "http.response.body", "body": body, "more_body": False})
