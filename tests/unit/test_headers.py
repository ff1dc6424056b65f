from __future__ import annotations

import email.header
import email.policy
import email.utils
import re
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from postmta_ctl.core.addresses import Mailbox
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.headers import RESERVED, check_name, encode_field, encode_mailboxes, encode_text

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=120)
NAME = TEXT.map(lambda text: " ".join(text.split()))
ENCODED_WORD = re.compile(r"=\?utf-8\?[bq]\?[^ ?]*\?=")


def fold(value: str, soft: int = 75, hard: int = 900) -> str:
    """What KumoMTA's builder does to an ASCII value: words put on lines, runs of white space made one."""
    lines = [""]
    for word in value.split():
        if lines[-1] and len(lines[-1]) + len(word) >= soft:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
        while len(lines[-1]) > hard:
            lines[-1:] = [lines[-1][:hard], lines[-1][hard:]]
    return "\r\n\t".join(lines)


def received(name: str, value: str) -> email.message.EmailMessage:
    """The field as a reader of the delivered message decodes it."""
    source = f"{name}: {fold(value)}\r\n\r\n".encode("ascii")
    return email.message_from_bytes(source, policy=email.policy.default)


@given(TEXT)
@example("Grüße aus Köln")
@example("日本語のとても長い件名です。" * 20)
@example("two  spaces and a trailing one ")
@example(" leading")
@example("=?utf-8?q?typed_by_hand?=")
@example("x" * 901)
@example("?=")
def test_unstructured_text_comes_back_as_it_was(value: str) -> None:
    assert str(received("Subject", encode_text("Subject", value))["Subject"]) == value


def readable(field: str) -> list[tuple[str, str]]:
    """Names and addresses of an address list. (The header registry of Python 3.11 keeps the white space between
    adjacent encoded words of a phrase, which RFC 2047 §6.2 says to ignore.)"""
    pairs = email.utils.getaddresses([re.sub(r"\r\n\s", " ", field)])
    return [(str(email.header.make_header(email.header.decode_header(name))), address) for name, address in pairs]


@given(NAME)
@example('Müller, "Hans" <x@example.org>')
@example("ä" * 100)
def test_a_display_name_comes_back_and_its_address_stays_readable(name: str) -> None:
    encoded = encode_mailboxes("From", [Mailbox("ann", "example.org", name)])

    assert readable(fold(encoded)) == [(name, "ann@example.org")]
    assert encoded.endswith("<ann@example.org>" if name else "ann@example.org")


@given(st.lists(NAME, min_size=1, max_size=8))
def test_a_list_of_mailboxes_comes_back_in_order(names: list[str]) -> None:
    mailboxes = [Mailbox(f"m{index}", "example.org", name) for index, name in enumerate(names)]

    assert readable(fold(encode_mailboxes("To", mailboxes))) == [(m.name, m.address) for m in mailboxes]


def test_the_standard_library_reads_an_address_list_of_ours() -> None:
    encoded = encode_mailboxes("To", [Mailbox("a", "example.org", "Köhler, Åsa"), Mailbox("b", "example.org")])

    field = received("To", encoded)["To"]

    assert [(a.display_name, a.addr_spec) for a in field.addresses] == [
        ("Köhler, Åsa", "a@example.org"),
        ("", "b@example.org"),
    ]


@given(TEXT.filter(lambda text: not text.isascii()))
def test_encoded_words_are_ascii_separated_by_spaces_and_short_enough(value: str) -> None:
    words = encode_text("Subject", value).split(" ")

    assert all(ENCODED_WORD.fullmatch(word) and len(word) <= 75 for word in words)
    assert len("Subject: ") + len(words[0]) <= 76


@pytest.mark.parametrize("value", ["", "Hello", "Re: your order #7", "{{ 1+1 }}", "a" * 900])
def test_plain_text_is_passed_as_given(value: str) -> None:
    assert encode_text("Subject", value) == value


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "ann@example.org"),
        ("Ann Lee", "Ann Lee <ann@example.org>"),
        ("Lee, Ann", '"Lee, Ann" <ann@example.org>'),
        ('Ann "A" Lee', r'"Ann \"A\" Lee" <ann@example.org>'),
        ("ann@other.example", '"ann@other.example" <ann@example.org>'),
        ("Müller", "=?utf-8?q?M=C3=BCller?= <ann@example.org>"),
        ("Müller, Ann", "=?utf-8?b?TcO8bGxlciwgQW5u?= <ann@example.org>"),
    ],
)
def test_a_display_name_is_an_atom_a_quoted_string_or_encoded(name: str, expected: str) -> None:
    assert encode_mailboxes("To", [Mailbox("ann", "example.org", name)]) == expected


@pytest.mark.parametrize("value", ["a\r\nBcc: eve@example.org", "a\nb", "a\rb", "a\0b", "a\tb", "a\x7fb", "\ud800"])
def test_controls_are_refused_in_every_kind_of_value(value: str) -> None:
    attempts: list[Callable[[], str]] = [
        lambda: encode_text("Subject", value),
        lambda: encode_field("X-Tag", value),
        lambda: encode_field("List-Id", value),
        lambda: encode_mailboxes("From", [Mailbox("ann", "example.org", value)]),
    ]
    for attempt in attempts:
        with pytest.raises(InputError) as refusal:
            attempt()
        assert refusal.value.code == "header_value_control_character"


def test_a_value_beyond_all_measure_is_refused() -> None:
    with pytest.raises(InputError) as refusal:
        encode_text("Subject", "x" * 10_001)

    assert refusal.value.code == "header_value_too_long"


def test_a_structured_field_is_passed_as_given() -> None:
    value = "<https://example.org/u?id=1>, <mailto:u@example.org>"

    assert encode_field("List-Unsubscribe", value) == value


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("List-Id", "Müllers <list.example.org>", "header_value_not_ascii"),
        ("References", "<" + "a" * 900 + "@example.org>", "header_value_word_too_long"),
    ],
)
def test_a_structured_field_that_cannot_be_written_is_refused(name: str, value: str, code: str) -> None:
    with pytest.raises(InputError) as refusal:
        encode_field(name, value)

    assert refusal.value.code == code


def test_a_field_of_the_customers_own_is_encoded_as_text() -> None:
    assert str(received("X-Ort", encode_field("X-Ort", "Köln"))["X-Ort"]) == "Köln"


@pytest.mark.parametrize("name", ["X-Tag", "List-Unsubscribe", "In-Reply-To", "X_odd!name", "a" * 76])
def test_names_a_customer_may_set(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", "X Tag", "X:Tag", "X-Tag\r\nBcc", "Größe", "a" * 77, "X-Tag\n", "X\x7f"])
def test_what_is_no_field_name_is_refused(name: str) -> None:
    with pytest.raises(InputError) as refusal:
        check_name(name)

    assert refusal.value.code == "header_name_invalid"


@pytest.mark.parametrize("name", [*RESERVED, "BCC", "Content-Type", "Content-Anything", "Resent-From", "ARC-Seal"])
def test_names_that_are_not_the_customers_are_refused_with_a_reason(name: str) -> None:
    with pytest.raises(InputError) as refusal:
        check_name(name)

    assert refusal.value.code == "header_name_reserved"
    assert len(refusal.value.message) > len(f"{name} cannot be set: ")
