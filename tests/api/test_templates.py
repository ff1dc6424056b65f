"""Stored templates: versions that never change, and messages made by them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from postmta_ctl.core import kept_content
from postmta_ctl.core.mime import Content
from postmta_ctl.store.tables import message_contents

PATH = "/api/v1/templates"
WELCOME = {"name": "welcome", "subject": "Hello {{ name }}", "text": "Hi {{ name }}", "html": "<p>Hi {{ name }}</p>"}


async def make(client: Any, auth: Any, **changes: Any) -> Any:
    answer = await client.post(PATH, json=WELCOME | changes, headers=auth)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def send(client: Any, auth: Any, **fields: Any) -> Any:
    body = {"from": "ann@acme.test", "to": ["bob@example.org"]} | fields
    return await client.post("/api/v1/messages/send", json=body, headers=auth)


async def contents(db: Any) -> list[Content]:
    async with db.reading() as connection:
        rows = (await connection.scalars(select(message_contents.c.content))).all()
    return [kept_content.read(row).opened() for row in rows]


async def test_a_template_is_kept_in_versions(client: Any, acme: Any) -> None:
    made = await make(client, acme)
    assert (made["version"], made["latest_version"], made["author"]) == (1, 1, "ann@acme.test")
    path = f"{PATH}/{made['id']}"
    change = {"subject": "Welcome {{ name }}", "text": "Hi", "based_on": 1}
    second = (await client.put(path, json=change, headers=acme)).json()
    assert (second["version"], second["html"]) == (2, None)
    assert (await client.get(path, headers=acme)).json() == second
    assert (await client.get(f"{path}/versions/1", headers=acme)).json() == made | {"latest_version": 2}
    assert [one["version"] for one in (await client.get(f"{path}/versions", headers=acme)).json()] == [2, 1]
    stale = await client.put(path, json=change, headers=acme)
    assert (stale.status_code, stale.json()["code"]) == (409, "version_conflict")
    (listed,) = (await client.get(PATH, headers=acme)).json()["data"]
    assert (listed["name"], listed["latest_version"]) == ("welcome", 2)
    assert (await client.delete(path, headers=acme)).status_code == 204
    assert (await client.get(path, headers=acme)).status_code == 404


async def test_two_editors_at_once_do_not_overwrite_each_other(client: Any, acme: Any) -> None:
    path = f"{PATH}/{(await make(client, acme))['id']}"
    change = {"subject": "x", "text": "y", "based_on": 1}
    answers = await asyncio.gather(*(client.put(path, json=change, headers=acme) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]


async def test_names_are_taken_once_in_each_organization(client: Any, acme: Any, bob: Any) -> None:
    await make(client, acme)
    assert (await client.post(PATH, json=WELCOME, headers=acme)).status_code == 409
    await make(client, bob)


async def test_all_that_is_wrong_is_named(client: Any, acme: Any) -> None:
    body = {"name": "x", "subject": "{{", "text": "{{ 2 ** 99 }}", "html": "{{ x | safe }}"}
    answer = await client.post(PATH, json=body, headers=acme)
    assert answer.status_code == 422
    assert [(one["field"], one["code"]) for one in answer.json()["errors"]] == [
        ("subject", "template_syntax"),
        ("text", "template_not_allowed"),
        ("html", "template_not_allowed"),
    ]
    assert (await client.post(PATH, json={"name": "x", "subject": "y"}, headers=acme)).status_code == 422


async def test_a_preview_sends_nothing(client: Any, acme: Any, db: Any) -> None:
    path = f"{PATH}/{(await make(client, acme))['id']}/preview"
    shown = (await client.post(path, json={"variables": {"name": "<Ann>"}}, headers=acme)).json()
    assert shown == {"version": 1, "subject": "Hello <Ann>", "text": "Hi <Ann>", "html": "<p>Hi &lt;Ann&gt;</p>"}
    missing = await client.post(path, json={}, headers=acme)
    assert (missing.status_code, missing.json()["errors"][0]["code"]) == (422, "variable_missing")
    assert (await client.post(path, json={"version": 9}, headers=acme)).status_code == 404
    assert await contents(db) == []


async def test_a_message_is_made_by_a_template(client: Any, acme: Any, db: Any) -> None:
    made = await make(client, acme)
    await client.put(f"{PATH}/{made['id']}", json={"subject": "Two", "text": "2 {{ name }}"}, headers=acme)
    for version in (None, 1):
        answer = await send(client, acme, template_id=made["id"], template_version=version, variables={"name": "Ann"})
        assert answer.status_code == 202, answer.text
    newest, first = sorted(await contents(db), key=lambda one: one.html is not None)
    assert (newest.headers["Subject"], newest.text, newest.html) == ("Two", "2 Ann", None)
    assert (first.headers["Subject"], first.html) == ("Hello Ann", "<p>Hi Ann</p>")
    subjects = [one["subject"] for one in (await client.get("/api/v1/messages", headers=acme)).json()["data"]]
    assert subjects == ["Hello Ann", "Two"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"variables": {}}, "variable_missing"),
        ({"variables": {"name": "a\r\nBcc: eve@example.org"}}, "header_value_control_character"),
        ({"variables": {"name": "x" * 70_000}}, "variables_too_large"),
        ({"subject": "own"}, "template_conflict"),
        ({"text": "own"}, "template_conflict"),
        ({"template_version": 9}, "template_unknown"),
        ({"template_id": "nothing"}, "template_unknown"),
        ({"template_id": None, "text": "x", "variables": {"a": 1}}, "template_missing"),
    ],
)
async def test_what_cannot_be_filled_in_is_refused(client: Any, acme: Any, fields: Any, code: str) -> None:
    made = await make(client, acme)
    answer = await send(client, acme, **({"template_id": made["id"], "variables": {"name": "Ann"}} | fields))
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code)


async def test_each_message_of_a_batch_has_its_own_values(client: Any, acme: Any, db: Any) -> None:
    template_id = (await make(client, acme))["id"]
    items = [
        {"from": "ann@acme.test", "to": ["bob@example.org"], "template_id": template_id, "variables": variables}
        for variables in ({"name": "A"}, {}, {"name": "B"})
    ]
    body = (await client.post("/api/v1/messages/batch", json={"messages": items}, headers=acme)).json()
    assert [one["status"] for one in body["results"]] == ["queued", "rejected", "queued"]
    assert sorted(one.headers["Subject"] for one in await contents(db)) == ["Hello A", "Hello B"]


async def test_another_organizations_template_is_not_found(client: Any, acme: Any, bob: Any) -> None:
    template_id = (await make(client, bob))["id"]
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/versions", None),
        ("GET", "/versions/1", None),
        ("PUT", "", {"subject": "x", "text": "x"}),
        ("POST", "/preview", {"variables": {"name": "x"}}),
        ("DELETE", "", None),
    ):
        answer = await client.request(method, f"{PATH}/{template_id}{path}", json=body, headers=acme)
        assert answer.status_code == 404, (method, path)
    answer = await send(client, acme, template_id=template_id, variables={"name": "x"})
    assert answer.json()["errors"][0]["code"] == "template_unknown"


async def test_a_change_can_ask_for_the_version_it_was_made_for(client: Any, acme: Any) -> None:
    path = f"{PATH}/{(await make(client, acme))['id']}"
    known = (await client.get(path, headers=acme)).headers["etag"]
    change = {"subject": "x", "text": "y"}
    made = await client.put(path, json=change, headers=acme | {"If-Match": known})
    assert made.status_code == 200
    stale = await client.put(path, json=change, headers=acme | {"If-Match": known})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert (await client.delete(path, headers=acme | {"If-Match": known})).status_code == 412
    assert (await client.get(path, headers=acme)).json()["version"] == 2, "nothing was done"
    assert (await client.delete(path, headers=acme | {"If-Match": made.headers["etag"]})).status_code == 204
