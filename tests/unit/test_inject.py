from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core.attachments import Attachment
from postmta_ctl.core.inject import InjectCall, InjectItem, pack
from postmta_ctl.core.kept_content import kept
from postmta_ctl.core.mime import Content


def item(rid: str, **changes: Any) -> InjectItem:
    fields: dict[str, Any] = {
        "rid": rid,
        "address": f"{rid}@example.org",
        "message_id": f"message of {rid}",
        "envelope_sender": "b@bounce.example.com",
        "headers": {"From": "a@example.com", "Subject": f"for {rid}"},
        "text": f"Hello {rid}",
    }
    return InjectItem(**fields | changes)


def as_kept(one: InjectItem) -> InjectItem:
    """The same, with a content that nobody looks at."""
    content = Content(headers=dict(one.headers), text=one.text, html=one.html)
    return msgspec.structs.replace(one, headers={}, text=None, html=None, kept=kept(content))


def body(call: InjectCall) -> Any:
    return json.loads(call.body)


def rendered(call: InjectCall) -> dict[str, dict[str, Any]]:
    """What each recipient gets: the template's variables replaced as KumoMTA does it, values never expanded."""
    request = body(call)

    def fill(template: str, values: dict[str, str]) -> str:
        name = template.removeprefix("{{").removesuffix("}}").removesuffix("|safe")
        assert template in {f"{{{{{name}}}}}", f"{{{{{name}|safe}}}}"}
        return values[name]

    messages = {}
    for recipient in request["recipients"]:
        values = request["substitutions"] | recipient["substitutions"]
        content = request["content"]
        messages[recipient["metadata"]["rid"]] = {
            "address": recipient["email"],
            "headers": {name: fill(value, values) for name, value in content["headers"].items()},
            "text": fill(content["text_body"], values) if "text_body" in content else None,
            "html": fill(content["html_body"], values) if "html_body" in content else None,
        }
    return messages


def test_different_messages_of_one_shape_share_a_request() -> None:
    (call,) = pack([item("r1"), item("r2")])

    assert call.recipients == {"r1@example.org": "r1", "r2@example.org": "r2"}
    assert body(call)["content"] == {"headers": {"From": "{{h0}}", "Subject": "{{h1}}"}, "text_body": "{{text}}"}
    assert rendered(call)["r2"]["headers"] == {"From": "a@example.com", "Subject": "for r2"}
    assert rendered(call)["r2"]["text"] == "Hello r2"


def test_what_all_share_is_sent_once() -> None:
    (call,) = pack([item("r1"), item("r2")])

    assert body(call)["substitutions"] == {"h0": "a@example.com"}
    assert body(call)["recipients"][0]["substitutions"] == {"h1": "for r1", "text": "Hello r1"}


def test_the_frame_of_a_request_hides_the_injector_and_names_the_recipient_for_complaints() -> None:
    (call,) = pack([item("r1")])

    assert body(call)["envelope_sender"] == "b@bounce.example.com"
    assert body(call)["template_dialect"] == "Jinja"
    assert body(call)["trace_headers"] == {
        "received_header": False,
        "supplemental_header": True,
        "header_name": "X-KumoRef",
        "include_meta_names": ["x_rid", "tenant"],
    }


def test_metadata_tells_the_policy_what_to_do_with_a_recipient() -> None:
    (call,) = pack([item("r1", metadata={"tenant": "acme", "campaign": "", "attempt": 2})])

    assert body(call)["recipients"][0]["metadata"] == {"rid": "r1", "tenant": "acme", "attempt": 2}


@pytest.mark.parametrize(
    "changes",
    [
        {"html": "<p>Hi</p>"},
        {"text": None, "html": "<p>Hi</p>"},
        {"headers": {"From": "a@example.com", "Subject": "x", "X-Tag": "y"}},
        {"envelope_sender": "b@bounce.example.net"},
    ],
)
def test_messages_of_different_shapes_travel_apart(changes: dict[str, Any]) -> None:
    first, second = pack([item("r1"), item("r2", **changes), item("r3")])

    assert list(first.recipients.values()) == ["r1", "r3"]
    assert list(second.recipients.values()) == ["r2"]


def test_no_address_is_twice_in_a_request() -> None:
    calls = pack([item(f"r{n}", address="ann@example.org") for n in range(3)] + [item("s")])

    assert [list(call.recipients.values()) for call in calls] == [["r0", "s"], ["r1"], ["r2"]]


def test_a_request_takes_no_more_recipients_than_allowed() -> None:
    calls = pack([item(f"r{n}") for n in range(250)], max_recipients=100)

    assert [len(call.recipients) for call in calls] == [100, 100, 50]


def test_a_request_is_no_longer_than_allowed() -> None:
    calls = pack([item(f"r{n}", text=f"{n}" * 1000) for n in range(100, 200)], max_bytes=50_000)

    assert len(calls) > 2
    assert all(len(call.body) <= 50_000 for call in calls)
    assert sum(len(call.recipients) for call in calls) == 100


