"""The DNS tree walk of RFC 9989, section 4.10."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core.dmarc_discovery import Discovery, discover, walk


def found(domain: str, exists: bool = True, **records: str) -> Discovery:
    """``records`` by the number of labels of the domain that has them."""
    names = walk(domain)
    answers: dict[str, Any] = {name: [] for name in names}
    for count, record in records.items():
        (name,) = (name for name in names if name.count(".") + 1 == int(count[1:]))
        answers[name] = [record]
    discovery = discover(domain, answers, exists=exists)
    assert discovery is not None
    return discovery


def test_the_walk_goes_up_to_the_top() -> None:
    assert walk("a.mail.example.com") == ["a.mail.example.com", "mail.example.com", "example.com", "com"]


def test_the_walk_leaps_from_long_names_to_seven_labels() -> None:
    names = walk("a.b.c.d.e.f.g.h.i.j.mail.example.com")
    assert names[:2] == ["a.b.c.d.e.f.g.h.i.j.mail.example.com", "g.h.i.j.mail.example.com"]
    assert (len(names), names[-1]) == (8, "com")


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=40))
def test_nobody_makes_us_ask_for_hours(labels: list[str]) -> None:
    names = walk(".".join(labels))
    assert len(names) <= 8
    assert len(set(names)) == len(names)


def test_the_domains_own_record_is_its_policy() -> None:
    one = found("mail.example.com", n3="v=DMARC1; p=reject; sp=none", n2="v=DMARC1; p=none")
    assert (one.policy_domain, one.policy, one.tag) == ("mail.example.com", "reject", "p")
    assert one.organizational_domain == "example.com"


@pytest.mark.parametrize(
    ("record", "exists", "policy", "tag"),
    [
        ("v=DMARC1; p=reject", True, "reject", "p"),
        ("v=DMARC1; p=reject; sp=quarantine", True, "quarantine", "sp"),
        ("v=DMARC1; p=none; sp=quarantine; np=reject", True, "quarantine", "sp"),
        ("v=DMARC1; p=none; sp=quarantine; np=reject", False, "reject", "np"),
        ("v=DMARC1; p=none; sp=quarantine", False, "quarantine", "sp"),
        ("v=DMARC1; p=reject", False, "reject", "p"),
    ],
)
def test_a_subdomain_has_the_policy_of_its_organization(record: str, exists: bool, policy: str, tag: str) -> None:
    one = found("mail.example.com", exists, n2=record)
    assert (one.policy_domain, one.policy, one.tag) == ("example.com", policy, tag)


def test_psd_n_says_that_it_is_the_organization() -> None:
    one = found("a.dept.example.com", n3="v=DMARC1; p=reject; psd=n", n2="v=DMARC1; p=none")
    assert (one.organizational_domain, one.policy_domain, one.policy) == (
        "dept.example.com",
        "dept.example.com",
        "reject",
    )


def test_psd_y_says_that_the_organization_is_below() -> None:
    one = found("a.b.agency.gov", n2="v=DMARC1; p=none", n1="v=DMARC1; p=reject; psd=y")
    assert (one.organizational_domain, one.policy_domain, one.policy) == ("agency.gov", "agency.gov", "none")
    one = found("a.b.agency.gov", n1="v=DMARC1; p=reject; psd=y")
    assert (one.organizational_domain, one.policy_domain, one.policy) == ("agency.gov", "gov", "reject")


def test_without_any_record_there_is_no_policy() -> None:
    one = found("mail.example.com")
    assert (one.policy_domain, one.policy, one.organizational_domain) == (None, "none", "mail.example.com")


@pytest.mark.parametrize(("policy", "applied"), [("reject", "quarantine"), ("quarantine", "none"), ("none", "none")])
def test_a_test_asks_for_the_next_milder(policy: str, applied: str) -> None:
    assert found("example.com", n2=f"v=DMARC1; p={policy}; t=y").applied == applied


@pytest.mark.parametrize(
    "record", ["v=DMARC1; p=monitor", "v=DMARC1; p none", "p=reject; v=DMARC1", "v=DMARC1; p=reject; p=none"]
)
def test_a_record_that_receivers_discard_does_not_count(record: str) -> None:
    assert found("mail.example.com", n3=record, n2="v=DMARC1; p=reject").policy_domain == "example.com"


def test_a_bad_policy_with_an_address_for_reports_is_none() -> None:
    assert found("example.com", n2="v=DMARC1; p=monitor; rua=mailto:d@example.com").policy == "none"


def test_without_an_answer_nothing_is_known() -> None:
    assert discover("example.com", {"example.com": None, "com": []}) is None
    assert discover("example.com", {"example.com": ["v=DMARC1; p=reject"], "com": None}) is None
