"""The contract of injection: strict requests, templates, MIME, signatures, metadata, partial failure."""

from __future__ import annotations

import base64
import gzip
import json
from email import message_from_string, policy
from email.message import EmailMessage
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from postmta_ctl.core import verp
from tests.sandbox.fleet import injection
from tests.sandbox.process import SandboxProcess

_queues = iter(range(10**6))


def waiting(shared: SandboxProcess, **changes: Any) -> tuple[EmailMessage, str, dict[str, Any]]:
    """A message as it waits in its queue: parsed, as text, and its envelope and meta."""
    domain = f"d{next(_queues)}.org"
    request = injection(f"defer@{domain}", tenant="bolt")
    recipient = request["recipients"][0] | changes.pop("recipient", {})
    answer = shared.post("/api/inject/v1", **(request | {"recipients": [recipient]} | changes))
    assert answer["errors"] == []
    queue = shared.get("/api/admin/inspect-sched-q/v1", queue_name=f"bolt@{domain}", want_body="true")
    message = queue["messages"][0]["message"]
    parsed = message_from_string(message["data"], policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed, message["data"], message


def content(**changes: Any) -> dict[str, Any]:
    return injection("x@example.org", tenant="bolt")["content"] | changes


def test_values_are_not_expanded_again(shared: SandboxProcess) -> None:
    message, _, _ = waiting(shared)
    assert message["Subject"] == "Hello {{ 1+1 }}"
    assert message.get_content().startswith("Hello defer@d")


def test_html_is_escaped_unless_it_is_said_to_be_safe(shared: SandboxProcess) -> None:
    values = {"subject": "s", "name": "<b>Bob</b>", "link": "<a href='x'>y</a>"}
    message, _, _ = waiting(
        shared,
        recipient={"substitutions": values},
        content=content(text_body="{{name}}", html_body="{{name}} {{link|safe}}"),
    )
    html, text = message.get_body(("html",)), message.get_body(("plain",))
    assert html is not None and text is not None  # noqa: PT018 - for the type checker
    assert html.get_content().strip() == "&lt;b&gt;Bob&lt;&#x2f;b&gt; <a href='x'>y</a>"
    assert text.get_content().strip() == "<b>Bob</b>"
    assert message.get_content_type() == "multipart/alternative"


def test_the_recipients_own_value_wins_over_the_predefined_and_the_common_one(shared: SandboxProcess) -> None:
    body = content(text_body="{{a}} {{email}} {{name}} {{to_header}}")
    common = {"a": "common", "email": "common", "name": "common"}
    recipient = {"name": "Bob", "substitutions": {"a": "own", "subject": "s"}}
    message, _, envelope = waiting(shared, substitutions=common, recipient=recipient, content=body)
    address = envelope["recipient"]
    assert message.get_content().strip() == f'own {address} Bob "Bob" <{address}>'
    assert message["To"].addresses[0].display_name == "Bob"


def test_static_text_is_left_alone(shared: SandboxProcess) -> None:
    text = "From: Ann <ann@bolt.test>\nSubject: {{ not a template\n\n{% nor this"
    _, data, _ = waiting(shared, content=text, template_dialect="Static")
    assert "\r\nSubject: {{ not a template\r\n" in data
    assert data.endswith("\r\n\r\n{% nor this")


def test_headers_are_as_given_when_ascii_and_encoded_as_a_whole_when_not(shared: SandboxProcess) -> None:
    long = " ".join(f"word{number}" for number in range(40))
    headers = {"From": "Ann <ann@bolt.test>", "Subject": "Grüße", "X-Long": long, "X-Broken": "one\r\nBcc: two"}
    message, data, _ = waiting(shared, content=content(headers=headers))
    assert message["Subject"] == "Grüße"
    assert "Subject: =?utf-8?" in data
    assert message["X-Long"].split() == long.split()
    assert max(len(line) for line in data.split("\r\n")) < 100
    assert message["X-Broken"] == "one Bcc: two"
    assert message["Bcc"] is None
    assert message["Date"] is not None
    assert message["Message-ID"] is None


def test_attachments_arrive_as_they_were(shared: SandboxProcess) -> None:
    blob = bytes(range(256)) * 20
    attachments = [
        {
            "data": base64.b64encode(blob).decode(),
            "content_type": "application/pdf",
            "file_name": "Prüfung.pdf",
            "base64": True,
        },
        {"data": "pixel", "content_type": "image/png", "content_id": "logo"},
    ]
    message, _, _ = waiting(shared, content=content(html_body="<img src='cid:logo'>", attachments=attachments))
    (attached,) = message.iter_attachments()
    assert attached.get_content() == blob
    assert attached.get_filename() == "Prüfung.pdf"
    inline = next(part for part in message.walk() if part["Content-ID"] == "<logo>")
    assert inline.get_payload(decode=True) == b"pixel"
    assert [part.get_content_type() for part in message.walk() if part.is_multipart()] == [
        "multipart/mixed",
        "multipart/related",
        "multipart/alternative",
    ]


def test_messages_are_signed_with_the_published_key(shared: SandboxProcess, pems: dict[str, bytes]) -> None:
    _, data, _ = waiting(shared)
    key = load_pem_private_key(pems["ed25519-sha256"], None).public_key()  # type: ignore[union-attr]
    public = base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw))
    records = {b"p1e._domainkey.bolt.test.": b"v=DKIM1; k=ed25519; p=" + public}
    # X-KumoRef is put on top after the policy has signed.
    assert data.startswith("X-KumoRef: ")
    assert dkim.verify(data.encode(), dnsfunc=lambda name, **_: records[name])


