"""MTA-STS (RFC 8461), TLS-RPT (RFC 8460) and reverse DNS."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core.reverse_dns import judge_reverse, reverse_name
from postmta_ctl.core.transport_policies import judge_sts_policy, judge_sts_record, judge_tls_reports

POLICY = "version: STSv1\nmode: enforce\nmx: mail.a.test\nmx: *.b.test\nmax_age: 604800\n"


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (["v=STSv1; id=20261122T000000;"], "ok"),
        (["other", "v=STSv1;id=a"], "ok"),
        (["v=STSv1; id="], "wrong"),
        (["v=STSv1; id=a-b"], "wrong"),
        (["v=STSv1; id=" + "a" * 33], "wrong"),
        (["v=STSv1; x"], "wrong"),
        (["v=STSv1; id=a", "v=STSv1; id=b"], "wrong"),
        (["v=STSv2; id=a"], "missing"),
        (["id=a; v=STSv1"], "missing"),
        ([], "missing"),
    ],
)
def test_an_mta_sts_record(found: list[str], verdict: str) -> None:
    assert judge_sts_record(found).verdict == verdict


@pytest.mark.parametrize(
    ("policy", "hosts", "verdict"),
    [
        (POLICY, ["mail.a.test", "X.B.test"], "ok"),
        (POLICY.replace("\n", "\r\n"), [], "ok"),
        (POLICY, ["x.y.b.test"], "wrong"),
        (POLICY, ["b.test"], "wrong"),
        (POLICY, ["evil-mail.a.test"], "wrong"),
        (POLICY.replace("enforce", "testing"), ["mail.a.test"], "warning"),
        (POLICY.replace("enforce", "none"), [], "warning"),
        (POLICY.replace("enforce", "strict"), [], "wrong"),
        (POLICY.replace("STSv1", "STSv2"), [], "wrong"),
        (POLICY.replace("604800", "99999999"), [], "wrong"),
        (POLICY.replace("604800", "²"), [], "wrong"),
        (POLICY.replace("max_age", "age"), [], "wrong"),
        ("<html>", [], "wrong"),
        ("", [], "wrong"),
    ],
)
def test_an_mta_sts_policy(policy: str, hosts: list[str], verdict: str) -> None:
    assert judge_sts_policy(policy, hosts).verdict == verdict


@given(st.text(max_size=300), st.lists(st.text(max_size=30), max_size=3))
def test_whatever_the_server_says_there_is_a_verdict(text: str, hosts: list[str]) -> None:
    assert judge_sts_policy(text, hosts).explanation.endswith(".")
    assert judge_sts_record([text]).verdict in {"ok", "missing", "wrong"}
    assert judge_tls_reports([text]).verdict in {"ok", "missing", "wrong"}


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (["v=TLSRPTv1; rua=mailto:a@b.test"], "ok"),
        (["v=TLSRPTv1;rua=https://b.test/r, mailto:a@b.test"], "ok"),
        (["v=TLSRPTv1; rua=http://b.test/r"], "wrong"),
        (["v=TLSRPTv1;"], "wrong"),
        (["v=TLSRPTv1; rua=mailto:a@b.test", "v=TLSRPTv1; rua=mailto:a@b.test"], "wrong"),
        (["v=TLSRPTv2; rua=mailto:a@b.test"], "missing"),
    ],
)
def test_a_tls_rpt_record(found: list[str], verdict: str) -> None:
    assert judge_tls_reports(found).verdict == verdict


@pytest.mark.parametrize(
    ("names", "verdict"),
    [
        ({"MX.a.test": ["192.0.2.1"]}, "ok"),
        ({"x.test": ["192.0.2.9"], "mx.a.test": ["198.51.100.1", "192.0.2.1"]}, "ok"),
        ({"x.test": ["192.0.2.1"]}, "warning"),
        ({"mx.a.test": ["192.0.2.2"]}, "wrong"),
        ({"mx.a.test": []}, "wrong"),
        ({"mx.a.test": None}, "unknown"),
        ({}, "missing"),
        (None, "unknown"),
    ],
)
def test_a_name_and_the_way_back(names: Any, verdict: str) -> None:
    assert judge_reverse("192.0.2.1", "mx.a.test", names).verdict == verdict


def test_reverse_names() -> None:
    assert reverse_name("192.0.2.1") == "1.2.0.192.in-addr.arpa"
    assert reverse_name("2001:db8::1").endswith("8.b.d.0.1.0.0.2.ip6.arpa")
    assert judge_reverse("2001:db8::1", "mx.a.test", {"mx.a.test": ["2001:DB8:0:0::1"]}).verdict == "ok"
