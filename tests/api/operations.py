"""The operations of the OpenAPI document, for tests that are generated from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from tests.conftest import Client

UNKNOWN = "0193a5b2-7c40-7000-8f3a-5e1d2c4b6a79"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What one request calls."""

    name: str
    """Operation id."""
    method: str
    path: str
    scope: str
    body: Any

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    def at(self, ids: dict[str, str]) -> str:
        return self.path.format_map({"id": UNKNOWN} | ids)


async def operations(client: Client) -> list[Operation]:
    """Those that need a credential, by their order in the document."""
    document = (await client.get("/openapi.json")).json()
    return list(_operations(document))


def _operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        for method, one in item.items():
            if "x-scope" in one:
                content = one.get("requestBody", {}).get("content", {}).get("application/json", {})
                yield Operation(
                    name=one["operationId"],
                    method=method,
                    path=path,
                    scope=one["x-scope"],
                    body=content.get("example"),
                )
