"""Whether an answer is one that the OpenAPI document declares: asked of every answer that any test of the API gets."""

from __future__ import annotations

import re
from typing import Any

import httpx


class Declared:
    """The operations of a document, found by the requests for them."""

    def __init__(self, document: dict[str, Any]) -> None:
        # A literal part of a path comes before a parameter, as in the router.
        paths = sorted(document["paths"].items(), key=lambda item: item[0].replace("{", "\x7f"))
        self._operations = [(re.compile(re.sub(r"{\w+}", "[^/]+", path) + "/?"), item) for path, item in paths]

    async def check(self, answer: httpx.Response) -> None:
        """Raise an AssertionError for a status or a media type that the operation does not declare."""
        request = answer.request
        operation = self._find(request)
        if operation is None:
            return
        what = f"{request.method} {request.url.path}: undeclared"
        declared = operation["responses"].get(str(answer.status_code))
        assert declared is not None or answer.status_code == 500, f"{what} {answer.status_code}"
        if answer.status_code < 300 and answer.headers.get("content-length", "0") != "0":
            kind = answer.headers["content-type"].partition(";")[0]
            assert kind in declared.get("content", {}), f"{what} {kind}"

    def _find(self, request: httpx.Request) -> dict[str, Any] | None:
        # As it was sent: a slash within a part is encoded.
        path = request.url.raw_path.decode().partition("?")[0]
        found = next((item for pattern, item in self._operations if pattern.fullmatch(path)), {})
        operation: dict[str, Any] | None = found.get(request.method.lower())
        return operation
