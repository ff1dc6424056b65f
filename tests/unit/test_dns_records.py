from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core.dmarc import judge_dmarc
from postmta_ctl.core.dns_records import DnsRecord, PublishedKey, expected_records, judge
from postmta_ctl.core.spf import Term, judge_spf, parse_spf

RSA, ED25519 = "v=DKIM1; k=rsa; p=QUJD", "v=DKIM1; k=ed25519; p=REVG"
RECORDS = expected_records(
    "example.org",
    ownership_token="t0ken",
    keys=[PublishedKey("pmta", RSA), PublishedKey("pmta-ed25519", ED25519)],
    bounce_domain="bounce.mta.example",
    tracking_host="Track.mta.example",
)
HOST = "bounce.mta.example"


def record(purpose: str) -> DnsRecord:
    return next(record for record in RECORDS if record.purpose == purpose)


def test_the_records_of_a_domain() -> None:
    assert [(r.purpose, r.type, r.name, r.value, r.required) for r in RECORDS] == [
        ("ownership", "TXT", "_postmta.example.org", "postmta-verification=t0ken", True),
        ("dkim", "TXT", "pmta._domainkey.example.org", RSA, True),
        ("dkim", "TXT", "pmta-ed25519._domainkey.example.org", ED25519, True),
        ("spf", "TXT", "example.org", "v=spf1 include:bounce.mta.example ~all", False),
        ("dmarc", "TXT", "_dmarc.example.org", "v=DMARC1; p=none", False),
        ("bounce", "CNAME", "bounce.example.org", "bounce.mta.example", False),
        ("tracking", "CNAME", "track.example.org", "track.mta.example", False),
    ]


def test_without_a_tracking_host_there_is_no_record_for_it() -> None:
    records = expected_records("example.org", ownership_token="t", keys=[], bounce_domain=HOST)

    assert [r.purpose for r in records] == ["ownership", "spf", "dmarc", "bounce"]


@pytest.mark.parametrize("expected", RECORDS, ids=lambda r: r.name)
def test_each_record_published_as_asked_is_ok(expected: DnsRecord) -> None:
    assert judge(expected, [expected.value]).verdict == "ok"


@pytest.mark.parametrize("expected", RECORDS, ids=lambda r: r.name)
def test_nothing_found_is_missing_and_no_answer_is_unknown(expected: DnsRecord) -> None:
    assert judge(expected, []).verdict == "missing"
    assert judge(expected, None).verdict == "unknown"


@pytest.mark.parametrize(
    ("purpose", "found", "verdict"),
    [
        ("ownership", ["postmta-verification=other"], "wrong"),
        ("ownership", ["postmta-verification=other", "postmta-verification=t0ken"], "ok"),
        ("ownership", ['"postmta-verification=t0ken"'], "ok"),
        ("ownership", ["postmta-verification=t0ken2"], "wrong"),
        ("bounce", ["Bounce.MTA.example."], "ok"),
        ("bounce", ["elsewhere.example"], "wrong"),
        ("tracking", ["track.mta.example", "elsewhere.example"], "wrong"),
        ("dkim", [ED25519], "wrong"),
        ("spf", ["google-site-verification=x"], "missing"),
        ("dmarc", ["v=spf1 -all"], "missing"),
    ],
)
def test_what_is_found_in_place_of_a_record(purpose: str, found: list[str], verdict: str) -> None:
    assert judge(record(purpose), found).verdict == verdict


