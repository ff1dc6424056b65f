"""Sorted lists: every list by every field that the document names, page by page, on both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.api.belongings import Headers, create_all
from tests.conftest import Client, FakeClock, FakeResolver

NAMES = ["b", "B", "a", "ä", "Z", "a", "", "aa"]


@pytest.fixture
async def ids(client: Client, resolver: FakeResolver, ann: Headers, tmp_path: Path) -> dict[str, str]:
    return await create_all(client, ann, resolver, tmp_path / "node")


async def everything(client: Client, path: str, headers: Headers, sort: str, limit: int = 500) -> list[Any]:
    """The whole list, page by page."""
    found: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await client.get(path, params={"sort": sort, "limit": limit} | cursor, headers=headers)
        assert answer.status_code == 200, (path, sort, answer.text)
        page = answer.json()
        assert len(page["data"]) <= limit
        found += page["data"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def test_every_list_is_sorted_by_every_field_it_names(client: Client, ann: Headers, ids: dict[str, str]) -> None:
    for n in range(3):
        await client.post("/api/v1/templates", json={"name": f"t{n}", "subject": "x", "text": "x"}, headers=ann)
    document, cells = (await client.get("/openapi.json")).json(), 0
    for path, item in document["paths"].items():
        sorts = [one for one in item.get("get", {}).get("parameters", ()) if one["name"] == "sort"]
        if not sorts or "created_at" not in sorts[0]["schema"]["enum"]:
            continue
        at = path.format_map(ids)
        by_id = {one["id"]: one for one in await everything(client, at, ann, "created_at")}
        for sort in sorts[0]["schema"]["enum"]:
            found = await everything(client, at, ann, sort, limit=2)
            assert {one["id"] for one in found} == set(by_id), (path, sort)
            field = sort.removeprefix("-")
            keys = [(one.get(field, "") if field != "created_at" else "", one["id"]) for one in found]
            assert keys == sorted(keys, reverse=sort.startswith("-")), (path, sort)
            cells += 1
    assert cells > 60


async def test_equal_and_foreign_names_are_in_one_order_on_both_engines(
    client: Client, ann: Headers, clock: FakeClock
) -> None:
    for name in NAMES:
        clock.advance(seconds=1)
        body = {"name": f"x{name}", "scopes": ["account:read"]}
        assert (await client.post("/api/v1/api-keys", json=body, headers=ann)).status_code == 201
    expected = sorted(f"x{name}" for name in NAMES)
    for limit in (1, 3, 8):
        up = await everything(client, "/api/v1/api-keys", ann, "name", limit)
        down = await everything(client, "/api/v1/api-keys", ann, "-name", limit)
        assert [one["name"] for one in up] == expected
        assert [one["id"] for one in down] == [one["id"] for one in reversed(up)]


async def test_a_page_goes_on_after_a_row_that_was_deleted(client: Client, ann: Headers) -> None:
    for name in "dacb":
        await client.post("/api/v1/api-keys", json={"name": name, "scopes": ["account:read"]}, headers=ann)
    first = (await client.get("/api/v1/api-keys?sort=name&limit=2", headers=ann)).json()
    await client.delete(f"/api/v1/api-keys/{first['data'][-1]['id']}", headers=ann)
    await client.post("/api/v1/api-keys", json={"name": "aa", "scopes": ["account:read"]}, headers=ann)
    rest = await client.get(f"/api/v1/api-keys?sort=name&limit=2&cursor={first['next_cursor']}", headers=ann)
    assert [one["name"] for one in first["data"] + rest.json()["data"]] == ["a", "b", "c", "d"]


async def test_an_unknown_field_is_refused_with_those_there_are(client: Client, ann: Headers) -> None:
    for sort in ("secret", "-digest", "", "-", "name,created_at", "--name"):
        answer = await client.get("/api/v1/api-keys", params={"sort": sort}, headers=ann)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request"), sort
        (error,) = answer.json()["errors"]
        assert error["field"] == "sort"
        assert "created_at, name" in error["message"]


async def test_a_cursor_is_good_for_its_own_order_only(client: Client, ann: Headers) -> None:
    for name in "abc":
        await client.post("/api/v1/api-keys", json={"name": name, "scopes": ["account:read"]}, headers=ann)
    cursors = {
        sort: (await client.get(f"/api/v1/api-keys?limit=1&sort={sort}", headers=ann)).json()["next_cursor"]
        for sort in ("name", "-name", "created_at")
    }
    nonsense = ["", "x", "!", "W10=", "WyJuYW1lIixudWxsLCJ4Il0=", "x" * 5000, "\N{SNOWMAN}"]
    for cursor in (cursors["-name"], cursors["created_at"], *nonsense):
        params = {"sort": "name", "cursor": cursor}
        answer = await client.get("/api/v1/api-keys", params=params, headers=ann)
        assert answer.status_code == 422, cursor
    answer = await client.get("/api/v1/api-keys", params={"cursor": cursors["name"]}, headers=ann)
    assert answer.status_code == 422
