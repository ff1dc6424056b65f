"""What becomes of a PowerMTA configuration."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from postmta_ctl.features.importing.files import Files
from postmta_ctl.importing import powermta
from postmta_ctl.importing.wanted import Defaults, Wanted
from postmta_ctl.settings import PolicySettings
from tests.importing.support import FIXTURES, line_of, powermta_of

FIXTURE = FIXTURES / "powermta"
MTA = "<virtual-mta {name}>\nsmtp-source-host {address} {name}.example.com\n</virtual-mta>\n"


@pytest.fixture
def shop() -> Wanted:
    return powermta.read("config", Files(FIXTURE), Defaults())


def directives_of(path: Path) -> Counter[tuple[str, int]]:
    """Places of directives, found without the parser: lines that are no comment, closing tag or continuation."""
    found, continued = Counter[tuple[str, int]](), False
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if line.strip() and not line.strip().startswith(("#", "</")) and not continued:
            found[str(path.relative_to(FIXTURE)), number] += 1
        continued = line.endswith("\\")
    return found


def test_every_directive_is_in_the_report_once(shop: Wanted) -> None:
    expected = sum((directives_of(path) for path in FIXTURE.rglob("*") if path.is_file()), Counter())
    assert Counter((one.file, one.line) for one in shop.report.lines()) == expected
    assert all(one.note for one in shop.report.lines())


def test_virtual_mtas_become_vmtas_one_for_each_address(shop: Wanted) -> None:
    assert {one.name: (one.ip_address, one.ehlo_domain, one.warming) for one in shop.vmtas} == {
        "receipts-1": ("192.0.2.11", "r1.shop.example", False),
        "receipts-2": ("192.0.2.12", "r2.shop.example", False),
        "news": ("198.51.100.1", "n1.news.shop.example", False),
        "news-2": ("198.51.100.2", "news.shop.example", False),
        "news-cold": ("198.51.100.3", "n3.news.shop.example", True),
        "trial": ("203.0.113.9", "trial.shop.example", True),
    }


def test_an_address_of_each_family_under_one_name_is_a_pair() -> None:
    lines = ("2001:0db8::1 a.example", "192.0.2.1 a.example", "192.0.2.2 a.example", "2001:db8::2 b.example")
    text = "<virtual-mta a>\n" + "".join(f"smtp-source-host {line}\n" for line in lines) + "</virtual-mta>"
    wanted = powermta_of(text)
    assert [(one.name, one.ip_address, one.ipv6_address) for one in wanted.vmtas] == [
        ("a", "192.0.2.1", "2001:db8::1"),
        ("a-2", "192.0.2.2", None),
        ("a-3", "2001:db8::2", None),
    ]


def test_pools_have_members_domains_and_a_default(shop: Wanted) -> None:
    assert {one.name: (sorted(one.members), one.domains, one.default) for one in shop.pools} == {
        "receipts-pool": (["receipts-1", "receipts-2"], [], True),
        "bulk": (["news", "news-2", "news-cold", "trial"], ["news.shop.example"], False),
        "receipts-1": (["receipts-1"], ["receipts.shop.example"], False),
    }


def test_keys_become_those_of_domains(shop: Wanted) -> None:
    keys = {one.name: {key.selector: key.path for key in one.keys} for one in shop.domains}
    assert keys == {
        "shop.example": {"s2026": "keys/shop.pem", "missing": "keys/none.pem"},
        "news.shop.example": {"n1": "keys/news.pem"},
    }


def test_the_settings_are_ones_that_the_service_takes(shop: Wanted) -> None:
    policy = msgspec.convert(shop.policy, PolicySettings)
    assert policy.path_defaults["connection_limit"] == 25
    assert (policy.retry_interval, policy.max_retry_interval, policy.max_age) == ("15m", "1h", "3d 12h")
    assert policy.smart_host == ("[192.0.2.200]:2526",)
    assert {one.address: one.relay_hosts for one in policy.smtp_listeners} == {
        "0.0.0.0:2525": ("127.0.0.1", "10.20.0.0/16"),
        "[2001:db8::1]:25": ("127.0.0.1", "10.20.0.0/16"),
    }


@pytest.mark.parametrize(
    ("directive", "outcome", "note"),
    [
        ("smtp-source-host 192.0.2.12", "imported", "the vMTA receipts-2"),
        ("smtp-source-host 192.0.2.11 twin", "approximated", "receipts-1 has this address already"),
        ("smtp-source-host 300.1.2.3", "not_supported", "not an IPv4 or IPv6 address"),
        ("<virtual-mta broken>", "not_supported", "no address"),
        ("<virtual-mta-pool hollow>", "not_supported", "without a member"),
        ("<virtual-mta-pool Bulk Mail>", "not_supported", "one name"),
        ("domain-key s2026,*", "not_supported", "for each sending domain"),
        ("domain-macro loop", "not_supported", "defined by itself"),
        ("<domain $nowhere>", "not_supported", "no macro $nowhere"),
        ("<domain $big>", "approximated", "hotmail.com, outlook.com, live.com, gmail.com"),
        ("reply /try again/", "not_supported", "no backoff by replies"),
        ("backoff-to-normal-after 2h", "not_supported", "no backoff by replies"),
        ("/mailbox .*full/", "not_supported", "bounce_classifier_files"),
        ("shiny-new-directive", "not_supported", "does not know"),
        ("and-its-content", "not_supported", "does not know"),
        ("password", "not_supported", "draws the secrets"),
        ("dkim-sign no", "not_supported", "signs all mail"),
    ],
)
def test_what_becomes_of_it(shop: Wanted, directive: str, outcome: str, note: str) -> None:
    found = line_of(shop, directive)
    assert found.outcome == outcome
    assert note in found.note


def test_no_secret_is_in_the_report(shop: Wanted) -> None:
    assert b"correct # horse" not in msgspec.json.encode(shop.report.lines())


def test_the_order_of_the_file_does_not_matter() -> None:
    text = "<virtual-mta-pool p>\nvirtual-mta a\n</virtual-mta-pool>\n" + MTA.format(name="a", address="192.0.2.1")
    assert powermta_of(text).pools[0].members == {"a": 1}


def test_names_that_become_the_same_are_told_apart() -> None:
    text = MTA.format(name="a_1", address="192.0.2.1") + MTA.format(name="a-1", address="192.0.2.2")
    found = powermta_of(text.replace("a_1.example", "x.example"))
    assert [one.name for one in found.vmtas] == ["a-1", "a-1-2"]


def test_a_name_of_nothing_but_marks_gets_another() -> None:
    assert powermta_of("<virtual-mta __>\nsmtp-source-host 192.0.2.1 a.example\n</virtual-mta>").vmtas[0].name == "vmta"


def test_an_address_without_a_name_takes_the_callers() -> None:
    text = "<virtual-mta a>\nsmtp-source-host 192.0.2.1\n</virtual-mta>"
    assert "--ehlo-domain" in line_of(powermta_of(text), "smtp-source-host").note
    assert powermta_of(text, ehlo_domain="mx.example.com").vmtas[0].ehlo_domain == "mx.example.com"


def test_one_selector_has_one_key() -> None:
    text = "domain-key s,example.com,a.pem\ndomain-key S,EXAMPLE.com,b.pem"
    found = powermta_of(text)
    assert [key.path for one in found.domains for key in one.keys] == ["a.pem"]
    assert "config:1 has another key" in found.report.lines()[1].note


@pytest.mark.parametrize("client", ["0/0", "0.0.0.0/0", "::/0", "*"])
def test_nobody_is_made_an_open_relay(client: str) -> None:
    found = powermta_of(f"smtp-listener 0/0:25\n<source {client}>\nalways-allow-relaying yes\n</source>")
    assert "anybody" in line_of(found, "always-allow-relaying").note
    assert found.policy == {"smtp_listeners": [{"address": "0.0.0.0:25"}]}


def test_starttls_that_is_required_stays_so() -> None:
    found = powermta_of("<domain *>\nrequire-starttls yes\nuse-starttls yes\nmax-msg-rate unlimited\n</domain>")
    assert found.policy == {"path_defaults": {"enable_tls": "Required"}}


@pytest.mark.parametrize(
    "line",
    ["max-smtp-out many", "max-smtp-out 0", "max-smtp-out", "max-msg-rate 5", "max-msg-rate 0/h", "retry-after soon",
     "retry-after", "bounce-after 5x", "use-starttls perhaps", "smtp-hosts", "route a/b"],
)  # fmt: skip
def test_a_value_that_is_none_is_said_to_be_none(line: str) -> None:
    found = powermta_of(f"<domain *>\n{line}\n</domain>")
    assert found.policy == {}
    assert found.report.lines()[1].outcome == "not_supported"


def test_macros_that_multiply_are_bounded() -> None:
    doubling = "".join(f"domain-macro m{number} $m{number + 1}, $m{number + 1}\n" for number in range(40))
    found = powermta_of(doubling + "domain-macro m40 a.example\n<domain $m0>\n</domain>")
    assert "more than 10000 domains" in line_of(found, "<domain $m0>").note
    empty = powermta_of(doubling + "domain-macro m40 ,\n<domain $m0>\n</domain>")
    assert line_of(empty, "<domain $m0>").outcome == "approximated"
