"""SendGrid's request and answers, over our own path."""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar import Litestar

from postmta_ctl.errors import InvalidRequest
from postmta_ctl.features.docs.document import describe
from postmta_ctl.features.messages.schemas import SendRequest
from postmta_ctl.features.sendgrid.mapping import MAPPED, messages
from postmta_ctl.features.sendgrid.refusals import REFUSED as NOT_DONE
from postmta_ctl.features.sendgrid.refusals import refuse
from postmta_ctl.features.sendgrid.schemas import MailSend
from postmta_ctl.features.sendgrid.service import read
from tests.conftest import Client, FakeClock

sqlite_only = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
URL = "/v3/mail/send"


def request(**more: Any) -> dict[str, Any]:
    return {
        "personalizations": [{"to": [{"email": "bob@example.org", "name": 'Bob "B" O\'Neil, Jr.'}]}],
        "from": {"email": "news@acme.test", "name": "Acme"},
        "subject": "Hello",
        "content": [{"type": "text/plain", "value": "Hi"}],
    } | more


@pytest.fixture
async def key(client: Client, acme: dict[str, str]) -> dict[str, str]:
    """As SendGrid's libraries send it."""
    made = await client.post("/api/v1/api-keys", json={"name": "shop", "scopes": ["messages:send"]}, headers=acme)
    return {"Authorization": f"Bearer {made.json()['secret']}"}


