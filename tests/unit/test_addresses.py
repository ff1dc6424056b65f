from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core.addresses import MAX_ADDRESS, Mailbox, parse_mailbox
from postmta_ctl.core.errors import InputError

ATOM = st.text(string.ascii_letters + string.digits + "!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann@example.org", Mailbox("ann", "example.org")),
        ("  ann@example.org ", Mailbox("ann", "example.org")),
        ("Ann.Lee+x@Example.ORG", Mailbox("Ann.Lee+x", "example.org")),
        ("<ann@example.org>", Mailbox("ann", "example.org")),
        ("Ann Lee <ann@example.org>", Mailbox("ann", "example.org", "Ann Lee")),
        ("John Q. Public <john@example.org>", Mailbox("john", "example.org", "John Q. Public")),
        ("Müller, Hans <hans@example.org>", Mailbox("hans", "example.org", "Müller, Hans")),
        ('"Müller, Hans" <hans@example.org>', Mailbox("hans", "example.org", "Müller, Hans")),
        ('" Ann  Lee " <ann@example.org>', Mailbox("ann", "example.org", "Ann Lee")),
        (r'"A \"B\" C" <a@example.org>', Mailbox("a", "example.org", 'A "B" C')),
        ('"a<b>c" <a@example.org>', Mailbox("a", "example.org", "a<b>c")),
        ("ann@müller.example.com", Mailbox("ann", "xn--mller-kva.example.com")),
        ("ann@xn--mller-kva.example.com", Mailbox("ann", "xn--mller-kva.example.com")),
        ("me@straße.example.com", Mailbox("me", "xn--strae-oqa.example.com")),
        ('"ann"@example.org', Mailbox("ann", "example.org")),
        ('"ann lee"@example.org', Mailbox('"ann lee"', "example.org")),
        ("ann@sink.test", Mailbox("ann", "sink.test")),
    ],
)
def test_a_mailbox_is_read_and_normalised(text: str, expected: Mailbox) -> None:
    assert parse_mailbox(text) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "address_empty"),
        ("   ", "address_empty"),
        ("ann", "address_syntax"),
        ("@example.org", "address_syntax"),
        ("ann@", "address_syntax"),
        ("ann@example", "address_syntax"),
        ("ann@example..org", "address_syntax"),
        ("an n@example.org", "address_syntax"),
        ("ann@example.org, bob@example.org", "address_syntax"),
        ("Ann <ann@example.org", "address_syntax"),
        ("ann@example.org>", "address_syntax"),
        ("Ann <ann@example.org> Lee", "address_syntax"),
        ('A "B" <ann@example.org>', "address_syntax"),
        ('"A" B <ann@example.org>', "address_syntax"),
        ("<ann@example.org><bob@example.org>", "address_syntax"),
        ("ann@[192.0.2.1]", "address_syntax"),
        ("ann@example.org\r\nBcc: eve@example.org", "address_control_character"),
        ("Ann\x00 <ann@example.org>", "address_control_character"),
        ("Ann\ud800 <ann@example.org>", "address_control_character"),
        ("jörg@example.org", "smtputf8_not_supported"),
        ("a" * 65 + "@example.org", "address_too_long"),
        ("a" * 64 + "@" + ".".join(["b" * 48] * 4) + ".com", "address_too_long"),
        ("a" * 64 + "@" + ".".join(["ü" * 40] * 4) + ".com", "address_syntax"),
        ("n" * 256 + " <ann@example.org>", "address_name_too_long"),
    ],
)
def test_what_is_no_mailbox_is_refused_by_name(text: str, code: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse_mailbox(text)

    assert refusal.value.code == code
    assert refusal.value.message


def test_the_longest_address_is_accepted() -> None:
    domain = ".".join(["b" * 46] * 4) + ".c"
    text = "a" * (MAX_ADDRESS - len(domain) - 3) + "@" + domain + "om"

    assert len(parse_mailbox(text).address) == MAX_ADDRESS


def test_addresses_that_are_one_mailbox_in_practice_share_a_key() -> None:
    one, other = parse_mailbox("Ann <Ann@Example.org>"), parse_mailbox("ann@example.org")

    assert one.dedupe_key == other.dedupe_key == "ann@example.org"
    assert one.address == "Ann@example.org"


@given(name=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=50), local_part=ATOM)
def test_a_quoted_name_comes_back_as_it_was(name: str, local_part: str) -> None:
    escaped = name.replace("\\", r"\\").replace('"', r"\"")

    read = parse_mailbox(f'"{escaped}" <{local_part}@example.org>')

    assert read == Mailbox(local_part, "example.org", " ".join(name.split()))


@given(st.text(max_size=80))
def test_any_text_is_either_a_mailbox_or_refused(text: str) -> None:
    try:
        read = parse_mailbox(text)
    except InputError:
        return
    assert parse_mailbox(read.address) == Mailbox(read.local_part, read.domain)
    assert read.address.isascii()
