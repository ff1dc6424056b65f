"""Reading and writing state files, and what it takes to get from one state to another: pure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmta_ctl.declarative import placed
from postmta_ctl.declarative.document import Key, State, read_document, write_document
from postmta_ctl.declarative.placed import Misplaced
from postmta_ctl.declarative.steps import difference
from postmta_ctl.declarative.writing import write

ALL = [
    "no",
    "1:30",
    "1e5",
    "0o17",
    "~",
    "null",
    "",
    " a",
    "- x",
    "a: b",
    "#c",
    "&a",
    "*a",
    "!t",
    "'",
    '"',
    "\u2028",
    "é",
]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(ALL)
VALUES = st.recursive(
    TEXTS
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_whatever_is_written_is_read_back(value: dict[str, Any]) -> None:
    text = write(value)
    found = placed.read(text).plain()
    assert (found, repr(found)) == (value, repr(value))  # 1, 1.0 and True are equal, and must not be mixed up
    assert write(found) == text


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: &x 1\n", 1, "anchors"),
        ("a: [1]\nb: *x\n", 2, "anchors"),
        ("a: 1\nb: !!python/object/apply:os.system [id]\n", 2, "tags"),
        ("a: 1\nb: 2\na: 3\n", 3, "stands here twice, first in line 1"),
        ("a: 1\n---\nb: 1\n", 2, "second document"),
        ("a: [1, 2\nb: 1\n", 2, "did not find expected"),
        ("a:\n\tb: 1\n", 2, "cannot start any token"),
        ("? [a, b]\n: 1\n", 1, "a name must be a text"),
        ("[" * 40 + "]" * 40, 1, "nested too deeply"),
        ("a: \x00", 1, "no YAML"),
        ("a: \x1b[31m", 1, "no YAML"),
    ],
)
def test_what_is_more_than_plain_data_is_refused_with_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(Misplaced, match=message) as refused:
        placed.read(text)
    assert refused.value.line == line


FILE = """\
version: 1
organizatoins: {}
greylisting: {enabled: yes}
ip_addresses: {198.51.100.300: {}}
organizations:
  Acme: {}
  bolt:
    vmta: {}
    vmtas:
      mx1: {ip_address: 300.0.0.1, ehlo_domain: mx1.example.com}
      mx2: {ip_address: 192.0.2.2, ehlo_domain: mx2.example.com, proxy: {protocol: socks5}}
      mx3: {ip_address: 192.0.2.3, ehlo: mx3.example.com}
      mx4: {ip_address: 192.0.2.4}
    pools:
      a: {default: true, members: [mx1]}
      b: {default: true}
      c: {default: true, domains: [localhost]}
    domains: {example.com: , EXAMPLE.com: , example.com.: {dkim_rotation_days: "90"}}
    auto_block_rules: 7
shaping: {gmail: {limits: {connection_limit: 1}}, domain localhost: {}, provider x: {}, provider y: {limits: [1]}}
"""


def test_everything_that_is_wrong_is_told_with_line_and_path() -> None:
    desired = read_document(FILE, "state.yaml")
    difference({}, desired, prune=False)
    told = sorted(str(one) for one in desired.problems)
    expected = {
        "state.yaml:3: greylisting.enabled: must be true or false",
        "state.yaml:4: ip_addresses.198.51.100.300: not an IPv4 or IPv6 address",
        "state.yaml:6: organizations.Acme: a name must be 1 to 63 of a-z, 0-9 and -",
        "state.yaml:10: organizations.bolt.vmtas.mx1.ip_address: not an IPv4 or IPv6 address",
        "state.yaml:11: organizations.bolt.vmtas.mx2.proxy: needs server",
        "state.yaml:13: organizations.bolt.vmtas.mx4: a new one needs ehlo_domain",
        "state.yaml:15: organizations.bolt.pools.a.members: must be a mapping of names to values",
        "state.yaml:18: organizations.bolt.domains.EXAMPLE.com: is the same as organizations.bolt.domains.example.com",
        "state.yaml:18: organizations.bolt.domains.example.com.: is the same as organizations.bolt.domains.example.com",
        "state.yaml:20: shaping.provider x: a new one needs limits",
        "state.yaml:20: shaping.provider y.limits: must be a mapping of names to values",
        "state.yaml:19: organizations.bolt.auto_block_rules: must be a mapping of names to values",
    }
    assert expected <= set(told)
    assert sum(one.startswith("state.yaml:2: organizatoins: is nothing known; there are version") for one in told) == 1
    assert sum("vmtas.mx3.ehlo: is no field here" in one for one in told) == 1
    assert sum(one.startswith("state.yaml:20: shaping.domain localhost: not a domain") for one in told) == 1
    assert sum("bolt.vmta: is nothing known" in one for one in told) == 1
    assert read_document("vmtas: {}", "x").problems[0].message == "must be 1"


def vmta(address: str) -> dict[str, Any]:
    return {"ip_address": address, "ehlo_domain": "mx.example.com", "proxy": None, "warmup": None, "warmed": None}


def test_what_gives_something_up_goes_first_and_nothing_is_deleted_unasked() -> None:
    present: State = {
        Key("organization", "", "o"): {"name": "o"},
        Key("vmta", "o", "a"): vmta("192.0.2.1"),
        Key("vmta", "o", "b"): vmta("192.0.2.2"),
        Key("vmta", "o", "gone"): vmta("192.0.2.9"),
        Key("pool", "o", "p"): {"members": {"gone": 1}, "domains": ["x.example", "y.example"], "default": False},
        Key("domain", "o", "x.example"): {"dkim_rotation_days": None},
        Key("greylisting", "", "greylisting"): {"enabled": False},
    }
    text = """
version: 1
organizations:
  o:
    vmtas:
      a: {ip_address: 192.0.2.2}
      b: {ip_address: 192.0.2.3}
      c: {ip_address: 192.0.2.9, ehlo_domain: c.example.com}
    pools:
      n: {domains: [y.example]}
      p: {domains: [x.example], members: {a: 1}}
"""
    desired = read_document(text, "f")
    steps = difference(present, desired, prune=True)
    done = [(step.action, step.name) for step in steps]
    updates = [("update", "b"), ("create", "c"), ("update", "a"), ("update", "p"), ("create", "n")]
    assert done == [("delete", "gone"), *updates]  # no section of domains: none of them is looked at
    assert [(one.field, one.before, one.after) for one in steps[4].changes] == [
        ("members", {"gone": 1}, {"a": 1}),
        ("domains", ["x.example", "y.example"], ["x.example"]),
    ]
    assert difference(present, read_document(write_document(present), "f"), prune=True) == []
    unpruned = difference(present, read_document(text, "f"), prune=False)
    assert [(step.action, step.name) for step in unpruned] == updates
