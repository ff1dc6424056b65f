"""The suppression list: kept by hand and by file, and what it does to mail."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from postmta_ctl.store.tables import events, outbox, recipients

LIST = "/api/v1/suppressions"
MAIL = {"from": "ann@acme.test", "to": ["bob@example.org"], "subject": "Hello", "text": "Hi"}


async def suppress(client: Any, auth: Any, address: str, **more: Any) -> Any:
    answer = await client.post(LIST, json={"address": address} | more, headers=auth)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def listed(client: Any, auth: Any, query: str = "") -> list[str]:
    answer = await client.get(f"{LIST}{query}", headers=auth)
    assert answer.status_code == 200, answer.text
    return [one["address"] for one in answer.json()["data"]]


async def upload(client: Any, auth: Any, body: str | bytes) -> Any:
    answer = await client.post(f"{LIST}/import", content=body, headers=auth | {"Content-Type": "text/csv"})
    assert answer.status_code == 200, answer.text
    return answer.json()


class TestTheList:
    async def test_an_address_is_added_shown_and_removed(self, client: Any, acme: Any) -> None:
        made = await suppress(client, acme, "Bob <BOB@Example.org>", note="asked on the phone")
        assert (made["address"], made["reason"], made["note"]) == ("bob@example.org", "manual", "asked on the phone")
        assert (await client.get(f"{LIST}/{made['id']}", headers=acme)).json() == made
        assert (await client.delete(f"{LIST}/{made['id']}", headers=acme)).status_code == 204
        assert await listed(client, acme) == []
        assert (await client.delete(f"{LIST}/{made['id']}", headers=acme)).status_code == 404

    async def test_an_address_that_is_listed_stays_as_it_is(self, client: Any, acme: Any) -> None:
        first = await suppress(client, acme, "bob@example.org", reason="complaint")
        assert await suppress(client, acme, "Bob@Example.Org") == first

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"address": "nonsense"}, "address"),
            ({"address": "a@example.org\r\nx"}, "address"),
            ({"address": "a@example.org", "reason": "whim"}, "reason"),
            ({"address": "a@example.org", "note": "two\nlines"}, "note"),
            ({}, "address"),
        ],
    )
    async def test_what_is_no_address_is_refused(self, client: Any, acme: Any, body: Any, field: str) -> None:
        answer = await client.post(LIST, json=body, headers=acme)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)

    async def test_the_list_is_filtered_and_paged(self, client: Any, acme: Any) -> None:
        for address in ("a@example.org", "b@example.org", "c@sub.example.org", "d@other.test"):
            await suppress(client, acme, address, reason="complaint" if address[0] == "a" else "manual")
        assert await listed(client, acme, "?reason=complaint") == ["a@example.org"]
        assert await listed(client, acme, "?domain=Example.org") == ["b@example.org", "a@example.org"]
        assert await listed(client, acme, "?address=D@other.test") == ["d@other.test"]
        first = (await client.get(f"{LIST}?limit=3", headers=acme)).json()
        assert await listed(client, acme, f"?limit=3&cursor={first['next_cursor']}") == ["a@example.org"]
        for bad in ("reason=whim", "domain=%25", "address=x"):
            assert (await client.get(f"{LIST}?{bad}", headers=acme)).status_code in (400, 422)

    async def test_addresses_are_checked_by_the_hundred(self, client: Any, acme: Any) -> None:
        await suppress(client, acme, "bob@example.org")
        asked = ["Bob@example.org", "eve@example.org"]
        answer = (await client.post(f"{LIST}/check", json={"addresses": asked}, headers=acme)).json()
        assert answer["data"] == [
            {"address": "Bob@example.org", "suppressed": True, "reason": "manual"},
            {"address": "eve@example.org", "suppressed": False, "reason": None},
        ]
        refused = await client.post(f"{LIST}/check", json={"addresses": ["x", "bob@example.org", "y"]}, headers=acme)
        assert [one["field"] for one in refused.json()["errors"]] == ["addresses[0]", "addresses[2]"]

    async def test_another_organization_sees_and_changes_nothing(self, client: Any, acme: Any, bob: Any) -> None:
        made = await suppress(client, acme, "bob@example.org")
        assert await listed(client, bob) == []
        for method in ("get", "delete"):
            assert (await getattr(client, method)(f"{LIST}/{made['id']}", headers=bob)).status_code == 404
        asked = {"addresses": ["bob@example.org"]}
        checked = (await client.post(f"{LIST}/check", json=asked, headers=bob)).json()
        assert not checked["data"][0]["suppressed"]
        assert b"bob@" not in (await client.get(f"{LIST}/export", headers=bob)).content
        await suppress(client, bob, "bob@example.org")
        assert await listed(client, acme) == ["bob@example.org"]

    async def test_reading_is_not_writing(self, client: Any, acme: Any) -> None:
        body = {"name": "reader", "scopes": ["suppressions:read"]}
        key = {"X-API-Key": (await client.post("/api/v1/api-keys", json=body, headers=acme)).json()["secret"]}
        assert await listed(client, key) == []
        assert (await client.post(LIST, json={"address": "a@example.org"}, headers=key)).status_code == 403
        assert (await client.post(f"{LIST}/import", content=b"a@example.org", headers=key)).status_code == 403


class TestFiles:
    async def test_good_lines_are_taken_whatever_the_others_are(self, client: Any, acme: Any) -> None:
        body = 'a@example.org\r\nnonsense\n\nB@example.org,complaint,"said ""no"", twice"\nc@x.test,whim\n"open\n'
        answer = await upload(client, acme, body)
        assert (answer["added"], answer["existing"], answer["rejected"]) == (2, 0, 3)
        assert [error["line"] for error in answer["errors"]] == [2, 5, 6]
        kept = (await client.get(f"{LIST}?reason=complaint", headers=acme)).json()["data"]
        assert [(one["address"], one["note"]) for one in kept] == [("b@example.org", 'said "no", twice')]

    async def test_a_file_can_be_sent_again(self, client: Any, acme: Any) -> None:
        body = "address\na@example.org\nA@EXAMPLE.ORG\nb@example.org\n"
        assert (await upload(client, acme, body))["added"] == 2
        again = await upload(client, acme, body)
        assert (again["added"], again["existing"], again["rejected"]) == (0, 3, 0)

    async def test_thousands_of_lines(self, client: Any, acme: Any) -> None:
        lines = [f"r{number}@example.org" for number in range(2500)]
        assert (await upload(client, acme, "\n".join(lines)))["added"] == 2500

    async def test_the_errors_are_counted_but_not_all_told(self, client: Any, acme: Any) -> None:
        answer = await upload(client, acme, "x\n" * 250)
        assert (answer["rejected"], len(answer["errors"])) == (250, 100)

    async def test_a_line_without_end_is_not_kept_in_memory(self, client: Any, acme: Any) -> None:
        answer = await upload(client, acme, b"x" * 1_000_000 + b"\nok@example.org\n")
        assert (answer["added"], await listed(client, acme)) == (1, ["ok@example.org"])
        assert "more than" in answer["errors"][0]["message"]

    async def test_octets_that_are_no_text_are_an_error_of_their_line(self, client: Any, acme: Any) -> None:
        answer = await upload(client, acme, b"\xff\xfe@example.org\nok@example.org")
        assert (answer["added"], answer["rejected"]) == (1, 1)

    async def test_the_columns_of_a_header_count(self, client: Any, acme: Any) -> None:
        await upload(client, acme, "\ufeffname,reason,Address\nBob,unsubscribe,bob@example.org\n")
        (one,) = (await client.get(LIST, headers=acme)).json()["data"]
        assert (one["address"], one["reason"]) == ("bob@example.org", "unsubscribe")

    async def test_no_cell_of_the_export_is_a_formula_and_it_comes_back_as_it_was(
        self, client: Any, acme: Any, bob: Any
    ) -> None:
        addresses = ["=cmd|x@example.org", "+1@example.org", "-a@example.org", "'=q@example.org", "o'k@example.org"]
        for address in addresses:
            await suppress(client, acme, address, note="=HYPERLINK(1)")
        exported = (await client.get(f"{LIST}/export", headers=acme)).content
        cells = [cell for line in exported.decode().splitlines() for cell in line.split(",")]
        assert [cell for cell in cells if cell[:1] in "=+-@" and cell] == []
        assert (await upload(client, bob, exported))["added"] == len(addresses)
        assert sorted(await listed(client, bob)) == sorted(addresses)


class TestAtAccept:
    async def test_a_suppressed_recipient_gets_nothing_and_the_answer_says_so(
        self, client: Any, acme: Any, db: Any
    ) -> None:
        await suppress(client, acme, "bob@example.org")
        answer = await client.post(
            "/api/v1/messages/send", json=MAIL | {"to": ["BOB@example.org", "eve@example.org"]}, headers=acme
        )
        body = answer.json()
        assert (answer.status_code, body["status"]) == (202, "queued")
        assert [one["status"] for one in body["recipients"]] == ["suppressed", "queued"]
        async with db.reading() as connection:
            waiting = list(await connection.scalars(select(outbox.c.recipient_id)))
        assert waiting == [body["recipients"][1]["id"]]
        shown = (await client.get(f"/api/v1/messages/{body['id']}", headers=acme)).json()
        assert [entry["type"] for entry in shown["timeline"]] == ["message.queued", "message.suppressed"]

    async def test_a_message_to_nobody_else_is_suppressed(self, client: Any, acme: Any) -> None:
        await suppress(client, acme, "bob@example.org")
        body = (await client.post("/api/v1/messages/send", json=MAIL, headers=acme)).json()
        assert body["status"] == "suppressed"
        listed = (await client.get("/api/v1/messages?status=suppressed", headers=acme)).json()["data"]
        assert [one["id"] for one in listed] == [body["id"]]

    async def test_each_message_of_a_batch_is_judged(self, client: Any, acme: Any) -> None:
        await suppress(client, acme, "bob@example.org")
        messages = [MAIL, {"to": 1}, MAIL | {"to": ["eve@example.org"]}]
        body = (await client.post("/api/v1/messages/batch", json={"messages": messages}, headers=acme)).json()
        assert [one["status"] for one in body["results"]] == ["suppressed", "rejected", "queued"]

    async def test_the_list_of_another_organization_does_not_count(self, client: Any, acme: Any, bob: Any) -> None:
        await suppress(client, bob, "bob@example.org")
        assert (await client.post("/api/v1/messages/send", json=MAIL, headers=acme)).json()["status"] == "queued"

    async def test_it_costs_no_credit(self, client: Any, acme: Any, db: Any) -> None:
        await suppress(client, acme, "bob@example.org")
        await client.post("/api/v1/messages/send", json=MAIL, headers=acme)
        async with db.reading() as connection:
            row = (await connection.execute(select(recipients.c.credits, recipients.c.credit_state))).one()
            kinds = list(await connection.scalars(select(events.c.type)))
        assert (tuple(row), kinds) == ((0, None), ["message.suppressed"])
