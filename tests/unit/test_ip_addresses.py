"""Addresses that mail can leave from."""

from __future__ import annotations

import pytest

from postmta_ctl.compiler import formats
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.ip_addresses import is_public, parse_socket_address, parse_source_address

NO_ADDRESSES = [
    *("", "1", "192.0.2", "192.0.2.01", "192.0.2.1/32", "192.0.2.1:25", "[::1]", "fe80::1%eth0", "example.com"),
    *(" 192.0.2.1", "192.0.2.1\n", "\x00", "١٩٢.0.2.1", "x" * 100_000),
]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("10.1.2.3", "10.1.2.3"),
        ("::1", "::1"),
        ("FD00:0::00A1", "fd00::a1"),
        ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
    ],
)
def test_an_address_has_one_form(text: str, address: str) -> None:
    assert parse_source_address(text) == address
    assert formats.is_address(address)


@pytest.mark.parametrize(
    "text", ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "::ffff:0.0.0.0", "64:ff9b::1"]
)
def test_no_mail_leaves_from_these(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_source_address(text)
    assert caught.value.code == "ip_address_unusable"


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_source_address(text)
    assert caught.value.code == "ip_address_syntax"


def test_private_addresses_are_told_apart() -> None:
    assert is_public("8.8.8.8")
    assert is_public("2606:4700::1")
    assert not is_public("10.0.0.1")
    assert not is_public("::1")


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("10.0.0.5:1080", "10.0.0.5:1080"),
        ("[2001:DB8:0::5]:1080", "[2001:db8::5]:1080"),
        ("127.0.0.1:65535", "127.0.0.1:65535"),
    ],
)
def test_a_socket_address_is_read_in_its_canonical_form(given: str, read: str) -> None:
    assert parse_socket_address(given) == read


@pytest.mark.parametrize(
    "given",
    ["", ":", "10.0.0.5", "10.0.0.5:", "10.0.0.5:0", "10.0.0.5:08", "10.0.0.5:٣", "10.0.0.5:1\n", "[10.0.0.5]:80",
     "2001:db8::5:80", "[2001:db8::5]", "[2001:db8::5%1]:80", "0.0.0.0:80", "224.0.0.1:80", "host:80", "1:2"],
)  # fmt: skip
def test_what_is_no_socket_address_is_refused(given: str) -> None:
    with pytest.raises(InputError):
        parse_socket_address(given)
