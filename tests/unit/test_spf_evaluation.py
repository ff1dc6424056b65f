"""What receivers spend on an SPF record, and what they find (RFC 7208)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core.spf_evaluation import Question, SpfReport, evaluate, judge

Zone = dict[tuple[str, str], Any]


def run(records: Zone, domain: str = "a.test") -> tuple[SpfReport, list[Question]]:
    """Drive an evaluation by a zone; a value of None is a question that DNS leaves open."""
    steps, asked, answer = evaluate(domain), [], None
    while True:
        try:
            question = steps.send(answer)
        except StopIteration as end:
            return end.value, asked
        asked.append(question)
        answer = records.get((question.name, question.kind), ())
        assert len(asked) < 500


def spf(**records: str) -> Zone:
    return {(name.replace("_", "."), "TXT"): (text,) for name, text in records.items()}


def verdict(records: Zone) -> tuple[str, str]:
    found = judge("a.test", run(records)[0])
    return found.verdict, found.explanation


def test_a_tree_is_counted_and_shown() -> None:
    zone = spf(
        a_test="v=spf1 mx include:b.test ip4:192.0.2.0/24 -all", b_test="v=spf1 a:c.test/28 exists:%{i}.d.test ~all"
    )
    zone |= {
        ("a.test", "MX"): ("10 mx.a.test",),
        ("mx.a.test", "A"): ("198.51.100.1",),
        ("mx.a.test", "AAAA"): ("2001:db8::1",),
        ("c.test", "A"): ("203.0.113.5",),
    }
    report, _ = run(zone)
    assert report.lines == [
        "mx (look-up 1)",
        "include:b.test (look-up 2)",
        "  a:c.test/28 (look-up 3)",
        "  exists:%{i}.d.test (look-up 4)",
        "  ~all",
        "ip4:192.0.2.0/24",
        "-all",
    ]
    assert (report.lookups, report.void_lookups, report.all, report.problems) == (4, 0, "-", [])
    assert report.networks == ["198.51.100.1/32", "2001:db8::1/128", "203.0.113.0/28", "192.0.2.0/24"]
    assert report.covers("203.0.113.9")
    assert not report.covers("203.0.113.99")
    assert judge("a.test", report).verdict == "ok"


@pytest.mark.parametrize(("number", "expected"), [(10, "ok"), (11, "wrong"), (30, "wrong")])
def test_the_limit_of_ten(number: int, expected: str) -> None:
    zone = spf(a_test="v=spf1 " + " ".join(f"include:i{each}.test" for each in range(number)) + " -all")
    zone |= {(f"i{each}.test", "TXT"): ("v=spf1 ip4:192.0.2.1 -all",) for each in range(number)}
    assert verdict(zone)[0] == expected
    assert len(run(zone)[1]) <= 21


def test_nested_includes_count_together() -> None:
    zone = spf(
        **{f"n{each}_test": f"v=spf1 include:n{each + 1}.test -all" for each in range(12)}, n12_test="v=spf1 -all"
    )
    report, _ = run(zone, "n0.test")
    assert report.lookups == 12
    assert any("more than the 10" in one for one in report.problems)


@pytest.mark.parametrize(
    "zone",
    [
        spf(a_test="v=spf1 include:a.test -all"),
        spf(a_test="v=spf1 include:b.test -all", b_test="v=spf1 include:A.test. -all"),
        spf(a_test="v=spf1 redirect=b.test", b_test="v=spf1 redirect=a.test"),
    ],
)
def test_a_loop_ends(zone: Zone) -> None:
    found, explanation = verdict(zone)
    assert found == "wrong"
    assert "includes itself" in explanation
    assert len(run(zone)[1]) < 5


def test_a_tree_that_grows_without_a_loop_ends() -> None:
    zone = {(f"{path}.test", "TXT"): (f"v=spf1 include:{path}0.test include:{path}1.test -all",) for path in _paths(6)}
    report, asked = run(zone, "x.test")
    assert len(asked) <= 25
    assert report.problems


def _paths(depth: int) -> list[str]:
    found = ["x"]
    for _ in range(depth):
        found += [one + each for one in found for each in "01"]
    return sorted(set(found))


@pytest.mark.parametrize(
    ("zone", "expected", "reason"),
    [
        ({}, "missing", "no SPF record"),
        ({("a.test", "TXT"): ("v=spf1 -all", "v=spf1 ~all")}, "wrong", "2 SPF records"),
        (spf(a_test="v=spf1 ipv4:192.0.2.1 -all"), "wrong", "neither"),
        (spf(a_test="v=spf1 ip4:192.0.2.300 -all"), "wrong", "no network"),
        (spf(a_test="v=spf1 ip4:192.0.2.1/40 -all"), "wrong", "no network"),
        (spf(a_test="v=spf1 include:gone.test -all"), "wrong", "no SPF records"),
        (spf(a_test="v=spf1 include:b.test -all", b_test="other"), "wrong", "no SPF records"),
        (spf(a_test="v=spf1 include:b..test -all"), "wrong", "no name"),
        (spf(a_test="v=spf1 a:" + "b" * 64 + ".test -all"), "wrong", "no name"),
        (spf(a_test="v=spf1 include:b\u00fc.test -all"), "wrong", "no name"),
        (spf(a_test="v=spf1 +all"), "wrong", "everybody"),
        (spf(a_test="v=spf1 all"), "wrong", "everybody"),
        (spf(a_test="v=spf1 redirect=b.test", b_test="v=spf1 +all"), "wrong", "everybody"),
        (spf(a_test="v=spf1 include:b.test -all", b_test="v=spf1 +all"), "ok", "1 of the 10"),
        (spf(a_test="v=spf1 ?all"), "warning", "nothing of other senders"),
        (spf(a_test="v=spf1 ip4:192.0.2.1"), "warning", "nothing of other senders"),
        (spf(a_test="v=spf1 redirect=b.test", b_test="v=spf1 -all"), "ok", "1 of the 10"),
        (spf(a_test="v=spf1 -all redirect=gone.test"), "ok", "0 of the 10"),
        (spf(a_test="v=spf1 ptr -all"), "warning", "ptr"),
        (spf(a_test="v=spf1 a -all"), "warning", "finds nothing"),
        (spf(a_test="v=spf1 a:x.test a:y.test a:z.test -all"), "wrong", "more than 2 look-ups"),
        (spf(a_test="v=spf1 include:b.test -all") | {("b.test", "TXT"): None}, "unknown", "unanswered"),
        ({("a.test", "TXT"): None}, "unknown", "unanswered"),
        (spf(a_test="v=spf1 a:x.test -all") | {("x.test", "A"): None}, "unknown", "unanswered"),
        (
            spf(a_test="v=spf1 mx -all") | {("a.test", "MX"): tuple(f"10 m{n}.test" for n in range(11))},
            "wrong",
            "11 hosts",
        ),
    ],
)
def test_the_verdict_and_its_reason(zone: Zone, expected: str, reason: str) -> None:
    found, explanation = verdict(zone)
    assert (found, reason in explanation) == (expected, True), explanation


def test_an_include_with_another_sign_lets_nobody_pass() -> None:
    zone = spf(a_test="v=spf1 ?include:b.test -ip4:192.0.2.1 -all", b_test="v=spf1 ip4:198.51.100.1 -all")
    assert run(zone)[0].networks == []


def test_what_stands_after_all_is_not_looked_at() -> None:
    report, asked = run(spf(a_test="v=spf1 -all include:b.test a mx"))
    assert (report.lookups, len(asked)) == (0, 1)


TERMS = st.sampled_from(
    [
        "a",
        "mx",
        "ptr",
        "include:a.test",
        "include:b.test",
        "exists:%{i}.x",
        "redirect=b.test",
        "ip4:192.0.2.1",
        "-all",
        "a/99",
    ]
)


@given(st.lists(TERMS, max_size=15), st.lists(TERMS, max_size=15), st.booleans())
def test_every_evaluation_ends_with_a_verdict(first: list[str], second: list[str], answered: bool) -> None:
    zone = spf(a_test=" ".join(["v=spf1", *first]), b_test=" ".join(["v=spf1", *second]))
    zone |= {("a.test", "A"): ("192.0.2.7",) if answered else None, ("a.test", "MX"): ("0 ",)}
    report, asked = run(zone)
    assert len(asked) < 100
    assert judge("a.test", report).verdict in {"ok", "wrong", "warning", "unknown"}
