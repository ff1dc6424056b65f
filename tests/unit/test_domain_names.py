"""Domain names, host names and DKIM selectors, normalised or refused."""

from __future__ import annotations

import pytest

from postmta_ctl.compiler import formats
from postmta_ctl.core.addresses import parse_mailbox
from postmta_ctl.core.domain_names import parse_host, parse_mail_domain, parse_selector
from postmta_ctl.core.errors import InputError

NO_NAMES = [
    *("", ".", "..", "com", "a..example", "-a.example", "a_b.example", "*.example", "xn--a.example"),
    *("192.0.2.1", "[192.0.2.1]", "::1"),
    *("a b.example", "a.example\r\n", "a.example\x00", "\u202ea.example", "\ud800.example"),
    *("a" * 64 + ".example", "a." * 125 + "example", "x" * 100_000, "٣" * 50_000 + ".example"),
]
NO_MAIL_DOMAINS = ["test", "a.local", "x@a.example", "a.example>", "(x)a.example"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("example.com", "example.com"),
        ("MAIL.Example.COM.", "mail.example.com"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("acme.test", "acme.test"),
    ],
)
def test_a_mail_domain_is_what_an_address_there_has(text: str, name: str) -> None:
    assert parse_mail_domain(text) == name
    assert parse_mailbox(f"ann@{text.removesuffix('.')}").domain == name
    assert formats.is_host(name)


@pytest.mark.parametrize("text", [*NO_NAMES, *NO_MAIL_DOMAINS])
def test_what_mail_cannot_come_from_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_mail_domain(text)
    assert caught.value.code == "domain_syntax"


@pytest.mark.parametrize(
    ("text", "host"),
    [("mx1.example.com", "mx1.example.com"), ("MX1.Lab.Local.", "mx1.lab.local"), ("mü.example", "xn--m-eha.example")],
)
def test_a_host_name_is_normalised(text: str, host: str) -> None:
    assert parse_host(text) == host
    assert formats.is_host(host)


@pytest.mark.parametrize("text", NO_NAMES)
def test_what_is_no_host_name_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_host(text)
    assert caught.value.code == "host_syntax"


def test_a_selector_is_one_label_in_lower_case() -> None:
    assert parse_selector("PMTA-2026") == "pmta-2026"
    assert formats.is_selector("pmta-2026")
    for text in ("", "-a", "a-", "a.b", "a_b", "é", "a\n", "\u212a", "a" * 64):
        with pytest.raises(InputError):
            parse_selector(text)
    with pytest.raises(InputError, match="1 to 3 "):
        parse_selector("abcd", longest=3)
