"""Single sends have a way before the router; it answers as the route does, to which all that is not plain goes on."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Any

import msgspec
import pytest

from postmta_ctl.features.messages.shortcut import PATH, SendShortcut

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
MAIL = {"from": "Ann <ann@acme.test>", "to": ["bob@example.org"], "subject": "Hello", "text": "Hello."}
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}|(?<=request_id\":\")[0-9a-f]{32}")
OF_EACH = {"x-request-id", "date"}
CASES: list[tuple[Any, dict[str, str], int]] = [
    (MAIL, {}, 202),
    (MAIL | {"cc": ["Céline <c@example.org>"], "tags": ["a"], "metadata": {"a": "null"}, "vmta": None}, {}, 202),
    (MAIL | {"send_at": "2026-11-23T12:00:00+02:00"}, {}, 202),
    (MAIL, {"Idempotency-Key": "k" * 256}, 422),
    (MAIL, {"Idempotency-Key": ""}, 422),
    (MAIL, {"X-Request-ID": "my-own-request"}, 202),
    (MAIL, {"Content-Type": "application/json; charset=utf-8"}, 202),
    (MAIL | {"from": "ann@elsewhere.test"}, {}, 422),
    (MAIL | {"to": ["nonsense"]}, {}, 422),
    (MAIL | {"to": "bob@example.org"}, {}, 422),
    (MAIL | {"text": "a\0b"}, {}, 422),
    (MAIL | {"track_opens": "true"}, {}, 202),
    (MAIL | {"text": "x" * 70_000}, {}, 202),
    (MAIL | {"surprise": 1}, {}, 422),
    (MAIL | {"pool": "none"}, {}, 422),
    ([], {}, 422),
    (b"", {}, 422),
    (b'{"from":', {}, 400),
    (b'{"from": "\xff"}', {}, 400),
    (b"[" * 100_000, {}, 400),
    (MAIL, {"Authorization": ""}, 401),
    (MAIL, {"Authorization": "Bearer nonsense"}, 401),
]
WAYS: list[tuple[dict[str, Any], bool]] = [
    ({}, False),
    ({"method": "GET"}, True),
    ({"path": "/api/v1/messages/batch"}, True),
    ({"query_string": b"a=b"}, True),
    ({"headers": [(b"content-length", b"9999999")]}, True),
    ({"parts": [b'{"from": "ann@acme.test"', b"}"]}, False),
    ({"parts": [b'{"from"', b": \\u0000}"]}, True),
    ({"parts": [b"{}", None]}, True),
]


async def answer(client: Any, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], str]:
    """All that an answer has, without what no two answers share."""
    given = await client.post(url, content=body, headers={"Content-Type": "application/json"} | headers)
    shown = {name: value for name, value in given.headers.items() if name not in OF_EACH}
    shown.pop("ratelimit", None)
    assert given.headers["x-request-id"]
    return given.status_code, shown, ID.sub("ID", given.text)


async def test_both_ways_answer_alike(client: Any, acme: Any) -> None:
    await client.get("/api/v1/messages", headers=acme)  # so that it is known who asks
    for body, headers, status in CASES:
        octets = body if isinstance(body, bytes) else msgspec.json.encode(body)
        short = await answer(client, PATH, octets, acme | headers)
        # A query string is not plain, and the route has no use for this one.
        routed = await answer(client, f"{PATH}?routed=1", octets, acme | headers)
        assert short[0] == status, short
        assert short == routed


async def test_a_repetition_is_told_by_either_way(client: Any, acme: Any) -> None:
    key = acme | {"Idempotency-Key": "k-1"}
    octets = msgspec.json.encode(MAIL)
    firsts = [await client.post(f"{PATH}{query}", content=octets, headers=key) for query in ("", "?routed=1", "")]
    assert [one.headers.get("Idempotent-Replayed") for one in firsts] == [None, "true", "true"]
    assert len({one.content for one in firsts}) == 1
    other = msgspec.json.encode(MAIL | {"subject": "Another"})
    assert (await answer(client, PATH, other, key)) == (await answer(client, f"{PATH}?routed=1", other, key))


async def test_a_key_without_the_scope_is_refused_alike(client: Any, acme: Any) -> None:
    made = await client.post("/api/v1/api-keys", json={"name": "reader", "scopes": ["messages:read"]}, headers=acme)
    key = {"X-API-Key": made.json()["secret"]}
    await client.get("/api/v1/messages", headers=key)
    octets = msgspec.json.encode(MAIL)
    short = await answer(client, PATH, octets, key)
    assert short[0] == 403
    assert short == await answer(client, f"{PATH}?routed=1", octets, key)


async def test_what_is_not_plain_reaches_the_router_unread(application: Any, client: Any, acme: Any) -> None:
    await client.get("/api/v1/messages", headers=acme)
    for changes, is_routed in WAYS:
        # Where the application's own tasks live.
        found = await asyncio.to_thread(client.blocking_portal.call, partial(way, application, acme, **changes))
        assert found == is_routed


async def way(application: Any, acme: Any, **changes: Any) -> bool:
    """Whether a request reaches the router, and then all of it; else it is answered."""
    parts = changes.pop("parts", [msgspec.json.encode(MAIL)])
    token = acme["Authorization"].encode()
    headers = {b"content-type": b"application/json", b"authorization": token, b"content-length": b"99"}
    headers |= dict(changes.pop("headers", []))
    scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "client": ("testclient", 50000)}
    scope |= {"headers": list(headers.items()), "state": {}, "litestar_app": application} | changes
    coming = [{"type": "http.request", "body": one or b"", "more_body": one is not parts[-1]} for one in parts]
    if parts[-1] is None:
        coming[-1] = {"type": "http.disconnect"}
    expected, routed, sent = list(coming), [], []

    async def receive() -> Any:
        return coming.pop(0)

    async def router(_scope: Any, receive: Any, _send: Any) -> None:
        routed.extend([await receive() for _ in parts])

    async def send(message: Any) -> None:
        sent.append(message)

    await SendShortcut(router)(scope, receive, send)
    assert routed == (expected if routed else []), "a part of it was lost"
    assert bool(sent) != bool(routed)
    return bool(routed)