def test_the_trace_header_names_recipient_and_chosen_meta(shared: SandboxProcess) -> None:
    trace = {"received_header": False, "include_meta_names": ["tenant", "x_rid"]}
    message, _, envelope = waiting(shared, trace_headers=trace)
    decoded = json.loads(base64.b64decode("".join(message["X-KumoRef"].split())))
    meta = envelope["meta"]
    assert decoded == {
        "_@_": "\\_/",
        "recipient": envelope["recipient"],
        "tenant": "bolt",
        "x_rid": meta["x_rid"],
    }
    assert message["Received"] is None


def test_a_partial_trace_object_turns_the_received_header_on(shared: SandboxProcess) -> None:
    message, _, _ = waiting(shared, trace_headers={"supplemental_header": False})
    assert "127.0.0.1" in message["Received"]
    assert message["X-KumoRef"] is None


def test_metadata_decides_queue_and_sender(shared: SandboxProcess) -> None:
    request = injection("defer@meta.org", tenant="bolt", campaign="spring")
    rid = request["recipients"][0]["metadata"]["rid"]
    shared.post("/api/inject/v1", **request)
    (entry,) = shared.get("/api/admin/inspect-sched-q/v1", queue_name="spring:bolt@meta.org")["messages"]
    assert entry["message"]["sender"] == f"{verp.local_part(rid)}@bounce.postmta.test"
    assert entry["message"]["meta"]["extra"] == request["recipients"][0]["metadata"]


def test_each_recipient_succeeds_or_fails_alone(shared: SandboxProcess) -> None:
    request = injection("defer@partial.org", "not an address", "x@partial.org", tenant="bolt")
    request["recipients"][2]["metadata"]["tenant"] = "nobody"
    answer = shared.post("/api/inject/v1", **request)
    assert (answer["success_count"], answer["fail_count"]) == (1, 2)
    assert answer["failed_recipients"] == ["not an address", "x@partial.org"]
    bad, foreign = answer["errors"]
    assert bad.startswith("not an address: recipient email not an address: ")
    assert foreign.startswith("x@partial.org: 550 5.7.1 postmta-unknown-tenant: ")
    assert shared.get("/api/admin/inspect-sched-q/v1", queue_name="bolt@partial.org")["num_scheduled"] == 1


def test_the_same_injection_is_taken_once(shared: SandboxProcess) -> None:
    request = injection("ok@fence.org", tenant="bolt")
    assert shared.post("/api/inject/v1", **request)["success_count"] == 1
    again = shared.post("/api/inject/v1", **request)
    assert again["success_count"] == 0
    assert "postmta-duplicate" in again["errors"][0]


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({"nonsense": 1}, 422, "unknown field `nonsense`, expected one of `envelope_sender`, `recipients`, `content`"),
        ({"recipients": None}, 422, "recipients: invalid type: null, expected a sequence"),
        ({"content": {"text_body": "x", "oops": 1}}, 422, "content.oops: unknown field `oops`"),
        ({"content": {"text_body": "{% if"}}, 422, "failed parsing field 'text_body' as template: syntax error"),
        ({"template_dialect": "Mustache"}, 422, "template_dialect"),
        ({"template_dialect": "Handlebars"}, 422, "not simulated"),
        ({"deferred_generation": True}, 422, "not simulated"),
    ],
)
def test_a_request_that_does_not_fit_is_refused(
    shared: SandboxProcess, changes: dict[str, Any], status: int, text: str
) -> None:
    answer = shared.http.post("/api/inject/v1", json=injection("x@example.org") | changes)
    assert answer.status_code == status
    assert text in answer.text


def test_bad_base64_is_422(shared: SandboxProcess) -> None:
    broken = [{"data": "!!!", "content_type": "text/plain", "base64": True}]
    answer = shared.http.post("/api/inject/v1", json=injection("x@e.org") | {"content": content(attachments=broken)})
    assert answer.status_code == 422


def test_what_is_no_json_is_400_and_another_media_type_415(shared: SandboxProcess) -> None:
    headers = {"Content-Type": "application/json"}
    assert shared.http.post("/api/inject/v1", content=b"{", headers=headers).status_code == 400
    assert shared.http.post("/api/inject/v1", content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415


def test_a_body_may_be_compressed(shared: SandboxProcess) -> None:
    body = gzip.compress(json.dumps(injection("ok@gzip.org", tenant="bolt")).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = shared.http.post("/api/inject/v1", content=body, headers=headers)
    assert answer.json()["success_count"] == 1


def test_a_body_over_the_listeners_limit_is_413(shared: SandboxProcess) -> None:
    request = injection("ok@example.org", tenant="bolt") | {
        "content": "From: ann@bolt.test\n\n" + "x" * 65 * 1024 * 1024
    }
    answer = shared.http.post(
        "/api/inject/v1",
        content=gzip.compress(json.dumps(request).encode(), 1),
        headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
    )
    assert answer.status_code == 413