@pytest.mark.parametrize(
    "spf",
    [
        f"v=spf1 include:{HOST} ~all",
        f"v=spf1 include:{HOST}",
        f"V=SPF1 mx INCLUDE:{HOST.upper()} -all",
        f"v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 a/24 a:x.example//64 exists:%{{i}}.x.example +include:{HOST}. ?all",
        f"v=spf1  mx   include:{HOST}  -all ",
        f"v=spf1 mx redirect={HOST}",
        f"v=spf1 include:{HOST} exp=why.example -all unknown.modifier=x",
    ],
)
def test_an_spf_record_that_lets_our_mail_pass(spf: str) -> None:
    assert judge_spf(HOST, ["other text", spf]).verdict == "ok"


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (["v=spf1 mx -all"], "does not have include:bounce.mta.example"),
        (["v=spf1 include:other.example -all"], "does not have include"),
        (["v=spf1 a:bounce.mta.example -all"], "does not have include"),
        ([f"v=spf1 -include:{HOST} ~all"], "sign before it"),
        ([f"v=spf1 ?include:{HOST} ~all"], "sign before it"),
        ([f"v=spf1 -all include:{HOST}"], "only after all"),
        ([f"v=spf1 -all redirect={HOST}"], "does not have include"),
        ([f"v=spf1 include:{HOST} -all", "v=spf1 -all"], "2 SPF records"),
        ([f"v=spf1 include:{HOST} ipv4:192.0.2.1 -all"], "'ipv4:192.0.2.1' is neither"),
        ([f"v=spf1 include:{HOST} ip4 -all"], "too many or too few"),
        ([f"v=spf1 include:{HOST} all:x"], "too many or too few"),
        ([f"v=spf1 include:{HOST} include: -all"], "too many or too few"),
        ([f"v=spf1 include:{HOST}, -all"], "does not have include"),
        (["v=spf1 " + " ".join(f"include:x{n}.example" for n in range(10)) + f" include:{HOST} -all"], "11 look-ups"),
    ],
)
def test_an_spf_record_that_does_not_and_why(found: list[str], reason: str) -> None:
    verdict = judge_spf(HOST, found)

    assert verdict.verdict == "wrong"
    assert reason in verdict.explanation


@pytest.mark.parametrize("text", ["v=spf10 -all", "v=spf2.0/pra -all", "spf1 -all", " v=spf1 -all"])
def test_what_is_no_spf_record_at_all(text: str) -> None:
    assert judge_spf(HOST, [text]).verdict == "missing"


def test_the_terms_of_an_spf_record() -> None:
    assert parse_spf("v=spf1 A ~mx:X.example exp=Y.example -all") == [
        Term("+", "a", ""),
        Term("~", "mx", "x.example"),
        Term("=", "exp", "y.example"),
        Term("-", "all", ""),
    ]


@pytest.mark.parametrize(
    "dmarc",
    [
        "v=DMARC1; p=none",
        "v=DMARC1;p=reject;",
        "v = DMARC1 ; p = Quarantine ; sp=none; np=reject; adkim=s; aspf=r; fo=1; psd=n; t=y",
        "v=DMARC1; p=none; rua=mailto:d@example.org, mailto:e@example.net!10m; ruf=https://x.example; pct=5; ri=3600",
        "v=DMARC1; rua=mailto:d@example.org; p=reject",
        "v=DMARC1; future=yes; p=none",
        "v=DMARC1",
    ],
)
def test_a_valid_dmarc_record(dmarc: str) -> None:
    assert judge_dmarc(["other text", dmarc]).verdict == "ok"


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (["v=DMARC1; p=monitor"], "The tag p is 'monitor'"),
        (["v=DMARC1; p=none; sp=all"], "The tag sp"),
        (["v=DMARC1; p=none; t=1"], "The tag t"),
        (["v=DMARC1; p=none; rua=d@example.org"], "no address for reports"),
        (["v=DMARC1; p=none; rua="], "no address for reports"),
        (["v=DMARC1; p none"], "cannot be read"),
        (["v=DMARC1; p=none; p=reject"], "twice"),
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], "2 DMARC records"),
    ],
)
def test_a_dmarc_record_that_receivers_discard_and_why(found: list[str], reason: str) -> None:
    verdict = judge_dmarc(found)

    assert verdict.verdict == "wrong"
    assert reason in verdict.explanation


@pytest.mark.parametrize("text", ["p=none; v=DMARC1", "v=dmarc1; p=none", "v=DMARC2; p=none", "v=DMARC10"])
def test_what_is_no_dmarc_record_at_all(text: str) -> None:
    assert judge_dmarc([text]).verdict == "missing"


@given(st.sampled_from(RECORDS), st.lists(st.text(max_size=60) | st.from_regex(r"v=(spf1|DMARC1|DKIM1)[ ;].{0,50}")))
def test_whatever_dns_holds_there_is_a_verdict_with_an_explanation(expected: DnsRecord, found: list[str]) -> None:
    verdict = judge(expected, found)

    assert verdict.verdict in {"ok", "missing", "wrong"}
    assert verdict.explanation.endswith(".")
