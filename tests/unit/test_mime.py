from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from postmta_ctl.core.addresses import Mailbox
from postmta_ctl.core.attachments import Attachment, check_attachment
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.mime import Draft, builder_headers, compose, crlf, size_estimate

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MESSAGE_ID = "<m1@example.org>"
ANN = Mailbox("ann", "example.org", "Ann Lee")
BOB = Mailbox("bob", "example.com")


def draft(**changes: Any) -> Draft:
    fields: dict[str, Any] = {"sender": ANN, "to": (BOB,), "subject": "Hello", "text": "Hi"}
    return Draft(**fields | changes)


def refused(**changes: Any) -> InputError:
    with pytest.raises(InputError) as refusal:
        compose(draft(**changes), message_id=MESSAGE_ID, date=NOW)
    return refusal.value


def test_every_field_the_builder_does_not_make_is_given() -> None:
    assert builder_headers(draft(), MESSAGE_ID, NOW) == {
        "From": "Ann Lee <ann@example.org>",
        "To": "bob@example.com",
        "Subject": "Hello",
        "Message-ID": MESSAGE_ID,
        "Date": "Sun, 22 Nov 2026 12:00:00 +0000",
    }


def test_copies_reply_address_and_own_headers_are_added() -> None:
    cc = (Mailbox("cy", "example.net", "Çy"), BOB)
    full = draft(cc=cc, reply_to=(ANN,), headers=(("X-Tag", "größer"), ("List-Id", "<l.example.org>")))

    headers = builder_headers(full, MESSAGE_ID, NOW)

    assert headers["Cc"] == "=?utf-8?b?w4d5?= <cy@example.net>, bob@example.com"
    assert headers["Reply-To"] == "Ann Lee <ann@example.org>"
    assert headers["X-Tag"] == "=?utf-8?b?Z3LDtsOfZXI=?="
    assert headers["List-Id"] == "<l.example.org>"


def test_all_headers_are_ascii_without_line_ends() -> None:
    sender = Mailbox("a", "example.org", "Ä" * 100)
    full = draft(sender=sender, subject="日本語" * 60, headers=(("X-A", "é  " * 90),))

    headers = builder_headers(full, MESSAGE_ID, NOW)

    assert all(value.isascii() and value.isprintable() for value in headers.values())


def test_a_message_of_blind_copies_shows_nobody() -> None:
    assert builder_headers(draft(to=()), MESSAGE_ID, NOW)["To"] == "undisclosed-recipients:;"


def test_the_date_keeps_its_offset() -> None:
    date = NOW.astimezone(timezone(timedelta(hours=2)))

    assert builder_headers(draft(), MESSAGE_ID, date)["Date"] == "Sun, 22 Nov 2026 14:00:00 +0200"


def test_a_missing_alternative_is_not_invented() -> None:
    content = compose(draft(text=None, html="<p>Hi</p>"), message_id=MESSAGE_ID, date=NOW)

    assert (content.text, content.html) == (None, "<p>Hi</p>")


@pytest.mark.parametrize("body", ["a\nb\n", "a\rb\r", "a\r\nb\r\n"])
def test_bodies_have_crlf_line_ends(body: str) -> None:
    content = compose(draft(text=body, html=body), message_id=MESSAGE_ID, date=NOW)

    assert (content.text, content.html) == ("a\r\nb\r\n", "a\r\nb\r\n")


def test_crlf_changes_nothing_twice() -> None:
    assert crlf(crlf("a\n\r\n\rb")) == crlf("a\n\r\n\rb") == "a\r\n\r\n\r\nb"


