"""The page that shows the API: whole without any other host."""

from __future__ import annotations

import re
from typing import Any

import pytest

from postmta_ctl.features.docs.routes import MEDIA_TYPES


async def test_the_page_loads_only_what_is_served_here(client: Any) -> None:
    answer = await client.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    loaded = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert len(loaded) == 6
    for path in loaded:
        assert (await client.get(f"/{path}")).status_code == 200


@pytest.mark.parametrize("name", MEDIA_TYPES)
async def test_assets_have_their_type(client: Any, name: str) -> None:
    answer = await client.get(f"/docs/{name}")
    assert answer.headers["content-type"].startswith(MEDIA_TYPES[name])
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["LICENSE", "index.html", "..%2froutes.py", "routes.py", "%00"])
async def test_nothing_else_is_served(client: Any, name: str) -> None:
    assert (await client.get(f"/docs/{name}")).status_code == 404


async def test_the_document_says_who_may_call_what(client: Any) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["paths"]["/health"]["get"]["security"] == []
    operation = document["paths"]["/api/v1/users/{user_id}/role"]["put"]
    assert "security" not in operation
    assert operation["x-scope"] == "users:write"
    assert {"200", "401", "403", "404", "409", "412", "422", "429"} <= set(operation["responses"])
    assert operation["requestBody"]["content"]["application/json"]["example"] == {"role": "developer"}