@sqlite_only
async def test_one_message_with_all_that_is_mapped(
    client: Client, acme: dict[str, str], key: dict[str, str], clock: FakeClock
) -> None:
    person = {
        "to": [{"email": "bob@example.org", "name": 'Bob "B" O\'Neil, Jr.'}],
        "cc": [{"email": "carl@example.org"}],
        "bcc": [{"email": "dora@example.org"}],
        "subject": "Hello Bob",
        "headers": {"X-Shop": "7"},
        "custom_args": {"order": "12"},
        "send_at": int(clock().timestamp()) + 3600,
    }
    body = request(
        personalizations=[person],
        reply_to_list=[{"email": "help@acme.test"}, {"email": "desk@acme.test", "name": "Desk"}],
        content=[{"type": "text/plain", "value": "Hi"}, {"type": "text/html", "value": "<p>Hi</p>"}],
        attachments=[{"content": b64encode(b"%PDF").decode(), "filename": "a.pdf", "type": "application/pdf"}],
        categories=["spring", "sale"],
        custom_args={"shop": "x", "order": "0"},
        headers={"X-Shop": "0", "X-All": "1"},
        batch_id="b1",
        mail_settings={"sandbox_mode": {"enable": False}, "footer": {"enable": False, "text": "kept back"}},
        tracking_settings={"click_tracking": {"enable": True}, "open_tracking": {"enable": True}},
    )
    packed = gzip.compress(json.dumps(body).encode())
    answer = await client.post(
        URL, content=packed, headers=key | {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.content) == (202, b"")
    sent = (await client.get(f"/api/v1/messages/{answer.headers['X-Message-Id']}", headers=acme)).json()
    assert [(one["address"], one["kind"]) for one in sent["recipients"]] == [
        ("bob@example.org", "to"),
        ("carl@example.org", "cc"),
        ("dora@example.org", "bcc"),
    ]
    assert sent["subject"] == "Hello Bob"
    assert sent["tags"] == ["spring", "sale"]
    assert sent["metadata"] == {"shop": "x", "order": "12"}
    assert sent["track_opens"] is sent["track_clicks"] is True
    assert sent["batch_id"] == "b1"
    assert sent["scheduled_at"] == "2026-11-22T13:00:00Z"


@sqlite_only
async def test_a_message_for_each_personalization_or_none(
    client: Client, acme: dict[str, str], key: dict[str, str]
) -> None:
    template = {"name": "hi", "subject": "Hello {{ name }}", "text": "Hi {{ name }}"}
    made = (await client.post("/api/v1/templates", json=template, headers=acme)).json()
    people = [
        {"to": [{"email": f"{name}@example.org"}], "dynamic_template_data": {"name": name}} for name in ("ann", "bob")
    ]
    body = {"personalizations": people, "from": {"email": "news@acme.test"}, "template_id": f"d-{made['id']}"}
    answers = [await client.post(URL, json=body, headers=key | {"Idempotency-Key": "k"}) for _ in range(2)]
    batch = answers[0].headers["X-Message-Id"]
    assert answers[1].headers["X-Message-Id"] == batch
    found = (await client.get("/api/v1/messages", params={"batch_id": batch}, headers=acme)).json()["data"]
    assert [one["subject"] for one in found] == ["Hello bob", "Hello ann"]
    del people[1]["dynamic_template_data"]["name"]
    refused = await client.post(URL, json=body, headers=key)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"].startswith("personalizations.1.dynamic_template_data")
    assert len((await client.get("/api/v1/messages", headers=acme)).json()["data"]) == 2


@sqlite_only
async def test_the_sandbox_checks_and_sends_nothing(client: Client, acme: dict[str, str], key: dict[str, str]) -> None:
    answer = await client.post(URL, json=request(mail_settings={"sandbox_mode": {"enable": True}}), headers=key)
    assert (answer.status_code, answer.content) == (200, b"")
    assert (await client.get("/api/v1/messages", headers=acme)).json()["data"] == []


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"asm": {"group_id": 1}}, "asm"),
    ({"mail_settings": {"bypass_list_management": {"enable": True}}}, "mail_settings.bypass_list_management"),
    ({"mail_settings": {"footer": {"enable": True}}}, "mail_settings.footer"),
    ({"mail_settings": {"spam_check": {"enable": True}}}, "mail_settings.spam_check"),
    ({"mail_settings": {"bcc": {"enable": True}}}, "mail_settings.bcc"),
    ({"tracking_settings": {"subscription_tracking": {"enable": True}}}, "tracking_settings.subscription_tracking"),
    ({"tracking_settings": {"ganalytics": {"enable": True}}}, "tracking_settings.ganalytics"),
    (
        {"tracking_settings": {"click_tracking": {"enable": True, "enable_text": True}}},
        "tracking_settings.click_tracking.enable_text",
    ),
    (
        {"tracking_settings": {"open_tracking": {"enable": True, "substitution_tag": "%x%"}}},
        "tracking_settings.open_tracking.substitution_tag",
    ),
    ({"content": [{"type": "text/x-amp-html", "value": "x"}]}, "content.0.type"),
    ({"content": [{"type": "text/plain", "value": ""}]}, "content.0.value"),
    ({"sections": {}}, "sections"),
    ({"reply_to": {"email": "a@b.test"}, "reply_to_list": [{"email": "c@d.test"}]}, "reply_to_list"),
    ({"reply_to": {"email": "nobody"}}, "reply_to"),
    ({"reply_to": {"email": 'a@b.test>, "x" <c@d.test'}}, "reply_to.email"),
    ({"from": {"email": "news@other.test"}}, "from"),
    ({"from": {}}, "from.email"),
    ({"subject": 5}, "subject"),
    ({"categories": ["x" * 200]}, "categories.0"),
    ({"headers": {"To": "x@y.test"}}, "headers.To"),
    ({"ip_pool_name": "none"}, "ip_pool_name"),
    ({"template_id": "d-13b8f94fbcae4ec6b75270d6cb59f932", "subject": None, "content": []}, "template_id"),
    ({"send_at": 4_000_000_000}, "send_at"),
    ({"send_at": 10**18}, "send_at"),
    ({"attachments": [{"content": "?", "filename": "a"}]}, "attachments.0.content"),
    ({"attachments": [{"content": "", "filename": "a/b"}]}, "attachments.0.filename"),
    ({"attachments": [{"content": "", "filename": "a", "disposition": "inline"}]}, "attachments.0.content_id"),
    ({"attachments": [{"content": "", "filename": "a", "type": "nonsense"}]}, "attachments.0.type"),
    ({"subject": "a\u0000b"}, "subject"),
    ({"personalizations": []}, "personalizations"),
    ({"personalizations": [{"to": []}]}, "personalizations.0.to"),
    ({"personalizations": [{"to": [{"email": "a b"}]}]}, "personalizations.0.to.0.email"),
    ({"personalizations": [{"to": [{"email": "a"}]}]}, "personalizations.0.to.0"),
    (
        {"personalizations": [{"to": [{"email": "a@b.test"}], "cc": [{"email": "A@b.test"}]}]},
        "personalizations.0.cc.0.email",
    ),
    (
        {"personalizations": [{"to": [{"email": "a@b.test"}], "substitutions": {"%n%": "x"}}]},
        "personalizations.0.substitutions",
    ),
    ({"personalizations": [{"to": [{"email": f"a{n}@b.test"} for n in range(1001)]}]}, "personalizations"),
]


