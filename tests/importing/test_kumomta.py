"""What becomes of the files of KumoMTA's policy helpers."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmta_ctl.core.errors import InputError
from postmta_ctl.features.importing.files import Files
from postmta_ctl.importing import documents, kumomta
from postmta_ctl.importing.wanted import Defaults, Wanted
from postmta_ctl.settings import PolicySettings
from tests.importing.support import FIXTURES, kumomta_of, line_of

FIXTURE = FIXTURES / "kumomta"


@pytest.fixture
def letters() -> Wanted:
    return kumomta.read(Files(FIXTURE), Defaults())


def leaves(value: Any) -> Iterator[str]:
    """Every value of a document, found without line numbers."""
    if isinstance(value, dict) and value:
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for inner in value:
            yield from leaves(inner)
    else:
        yield json.dumps(value)


@pytest.mark.parametrize("path", sorted(FIXTURE.glob("*.*")), ids=lambda path: path.name)
def test_every_value_is_in_the_report_once_with_its_line(letters: Wanted, path: Any) -> None:
    text = path.read_text()
    found = [one for one in letters.report.lines() if one.file == path.name]
    if path.name in ("init.lua", "notes.toml"):
        assert [(one.line, one.outcome) for one in found] == [(1, "not_supported")]
        return
    values = leaves(json.loads(text) if path.suffix == ".json" else tomllib.loads(text))
    # The header of a table that has only tables in it is a directive beside its values.
    shown = [one.directive.partition(" = ")[2] for one in found if one.directive != "pool.news = {}"]
    assert Counter(shown) == Counter(values)
    lines = text.splitlines()
    for one in found:
        last = one.directive.partition(" = ")[0].split(".")[-1].strip('"')
        assert last in lines[one.line - 1]


def test_sources_become_vmtas(letters: Wanted) -> None:
    assert {one.name: (one.ip_address, one.ehlo_domain, one.proxy) for one in letters.vmtas} == {
        "news-1": ("192.0.2.31", "news1.letter.example", None),
        "news-2": ("192.0.2.32", "news2.letter.example", ("socks5", "10.9.0.1:1080")),
        "later": ("192.0.2.40", "later.letter.example", None),
    }


def test_pools_have_weights_and_the_default_tenants_is_the_default(letters: Wanted) -> None:
    assert {one.name: (one.members, one.default) for one in letters.pools} == {
        "news": ({"news-1": 3, "news-2": 1}, True),
        "alerts": ({"news-1": 1, "later": 2}, False),
    }


def test_keys_become_those_of_domains(letters: Wanted) -> None:
    assert [(one.name, key.selector, key.path) for one in letters.domains for key in one.keys] == [
        ("letter.example", "k1", "keys/letter.pem"),
        ("edge.letter.example", "ed", "keys/edge.pem"),
        ("default.letter.example", "k1", "/opt/kumomta/etc/dkim/default.letter.example/k1.key"),
    ]


def test_the_settings_are_ones_that_the_service_takes(letters: Wanted) -> None:
    policy = msgspec.convert(letters.policy, PolicySettings)
    assert (policy.max_age, policy.retry_interval, policy.max_retry_interval) == ("36 hours", "10 minutes", "2 hours")
    assert policy.relay_domains == {"inbox.letter.example": ("[10.9.0.7]:2525",)}
    assert policy.smtp_listeners[0].relay_hosts == ("10.9.0.0/24",)
    assert policy.path_defaults["connection_limit"] == 12


@pytest.mark.parametrize(
    ("directive", "outcome", "note"),
    [
        ("source.mirror.source_address", "approximated", "news-1 has this address already"),
        ("source.half.ha_proxy_server", "not_supported", "are both there"),
        ("source.bare.remote_port", "not_supported", "port 25"),
        ('source.news-1.ehlo_domain = "n1', "not_supported", "replaces it at sources.toml:4"),
        ("pool.broken.nobody.weight", "not_supported", "no source nobody"),
        ('pool.idle."News 2".weight', "not_supported", "weight 0"),
        ("pool.asleep", "not_supported", "without members"),
        ("tenant.alarms.egress_pool", "approximated", "the pool alerts"),
        ("tenant.lost.egress_pool", "not_supported", "no pool nowhere"),
        ("tenant.letters.max_age", "not_supported", "alike for all"),
        ('queue."bigmail.example".letters.spring', "not_supported", "alike for all"),
        ('"other.letter.example".relay_to', "not_supported", "needs a host"),
        ('"anyone.letter.example".relay_from', "not_supported", "anybody"),
        ('domain."*.letter.example".selector', "not_supported", "not a domain"),
        ("signature.Platform.domain", "not_supported", "From domain's keys only"),
        ('"bigmail.example".automation.[0].regex', "not_supported", "TSA"),
        ("provider.bigmail.max_message_rate", "not_supported", "not by recipient domain"),
        ("default.connection_limit", "approximated", "policy.path_defaults.connection_limit"),
    ],
)
def test_what_becomes_of_it(letters: Wanted, directive: str, outcome: str, note: str) -> None:
    found = line_of(letters, directive)
    assert found.outcome == outcome
    assert note in found.note


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("sources.toml", b"a = 1\nb = ", 1),
        ("sources.toml", b"a = 1\na = 2\n", 2),
        ("sources.toml", b"ok = 1\n= 2\n", 2),
        ("sources.json", b'{\n"a": 1,\n}', 3),
        ("sources.json", b"[]", 1),
        ("queues.toml", b"a = '\xff'", 1),
        ("shaping.json", b'{"a":' * 100_000, 1),
        ("dkim_data.json", b'{"a":' + b"[" * 60 + b"]" * 60 + b"}", 1),
    ],
)
def test_a_file_that_cannot_be_read_is_named(name: str, content: bytes, line: int) -> None:
    wanted = kumomta_of({name: content})
    (found,) = wanted.report.lines()
    assert (found.file, found.line, found.outcome) == (name, line, "not_supported")
    assert wanted.problems == [0]


@pytest.mark.parametrize(
    "text",
    [
        "[source.a]\nsource_address = 5\nehlo_domain = 'a.example'",
        "[source.a]\nsource_address = '192.0.2.1'\nehlo_domain = ['a.example']",
        "[source.a]\nsource_address = '127.0.0.1/8'\nehlo_domain = 'a.example'",
        "[source.a]\nsocks5_proxy_server = 'proxy:1'\nsocks5_proxy_source_address = '192.0.2.1'",
        "source = 1\npool = []",
        "[pool.p.a]\nweight = true",
    ],
)
def test_values_of_another_type_make_nothing(text: str) -> None:
    wanted = kumomta_of({"sources.toml": text}, ehlo_domain="mx.example.com")
    assert (wanted.vmtas, wanted.pools) == ([], [])
    assert {one.outcome for one in wanted.report.lines()} == {"not_supported"}


KEYS = st.sampled_from(
    ["source", "pool", "a", "b", "source_address", "ehlo_domain", "weight", "tenant", "queue", "default", "egress_pool",
     "default_tenant", "routing_domain", "relay_to", "relay_from", "domain", "base", "selector", "filename", "headers",
     "connection_limit", "max_age", "a.example", "*", "", "ha_proxy_server", "ha_proxy_source_address"]
)  # fmt: skip
SCALARS = st.sampled_from(["192.0.2.1", "a.example", "a", "", "1/h", "5m", True, False, 0, 1, 2.5]) | st.text(
    max_size=4
)
VALUES = st.recursive(
    SCALARS | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
FILES = st.sampled_from(["sources", "queues", "listener_domains", "dkim_data", "shaping"])


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(FILES, st.dictionaries(KEYS, VALUES, max_size=5), max_size=5))
def test_no_values_make_the_import_fail(contents: dict[str, Any]) -> None:
    files: dict[str, str | bytes] = {f"{name}.json": json.dumps(value) for name, value in contents.items()}
    assert all(one.note and one.line == 1 for one in kumomta_of(files).report.lines())


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=100) | st.text("[]{}=\"'.,\n #ab1", max_size=60).map(str.encode),
    st.sampled_from(["toml", "json"]),
)
def test_no_octets_make_reading_fail(content: bytes, ending: str) -> None:
    try:
        found = documents.read(f"x.{ending}", content)
    except InputError:
        return
    assert all(1 <= one.line <= content.count(b"\n") + 1 for one in found)
