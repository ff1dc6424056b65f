"""The built-in spam rules: a good message that none matches, and for each rule a change that makes just it match."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core.errors import InputError
from postmta_ctl.core.spam.body_rules import GTUBE
from postmta_ctl.core.spam.mail import MAX_SIZE, read_mail
from postmta_ctl.core.spam.score import RULES, advice, matches, verdict
from postmta_ctl.core.spam.verdicts import judge

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HEADERS = {
    "From": "Acme <news@acme.test>",
    "To": "ann@example.com",
    "Subject": "Your order has shipped",
    "Date": "Sun, 22 Nov 2026 11:59:00 +0000",
    "Message-ID": "<1@acme.test>",
    "MIME-Version": "1.0",
    "Content-Type": 'multipart/mixed; boundary="b"',
}
TEXT = (
    "Hello Ann, your parcel left our store this morning and will reach you tomorrow. Follow it at "
    "https://acme.test/parcels/7"
)
HTML = (
    "<html><head><title>Order</title></head><body><img src='https://acme.test/logo.png' alt='Acme'>"
    "<p>Hello Ann, your parcel left our store this morning and will reach you tomorrow. "
    "<a href='https://track.acme.test/7'>acme.test</a></p></body></html>"
)


def message(
    headers: dict[str, str | None] | None = None,
    *,
    text: str | None = TEXT,
    html: str | None = HTML,
    more: str = "",
    extra: str = "",
) -> bytes:
    """The good message with these changes; a header that is None is left out, ``extra`` is put before the header."""
    fields = {name: value for name, value in (HEADERS | (headers or {})).items() if value is not None}
    head = extra + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    parts = [("text/plain", text), ("text/html", html)]
    body = "".join(
        f"--b\r\nContent-Type: {kind}; charset=utf-8\r\n\r\n{content}\r\n"
        for kind, content in parts
        if content is not None
    )
    return f"{head}\r\n{body}{more}--b--\r\n".encode()


def ids(raw: bytes) -> set[str]:
    return {rule.id for rule, _ in matches(read_mail(raw, NOW))}


def attachment(name: str) -> str:
    return f'--b\r\nContent-Type: application/octet-stream; name="{name}"\r\n\r\nx\r\n'


def linked(href: str, text: str = "your parcel") -> str:
    return HTML.replace("</body>", f'<a href="{href}">{text}</a></body>')


HIDDEN = "<div style='Display : none'>{}</div></body>"
CASES: list[tuple[str, bytes]] = [
    ("FROM_MISSING", message({"From": None})),
    ("FROM_MALFORMED", message({"From": "Acme <nobody>"})),
    ("FROM_NAME_ADDRESS", message({"From": '"service@bank.test" <news@acme.test>'})),
    ("FROM_NAME_ADDRESS", message({"From": "=?utf-8?q?service=40bank=2Etest?= <news@acme.test>"})),
    ("REPLY_TO_OTHER", message({"Reply-To": "a@elsewhere.test"})),
    ("DATE_MISSING", message({"Date": None})),
    ("DATE_MALFORMED", message({"Date": "yesterday"})),
    ("DATE_FUTURE", message({"Date": "Tue, 24 Nov 2026 11:59:00 +0000"})),
    ("DATE_PAST", message({"Date": "Sun, 1 Nov 2026 11:59:00 +0000"})),
    ("MESSAGE_ID_MISSING", message({"Message-ID": None})),
    ("MESSAGE_ID_MALFORMED", message({"Message-ID": "12345"})),
    ("RECIPIENT_MISSING", message({"To": None})),
    ("FIELD_REPEATED", message(extra="Subject: Another\r\n")),
    ("HEADER_8BIT", message({"Subject": "Grüße aus dem Lager"})),
    ("SUBJECT_MISSING", message({"Subject": " "})),
    ("SUBJECT_ALL_CAPS", message({"Subject": "YOUR ORDER HAS SHIPPED"})),
    ("SUBJECT_PUNCTUATION", message({"Subject": "Shipped!!!"})),
    ("SUBJECT_FAKE_REPLY", message({"Subject": "RE: your order"})),
    ("MIME_VERSION_MISSING", message({"MIME-Version": None})),
    ("LINE_TOO_LONG", message(text=TEXT + " long" * 300)),
    ("LINE_ENDS_MIXED", message(text=TEXT + "\n")),
    ("BULK_NO_UNSUBSCRIBE", message({"Precedence": "bulk"})),
    ("BULK_NO_UNSUBSCRIBE", message({"List-Id": "<news.acme.test>"})),
    ("BULK_NO_UNSUBSCRIBE", message(text=TEXT + " Unsubscribe: https://acme.test/u")),
    ("UNSUBSCRIBE_NOT_ONE_CLICK", message({"List-Unsubscribe": "<mailto:u@acme.test>"})),
    ("UNSUBSCRIBE_NOT_ONE_CLICK", message({"List-Unsubscribe": "<https://acme.test/u>"})),
    ("GTUBE", message(text=TEXT + "\r\n" + GTUBE)),
    ("BODY_EMPTY", message(text=" ", html=None)),
    ("HTML_ONLY", message(text=None)),
    ("BODIES_DIFFER", message(text="Other things stand here, about gardens, weather, music, tides, foxes, owls.")),
    ("IMAGES_ONLY", message(html="<img src=x alt=x><img src=y alt=y>")),
    ("LITTLE_TEXT", message(html=HTML.replace("<p>", "<p>" + "<i></i>\r\n" * 2000))),
    ("HIDDEN_TEXT", message(html=HTML.replace("</body>", HIDDEN.format("<b>secret words</b> " * 30)))),
    ("ZERO_WIDTH", message(text=TEXT + " pa\u200bss\u200bwo\u200brd\u200bre\u200bset")),
    ("PHRASES", message(text=TEXT + " Act now: you have won")),
    ("LINK_TEXT_MISMATCH", message(html=linked("https://evil.test/x", "https://bank.test/login"))),
    ("LINK_TEXT_MISMATCH", message(html=linked("http://evil.test", "www.bank.test"))),
    ("LINK_SHORTENER", message(html=linked("https://bit.ly/x"))),
    ("LINK_SHORTENER", message(text=TEXT + " https://tinyurl.com/y")),
    ("LINK_IP_ADDRESS", message(html=linked("http://192.0.2.1/x"))),
    ("LINK_IP_ADDRESS", message(html=linked("http://[2001:db8::1]/x"))),
    ("LINK_USERINFO", message(html=linked("https://bank.test@evil.test/"))),
    ("SCRIPT", message(html=HTML.replace("</body>", "<script>1</script></body>"))),
    ("FORM", message(html=HTML.replace("</body>", "<form></form></body>"))),
    ("IMAGE_NO_ALT", message(html=HTML.replace("alt='Acme'", ""))),
    ("HTML_CLIPPED", message(html=HTML.replace("</p>", "parcel by parcel\r\n" * 6500 + "</p>"))),
    ("PROGRAM_ATTACHED", message(more=attachment("Invoice.EXE"))),
]  # fmt: skip


def test_a_good_message_matches_nothing() -> None:
    assert ids(message()) == set()


@pytest.mark.parametrize(("rule", "raw"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_change_makes_just_its_rule_match(rule: str, raw: bytes) -> None:
    assert ids(raw) == {rule}


def test_every_rule_has_a_case() -> None:
    assert {rule.id for rule in RULES} == {rule for rule, _ in CASES}
    assert len({rule.id for rule in RULES}) == len(RULES)


@pytest.mark.parametrize(
    "raw",
    [
        message({"From": '"acme.test <news@acme.test>" <news@acme.test>'}),
        message({"From": "=?utf-8?q?Doe=2C_J=C3=B6rg?= <news@acme.test>"}),
        message({"Reply-To": "help@support.acme.test"}),
        message({"Date": "Sun, 22 Nov 2026 11:59:00 -0000"}),
        message({"Subject": "Re: your order", "In-Reply-To": "<0@acme.test>"}),
        message({"Subject": "NEWS"}),
        message({"Subject": "=?utf-8?b?R3LDvMOfZQ==?="}),
        message(
            {
                "Precedence": "bulk",
                "List-Unsubscribe": "<https://acme.test/u>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            }
        ),
        message(html=HTML.replace("</body>", HIDDEN.format("The line beside the subject"))),
        message(html=linked("https://acme.test/x", "Go to acme.test for more")),
        message(html=linked("mailto:a@b.test", "a@b.test")),
        message(html=linked("https://[broken/", "acme")),
        message(more=attachment("invoice.pdf")),
        message(text=None, html=None, more=attachment("invoice.pdf")),
    ],
)
def test_what_is_in_order_matches_nothing(raw: bytes) -> None:
    assert ids(raw) == set()


def test_a_verdict_adds_up_and_lists_the_heaviest_first() -> None:
    found = matches(read_mail(message({"From": None, "Date": None, "To": None}), NOW))
    told = verdict(found, 5.0)
    assert [(hit.id, hit.score) for hit in told.rules] == [
        ("FROM_MISSING", 2.5),
        ("DATE_MISSING", 1.0),
        ("RECIPIENT_MISSING", 0.5),
    ]
    assert (told.score, told.verdict, told.engine) == (4.0, "borderline", "builtin")
    assert advice(found)[0] == "Set From."


@pytest.mark.parametrize(
    ("score", "expected"),
    [(-1.0, "ham"), (0.0, "ham"), (2.4, "ham"), (2.5, "borderline"), (5.0, "spam"), (1e3, "spam")],
)
def test_where_verdicts_change(score: float, expected: str) -> None:
    assert judge(score, 5.0) == expected


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "message_empty"),
        (b"\r\n \r\n", "message_empty"),
        (b"x" * (MAX_SIZE + 1), "message_too_large"),
        (b"\n" * 500_000 + b"x", "message_too_complex"),
        (b"Content-Type: multipart/mixed\n" * 30, "message_too_complex"),
        (b"Content-Type: text/plain;" + b"a;" * 1_000_000, "message_too_complex"),
        (b"X: y\rContent-Type: x;" + b"a;" * 5000, "message_too_complex"),
        (b"X: y\r\ncontent-disposition : x;\r\n" + b" a;\r\n\t" * 5000, "message_too_complex"),
    ],
)
def test_bounds(raw: bytes, code: str) -> None:
    with pytest.raises(InputError) as caught:
        read_mail(raw, NOW)
    assert caught.value.code == code


@given(st.binary(max_size=300), st.integers(0, len(message()) - 1), st.integers(0, 40))
def test_no_damage_to_a_message_breaks_the_rules(noise: bytes, at: int, length: int) -> None:
    raw = message()
    for rule, reason in matches(read_mail(raw[:at] + noise + raw[at + length :], NOW)):
        assert reason.encode(), rule.id


def test_a_message_of_charsets_that_are_none_is_read() -> None:
    for charset in ("punycode", "idna", "undefined", "zlib", "utf-7", "x" * 3000, "\\0"):
        raw = f'Content-Type: text/plain; charset="{charset}"\r\nSubject: =?{charset}?q?+2AA-?=\r\n\r\n+2AA- '.encode()
        mail = read_mail(raw, NOW)
        assert mail.words.encode() is not None
        assert (mail.first("subject") or "").encode() is not None


@pytest.mark.parametrize(
    "raw",
    [
        message(html="<div>" * 200_000),
        message(html="<a href=x><b><i>" * 50_000),
        message({"From": "(" * 5000, "Reply-To": "(" * 5000, "Date": "(" * 5000}),
        message({"From": '"' + "a@" * 5000}),
        message(text="a@" * 500_000),
        message({"Subject": "=?utf-8?q?a?= " * 700}),
    ],
    ids=["deep", "unclosed", "comments", "at", "text", "words"],
)
def test_no_message_takes_long(raw: bytes) -> None:
    started = time.process_time()
    assert ids(raw)
    assert time.process_time() - started < 3


def test_deep_markup_is_read() -> None:
    mail = read_mail(message(html="<div>" * 5_000 + "found"), NOW)
    assert mail.html is not None
    assert mail.html.visible == "found"


def test_the_order_of_headers_does_not_matter() -> None:
    head, _, body = message({"Date": None}).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    random.Random(1).shuffle(lines)
    assert ids(b"\r\n".join(lines) + b"\r\n\r\n" + body) == {"DATE_MISSING"}