@sqlite_only
async def test_what_is_not_done_is_refused_by_its_name(
    client: Client, acme: dict[str, str], key: dict[str, str]
) -> None:
    for more, field in REFUSED:
        answer = await client.post(URL, json=request(**more), headers=key)
        told = answer.json()
        assert answer.status_code == 400, (more, told)
        assert told["errors"][0]["field"] == field, (more, told)
        assert told["errors"][0]["message"]
        assert told["id"]
    assert (await client.get("/api/v1/messages", headers=acme)).json()["data"] == []


@sqlite_only
async def test_other_errors_have_the_same_form(client: Client, acme: dict[str, str], key: dict[str, str]) -> None:
    nobody = await client.post(URL, json=request(), headers={"Authorization": "Bearer SG.x"})
    reader = {"name": "reader", "scopes": ["messages:read"]}
    other = (await client.post("/api/v1/api-keys", json=reader, headers=acme)).json()["secret"]
    forbidden = await client.post(URL, json=request(), headers={"Authorization": f"Bearer {other}"})
    broken = await client.post(URL, content=b"{", headers=key)
    strange = await client.post(URL, content=b"{}", headers=key | {"Content-Encoding": "br"})
    bomb = gzip.compress(b" " * 200_000_000, 9)
    large = await client.post(URL, content=bomb, headers=key | {"Content-Encoding": "gzip"})
    answers = (nobody, forbidden, broken, strange, large)
    assert [one.status_code for one in answers] == [401, 403, 400, 400, 400]
    for one in answers:
        assert one.json()["errors"][0].keys() == {"message", "field", "help", "error_id"}


def fields(struct: type[msgspec.Struct]) -> Iterator[str]:
    for one in msgspec.structs.fields(struct):
        yield one.encode_name
        for kind in (one.type, *get_args(one.type)):
            if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
                yield from fields(kind)
            for inner in get_args(kind):
                if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                    yield from fields(inner)


def test_the_page_tells_what_becomes_of_every_field() -> None:
    page = (Path(__file__).parents[2] / "docs/sendgrid.md").read_text(encoding="utf-8")
    named = {part for code in re.findall(r"`([^`\n]+)`", page) for part in re.split(r"[.\s]", code)}
    assert set(fields(MailSend)) - named == set()


def test_the_document_tells_what_becomes_of_every_field(application: Litestar) -> None:
    told = {field.partition(".")[0] for field in (*MAPPED, *NOT_DONE)} | {"batch_id"}  # which has the same name with us
    assert {one.encode_name for one in msgspec.structs.fields(MailSend)} == told
    ours = {one.encode_name for one in msgspec.structs.fields(SendRequest)}
    assert {name for words in MAPPED.values() for name in words.split(" and ")} <= ours
    document = describe(application)
    operation, schemas = document["paths"][URL]["post"], document["components"]["schemas"]
    body = schemas[operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]]
    assert "tags" in body["properties"]["categories"]["description"]
    assert "Refused" in schemas["SendGridMailSettings"]["properties"]["footer"]["description"]
    assert "Refused" in schemas["SendGridPersonalization"]["properties"]["substitutions"]["description"]
    text = json.dumps(body) + json.dumps([one for name, one in schemas.items() if name.startswith("SendGrid")])
    for words in NOT_DONE.values():
        assert json.dumps(words)[1:-1] in text
    assert operation["responses"]["202"]["headers"].keys() == {"X-Message-Id"}
    errors = schemas["SendGridProblem"]["properties"]
    assert errors.keys() == {"message", "field", "help", "error_id"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_nothing_but_a_named_error_comes_of_any_body(data: st.DataObject) -> None:
    body = request(**data.draw(st.dictionaries(st.sampled_from([*sorted(request()), "asm", "send_at"]), JSON)))
    with suppress(InvalidRequest):
        taken = read(json.dumps(body).encode())
        refuse(taken)
        assert len(messages(taken)) == len(taken.personalizations)
