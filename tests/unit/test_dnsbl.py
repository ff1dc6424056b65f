"""Names to ask blocklists for, and what their answers mean."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any

import pytest

from postmta_ctl.core import dnsbl
from postmta_ctl.core.dnsbl import Blocklist, Code, Probe
from postmta_ctl.core.errors import InputError
from postmta_ctl.errors import ConfigurationError
from postmta_ctl.features.security.blocklists import catalogue
from postmta_ctl.settings import DnsblSettings, Settings

LIST = Blocklist(
    id="one",
    name="One",
    zone="bl.test",
    ipv6=True,
    codes={"127.0.0.2": "spam", "127.0.0.4": "exploit"},
    not_listed=("127.0.0.9",),
    source="https://bl.test/",
)


def test_names_are_reversed_octets_and_nibbles() -> None:
    assert dnsbl.query_name(ip_address("192.0.2.99"), "bl.test") == "99.2.0.192.bl.test"
    # The example of RFC 5782 §2.4.
    name = dnsbl.query_name(ip_address("2001:db8:1:2:3:4:567:89ab"), "ugly.example.com")
    assert name == "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ugly.example.com"


@pytest.mark.parametrize(
    ("values", "status", "codes"),
    [
        ([], "clean", []),
        (["127.0.0.2"], "listed", [("127.0.0.2", "spam")]),
        (["127.0.0.4", "127.0.0.2"], "listed", [("127.0.0.2", "spam"), ("127.0.0.4", "exploit")]),
        (["127.0.0.77"], "listed", [("127.0.0.77", "listed")]),
        (["127.0.0.9"], "clean", []),
        (["127.0.0.9", "127.0.0.2"], "listed", [("127.0.0.2", "spam")]),
        (["127.255.255.254"], "refused", [("127.255.255.254", "question refused")]),
        (["127.255.255.1"], "refused", [("127.255.255.1", "question refused")]),
        (["127.0.0.2", "127.255.255.255"], "refused", [("127.255.255.255", "question refused")]),
        (["203.0.113.80"], "error", []),
        (["127.0.0.2", "203.0.113.80"], "error", []),
        (["nonsense"], "error", []),
        (["2001:db8::1"], "error", []),
    ],
)
def test_answers(values: list[str], status: str, codes: list[tuple[str, str]]) -> None:
    verdict = dnsbl.decode(LIST, values)
    assert (verdict.status, list(verdict.codes)) == (status, [Code(*one) for one in codes])


def test_what_is_no_verdict_says_why() -> None:
    assert "public resolver" in dnsbl.decode(LIST, ["127.255.255.254"]).detail
    assert "203.0.113.80" in dnsbl.decode(LIST, ["203.0.113.80"]).detail


@pytest.mark.parametrize("text", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_taken(text: str) -> None:
    assert str(dnsbl.parse_address(text)) == text.removeprefix("::ffff:")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("10.0.0.1", "ip_address_not_public"),
        ("127.0.0.2", "ip_address_not_public"),
        ("::ffff:127.0.0.2", "ip_address_not_public"),
        ("100.64.0.1", "ip_address_not_public"),
        ("169.254.1.1", "ip_address_not_public"),
        ("192.0.2.1", "ip_address_not_public"),
        ("224.0.0.1", "ip_address_not_public"),
        ("240.0.0.1", "ip_address_not_public"),
        ("0.0.0.0", "ip_address_not_public"),
        ("::1", "ip_address_not_public"),
        ("fe80::1", "ip_address_not_public"),
        ("fc00::1", "ip_address_not_public"),
        ("ff0e::1", "ip_address_not_public"),
        ("2001:db8::1", "ip_address_not_public"),
        ("fe80::1%eth0", "ip_address_syntax"),
        ("8.8.8.8.bl.test", "ip_address_syntax"),
        ("8.8.8", "ip_address_syntax"),
        ("08.8.8.8", "ip_address_syntax"),
        ("", "ip_address_syntax"),
    ],
)
def test_other_addresses_are_not(text: str, code: str) -> None:
    with pytest.raises(InputError) as caught:
        dnsbl.parse_address(text)
    assert caught.value.code == code


def test_a_reason_is_one_line_of_printable_text() -> None:
    assert (
        dnsbl.clean_reason(["See\r\nhttps://bl.test/\x1b[31m?x", "\u202eagain\x00"])
        == "See https://bl.test/ [31m?x again"
    )
    assert dnsbl.clean_reason([]) is None
    assert len(dnsbl.clean_reason(["x" * 100_000]) or "") == dnsbl.MAX_REASON


@pytest.mark.parametrize(("ttl", "kept"), [(None, 60), (0, 60), (900, 900), (10**9, 3600)])
def test_answers_are_kept_within_bounds(ttl: int | None, kept: int) -> None:
    assert dnsbl.keep_for(ttl) == kept


def probes(**statuses: str) -> list[Probe]:
    points = {"v2": ("127.0.0.2", "listed"), "v1": ("127.0.0.1", "clean"), "six": ("::ffff:7f00:2", "listed")}
    return [Probe(address=points[name][0], expected=points[name][1], status=one) for name, one in statuses.items()]


@pytest.mark.parametrize(
    ("statuses", "health"),
    [
        ({"v2": "listed", "v1": "clean"}, "working"),
        ({"v2": "clean", "v1": "clean"}, "failing"),
        ({"v2": "listed", "v1": "listed"}, "failing"),
        ({"v2": "error", "v1": "error"}, "failing"),
        ({"v2": "refused", "v1": "refused"}, "refused"),
        ({"v2": "listed", "v1": "clean", "six": "clean"}, "working"),
        ({"six": "clean"}, "failing"),
        ({}, "unknown"),
    ],
)
def test_health_by_test_points(statuses: dict[str, Any], health: str) -> None:
    assert dnsbl.judge(probes(**statuses))[0] == health


def test_test_points_are_those_of_the_rfc() -> None:
    assert LIST.expectations == {
        "127.0.0.2": "listed",
        "127.0.0.1": "clean",
        "::ffff:7f00:2": "listed",
        "::ffff:7f00:1": "clean",
    }
    name = dnsbl.query_name(ip_address("::ffff:7f00:2"), "bl.test")
    assert name == "2.0.0.0.0.0.f.7.f.f.f.f." + "0." * 20 + "bl.test"


class TestTheCatalogue:
    def test_every_list_is_documented(self) -> None:
        for one in catalogue.known(Settings()).values():
            assert re.fullmatch(r"[a-z0-9.-]+\.[a-z]+", one.zone)
            assert one.source.startswith("https://")
            assert one.terms
            assert {dnsbl.decode(one, [code]).status for code in one.codes} == {"listed"}

    def test_the_settings_choose(self) -> None:
        chosen = catalogue.enabled(Settings(dnsbl=DnsblSettings(lists=("psbl",))))
        assert list(chosen) == ["psbl"]
        assert {one.id for one in catalogue.enabled(Settings()).values()} >= {"spamhaus-zen", "spamcop"}

    def test_an_unknown_list_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="no list nonsense"):
            catalogue.enabled(Settings(dnsbl=DnsblSettings(lists=("nonsense",))))

    def test_lists_of_ones_own_replace_ours(self, tmp_path: Any) -> None:
        text = '[[lists]]\nid = "psbl"\nname = "Mine"\nzone = "key.psbl.test"\nsecret_zone = true\nsource = "mine"\n'
        (tmp_path / "lists.toml").write_text(text)
        found = catalogue.known(Settings(dnsbl=DnsblSettings(catalogue=str(tmp_path / "lists.toml"))))
        assert (found["psbl"].zone, len(found)) == ("key.psbl.test", len(catalogue.known(Settings())))

    @pytest.mark.parametrize("text", ["nonsense", "[[lists]]\nid = 5", '[[lists]]\nid = "x"\ncolour = "red"', None])
    def test_a_broken_file_is_refused(self, tmp_path: Any, text: str | None) -> None:
        path = tmp_path / "lists.toml"
        if text is not None:
            path.write_text(text)
        with pytest.raises(ConfigurationError, match=r"dnsbl\.catalogue"):
            catalogue.known(Settings(dnsbl=DnsblSettings(catalogue=str(path))))