def test_template_syntax_in_a_body_is_left_alone() -> None:
    assert compose(draft(text="{{ 1+1 }}{% x %}"), message_id=MESSAGE_ID, date=NOW).text == "{{ 1+1 }}{% x %}"


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"text": None}, "text", "content_missing"),
        ({"text": "", "html": ""}, "text", "content_missing"),
        ({"html": "a\0b"}, "html", "content_nul"),
        ({"subject": "a\nb"}, "subject", "header_value_control_character"),
        ({"sender": Mailbox("a", "example.org", "a\rb")}, "from", "header_value_control_character"),
        ({"cc": (Mailbox("a", "example.org", "a\0b"),)}, "cc", "header_value_control_character"),
        ({"headers": (("X-A", "a\r\nb"),)}, "headers.X-A", "header_value_control_character"),
        ({"headers": (("Bcc", "eve@example.org"),)}, "headers.Bcc", "header_name_reserved"),
        ({"headers": (("X-A", "1"), ("x-a", "2"))}, "headers.x-a", "header_duplicate"),
        ({"headers": tuple((f"X-{n}", "") for n in range(51))}, "headers", "too_many_headers"),
        (
            {"attachments": (Attachment(data=b"", file_name="ok"), Attachment(data=b"", file_name="a\nb"))},
            "attachments[1].file_name",
            "attachment_file_name",
        ),
        (
            {"attachments": (Attachment(data=b"", content_id="x"), Attachment(data=b"", content_id="<x>"))},
            "attachments[1].content_id",
            "attachment_content_id",
        ),
    ],
)
def test_a_refusal_names_the_field(changes: dict[str, Any], field: str, code: str) -> None:
    refusal = refused(**changes)

    assert (refusal.field, refusal.code) == (field, code)


@pytest.mark.parametrize(
    "name", ["report.pdf", "日本語の添付.txt", "My file (1).csv", "it's 100%*.txt", "x" * 255, None]
)
def test_usual_file_names_are_kept(name: str | None) -> None:
    assert check_attachment(Attachment(data=b"", file_name=name)).file_name == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", 'a"b', "a\r\nX-Evil: 1", "a\0", "\ud800", "x" * 256])
def test_file_names_that_would_break_the_part_are_refused(name: str) -> None:
    with pytest.raises(InputError) as refusal:
        check_attachment(Attachment(data=b"", file_name=name))

    assert refusal.value.code == "attachment_file_name"


@pytest.mark.parametrize(
    "value",
    [
        "text/plain",
        " image/png ",
        "text/csv; charset=utf-8",
        'text/x; a="b c"; d=e',
        "application/vnd.oasis+xml",
        "A/B",
    ],
)
def test_content_types_are_kept(value: str) -> None:
    assert check_attachment(Attachment(data=b"", content_type=value)).content_type == value.strip()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "text",
        "text/",
        "text/plain\r\nX-Evil: 1",
        "text/plain; name=x",
        "text/plain; NAME=x",
        "text/plain; a",
        'text/plain; a="b',
        "text/größe",
        "text/" + "x" * 200,
        "message/rfc822",
        "Multipart/mixed; boundary=x",
    ],
)
def test_content_types_that_would_break_the_part_are_refused(value: str) -> None:
    with pytest.raises(InputError) as refusal:
        check_attachment(Attachment(data=b"", content_type=value))

    assert refusal.value.code == "attachment_content_type"


@pytest.mark.parametrize(("given", "kept"), [("logo", "logo"), ("<logo@example.org>", "logo@example.org")])
def test_a_content_id_is_kept_without_brackets(given: str, kept: str) -> None:
    assert check_attachment(Attachment(data=b"", content_id=given)).content_id == kept


@pytest.mark.parametrize("value", ["", "<>", "a b", "<a>b", "a\nb", "ä", "x" * 201])
def test_other_content_ids_are_refused(value: str) -> None:
    with pytest.raises(InputError) as refusal:
        check_attachment(Attachment(data=b"", content_id=value))

    assert refusal.value.code == "attachment_content_id"


def test_the_size_counts_what_encoding_adds() -> None:
    small = compose(draft(), message_id=MESSAGE_ID, date=NOW)
    large = compose(draft(attachments=(Attachment(data=b"x" * 30_000),)), message_id=MESSAGE_ID, date=NOW)

    assert 40_000 < size_estimate(large) - size_estimate(small) < 42_000