def test_an_item_that_is_too_long_by_itself_goes_alone() -> None:
    calls = pack([item("r1"), item("r2", text="x" * 5000), item("r3")], max_bytes=2000)

    assert [list(call.recipients.values()) for call in calls] == [["r1"], ["r2"], ["r3"]]


def test_a_message_with_attachments_travels_alone_with_all_its_recipients() -> None:
    files = (
        Attachment(data=b"\x00\xff", content_type="image/png", file_name="ö.png", content_id="logo"),
        Attachment(data=b"{{ x }}", content_type="text/plain"),
    )
    same = {"message_id": "m", "headers": {"From": "a@example.com"}, "text": "Hi", "attachments": files}

    with_files, without = pack([item("r1"), item("r2", **same), item("r3", **same)])

    assert list(with_files.recipients.values()) == ["r2", "r3"]
    assert list(without.recipients.values()) == ["r1"]
    assert body(with_files)["content"]["attachments"] == [
        {
            "data": base64.b64encode(b"\x00\xff").decode(),
            "base64": True,
            "content_type": "image/png",
            "file_name": "ö.png",
            "content_id": "logo",
        },
        {"data": base64.b64encode(b"{{ x }}").decode(), "base64": True, "content_type": "text/plain"},
    ]


def test_a_long_message_to_many_is_sent_once_and_not_once_for_each() -> None:
    same = {"message_id": "m", "headers": {"From": "a@example.com"}, "text": "x" * 50_000}

    (call, others) = pack([item("r0"), *(item(f"r{n}", **same) for n in range(1, 51)), item("r51", html="<p>")])[:2]

    assert len(call.recipients) == 50
    assert len(call.body) < 60_000
    assert "r1" not in others.recipients.values()


def test_kept_messages_of_one_shape_share_a_request() -> None:
    first, second = pack([as_kept(item("r1")), as_kept(item("r2")), as_kept(item("r3", html="<p>"))])

    assert body(first)["content"] == {"headers": {"From": "{{h0}}", "Subject": "{{h1}}"}, "text_body": "{{text}}"}
    assert rendered(first)["r2"]["headers"] == {"From": "a@example.com", "Subject": "for r2"}
    assert list(first.recipients.values()) == ["r1", "r2"]
    assert list(second.recipients.values()) == ["r3"]


def test_a_long_kept_message_to_many_is_sent_once_beside_others_of_its_shape() -> None:
    same = {"message_id": "m", "headers": {"From": "a@example.com", "Subject": "x"}, "text": "x" * 50_000}

    call, others = pack([as_kept(item("r0")), *(as_kept(item(f"r{n}", **same)) for n in range(1, 51))])

    assert len(call.recipients) == 50
    assert len(call.body) < 60_000
    assert rendered(call)["r50"]["text"] == "x" * 50_000
    assert list(others.recipients.values()) == ["r0"]


def test_a_kept_message_goes_to_the_same_address_in_requests_of_its_own() -> None:
    calls = pack([as_kept(item(f"r{n}", address="ann@example.org")) for n in range(3)] + [as_kept(item("s"))])

    assert [list(call.recipients.values()) for call in calls] == [["r0", "s"], ["r1"], ["r2"]]


def test_nothing_makes_no_request() -> None:
    assert pack([]) == []


WORD = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
LONG = st.builds(lambda word: word * 4000, WORD)
ITEMS = st.lists(
    st.builds(
        lambda address, message, headers, text, html, is_kept: (address, f"m{message}", headers, text, html, is_kept),
        st.sampled_from([f"u{n}@example.org" for n in range(5)]),
        st.integers(0, 3),
        st.dictionaries(st.sampled_from(["From", "Subject", "X-A", "x_a"]), WORD),
        WORD | LONG,
        st.none() | WORD,
        st.booleans(),
    ),
    max_size=20,
)


@given(ITEMS, st.integers(1, 5), st.integers(1, 5), st.integers(500, 3000))
def test_every_item_is_in_exactly_one_request_and_arrives_as_given(
    drawn: list[tuple[str, str, dict[str, str], str, str | None, bool]], times: int, max_recipients: int, max_bytes: int
) -> None:
    items, given_items = [], []
    for n, (address, message, headers, text, html, is_kept) in enumerate(drawn):
        for time in range(times):
            # What is kept is the same for all recipients of a message.
            message_id = f"kept {n}" if is_kept else message
            one = item(f"r{n}.{time}", address=address, message_id=message_id, headers=headers, text=text, html=html)
            items.append(one)
            given_items.append(as_kept(one) if is_kept else one)

    calls = pack(given_items, max_recipients=max_recipients, max_bytes=max_bytes)

    assert sorted(rid for call in calls for rid in call.recipients.values()) == sorted(i.rid for i in items)
    assert all(len(call.recipients) == 1 or len(call.body) <= max_bytes for call in calls)
    arrived = {rid: message for call in calls for rid, message in rendered(call).items()}
    for i in items:
        assert arrived[i.rid] == {"address": i.address, "headers": i.headers, "text": i.text, "html": i.html}
