"""The function families that policies compute with, one expression a case."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from postmta_ctl.luavm import DnsFailure, PolicyError
from postmta_ctl.luavm.catalogue import catalogue
from postmta_ctl.luavm.functions import FUNCTIONS
from postmta_ctl.luavm.functions.dns import site_name

Run = Callable[..., Any]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ('kumo.serde.json_parse(\'[1, 1.0, {"a": null, "b": []}]\')', [1, 1.0, {"b": []}]),
        ("kumo.serde.json_encode { b = { 1, 2 }, a = 'é', c = {} }", '{"a":"é","b":[1,2],"c":{}}'),
        ("kumo.serde.json_encode(kumo.serde.json_parse('{\"a\": []}'))", '{"a":[]}'),
        ("kumo.json_encode(1.0)", "1.0"),
        ("math.type(kumo.serde.json_parse('3'))", "integer"),
        ("math.type(kumo.serde.json_parse('99999999999999999999'))", "float"),
        ("kumo.serde.toml_parse('[a]\\nb = 2026-01-02\\nc = [1]')", {"a": {"b": "2026-01-02", "c": [1]}}),
        ("kumo.serde.toml_encode { a = { b = 1 } }", "[a]\nb = 1\n"),
        ("kumo.serde.yaml_parse('a: [1, yes]')", {"a": [1, True]}),
        ("kumo.serde.yaml_encode { b = 1, a = 'x' }", "a: x\nb: 1\n"),
        ("kumo.digest.sha256('a', 'b').hex", "fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603"),
        ("tostring(kumo.digest.crc32('123456789'))", "cbf43926"),
        ("kumo.digest.sha1('').base64_nopad", "2jmj7l5rSw0yVb/vlWAYkK/YBwk"),
        ("#kumo.digest.sha3_512('').bytes", 64),
        ("kumo.digest.hmac_sha256({ key_data = 'k' }, 'm').base32_nopad:sub(1, 8)", "WYAJBYYF"),
        ("kumo.encode.base64url_nopad_encode('\\xff\\xfe')", "__4"),
        ("kumo.encode.base64url_nopad_decode('__4') == '\\xff\\xfe'", True),
        ("kumo.encode.hex_decode('00ff') == '\\0\\xff'", True),
        ("kumo.encode.charset_decode('latin-1', '\\xe9')", "é"),
        ("kumo.string.splitn('a,b,c', 2, ',')", ["a", "b,c"]),
        ("kumo.string.rsplit('a,b,c', ',')", ["c", "b", "a"]),
        ("kumo.string.rsplitn('a,b,c', 2, ',')", ["c", "a,b"]),
        ("kumo.string.split_whitespace(' a  b ')", ["a", "b"]),
        ("kumo.string.replacen('aaa', 'a', 'b', 2)", "bba"),
        ("kumo.string.trim('  x ')", "x"),
        ("kumo.string.starts_with('\\xffa', '\\xff')", True),
        ("kumo.string.eval_template('x.html', 'a {{ b }}', { b = '<' })", "a &lt;"),
        ("kumo.string.eval_template('x', '{{ b }}', {}, 'Static')", "{{ b }}"),
        ("kumo.regex.compile([[(\\w+)@(?P<d>\\w+)]]):captures('to a@b')[0]", "a@b"),
        ("kumo.regex.compile([[(\\w+)@(?P<d>\\w+)]]):captures('to a@b').d", "b"),
        ("kumo.regex.compile('x'):captures('to a@b') == nil", True),
        ("kumo.regex.compile('a+'):find_all('aa b a')", ["aa", "a"]),
        ("kumo.regex.compile('(a)(b)'):replace_all('ab-ab', '$2${1}$$')", "ba$-ba$"),
        ("kumo.regex.compile(','):split('a,,b')", ["a", "", "b"]),
        ("kumo.regex.compile('^' .. kumo.regex.escape('a.b') .. '$'):is_match('axb')", False),
        ("kumo.time.now().rfc3339", "2026-08-04T12:00:00+00:00"),
        ("kumo.time.now():format('%Y%m%d')", "20260804"),
        ("(kumo.time.parse_rfc3339('2026-08-04T14:00:00+01:00') - kumo.time.now()).seconds", 3600.0),
        ("(kumo.time.now() + kumo.time.parse_duration('90m')).hour", 13),
        ("kumo.time.parse_duration('1h 5m').human", "1h 5m"),
        ("kumo.time.now() == kumo.time.with_ymd_hms(2026, 8, 4, 12, 0, 0)", True),
        ("kumo.time.parse_rfc2822('Tue, 4 Aug 2026 11:59:00 +0000').elapsed.seconds", 60.0),
        ("kumo.domain_map.new({ ['a.b'] = 1, ['*.b'] = 2 })['a.b']", 1),
        ("kumo.domain_map.new({ ['a.b'] = 1, ['*.b'] = 2 })['y.c.b']", 2),
        ("kumo.domain_map.new({ ['a.b'] = 1, ['*.b'] = 2 })['x.a.b'] == nil", True),
        ("kumo.domain_map.new({ ['a.b'] = 1 })['A.b'] == nil", True),
        ("kumo.domain_map.new({ ['*.b'] = 2 })['b'] == nil", True),
        ("kumo.cidr.make_map({ ['10.0.0.0/8'] = 'a', ['10.1.0.0/16'] = 'b' })['10.1.2.3:25']", "b"),
        ("kumo.cidr.make_map({ ['::/0'] = 'a' })['[::1]:25']", "a"),
        ("kumo.regex_set_map.new({ ['^a'] = 1 })['abc']", 1),
        ("kumo.uuid.parse('67e55044-10b1-426f-9247-bb680e5fe0c8').simple", "67e5504410b1426f9247bb680e5fe0c8"),
        ("#tostring(kumo.uuid.new_v7())", 36),
        ("kumo.http.build_url('http://a/b?c=1', { d = 'e f' })", "http://a/b?c=1&d=e+f"),
        ("kumo.dns.ptr_host('192.0.2.1')", "1.2.0.192.in-addr.arpa"),
        ("kumo.dns.reverse_ip('192.0.2.1')", "1.2.0.192"),
        ("kumo.version", "2026.08.04-3ebc1e85"),
        ("kumo.aaa.make_http_url_resource('127.0.0.1:8000', '/a/b')", "http_listener/127.0.0.1:8000/a/b"),
    ],
)
def test_expressions(run: Run, expression: str, value: object) -> None:
    result = run(f"return {expression}")
    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(
    ("code", "expression"),
    [
        ("bad_value", "kumo.serde.json_parse('{')"),
        ("bad_value", "kumo.serde.json_encode('\\xff')"),
        ("wrong_type", "kumo.serde.json_encode { f = print }"),
        ("mixed_table", "kumo.serde.json_encode { 1, a = 2 }"),
        ("file_error", "kumo.serde.json_load('/nowhere')"),
        ("bad_value", "kumo.encode.base64_decode('%')"),
        ("bad_value", "kumo.regex.compile('(')"),
        ("bad_value", "kumo.time.parse_rfc3339('soon')"),
        ("wrong_type", "kumo.time.now() + 1"),
        ("bad_value", "kumo.cidr.make_map { ['10.0.0.1/8'] = 1 }"),
        ("bad_value", "kumo.uuid.parse('x')"),
        ("unknown_method", "kumo.time.now().years"),
        ("not_simulated", "kumo.string.psl_domain('a.b')"),
        ("not_simulated", "kumo.dns.lookup_mx('example.com')"),
        ("not_simulated", "kumo.api.admin.suspend.list()"),
        ("not_simulated", "kumo.fs.open('/x', 'w')"),
        ("not_simulated", "kumo.shaping.load { '/x' }"),
    ],
)
def test_refusals(refusal: Callable[..., PolicyError], code: str, expression: str) -> None:
    assert refusal(f"local x = {expression}").code == code


def test_files(run: Run, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.json").write_text('{"x": 1}')
    body = f"""
    local d = '{tmp_path}/d'
    local f = kumo.fs.open(d .. '/a.json')
    f:seek('set', 1)
    return {{ kumo.serde.json_load(d .. '/a.json').x, #kumo.fs.read_dir(d), kumo.fs.glob('*.json', d)[1], f:read(3),
      kumo.fs.metadata_for_path(d).is_dir, kumo.fs.metadata_for_path(d .. '/a.json').size }}"""
    assert run(body) == [1, 1, "a.json", '"x"', True, 8]


def test_sqlite(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as database:
        database.executescript("create table t (a, b); insert into t values (1, 'x'), (2, 'y')")
    database.close()
    body = f"""
    local db = require('sqlite').open('{path}')
    local out = {{ db:execute('select a from t where b = ?', 'y'),
      db:execute('select a, b from t where a = :a', {{ a = 1 }}), db:execute('update t set b = 1') }}
    db:close()
    return out"""
    assert run(body) == [[2], [{"a": 1, "b": "x"}], 2]


class Zone:
    """A resolver that knows one domain."""

    def mx(self, domain: str) -> Sequence[tuple[int, str]]:
        if domain != "example.com":
            raise DnsFailure(f"{domain}: NXDOMAIN")
        return [(10, "mx1.example.com."), (10, "mx2.example.com."), (20, "backup.example.com.")]

    def addresses(self, host: str) -> Sequence[str]:
        if host == "both.example":
            return ["192.0.2.1", "2001:db8::1"]
        if host == "1.2.0.192.bl.example":
            return ["127.0.0.2"]
        raise DnsFailure(host)

    def txt(self, domain: str) -> Sequence[str]:
        return [f"text of {domain}"]

    def ptr(self, address: str) -> Sequence[str]:
        return [f"{address}.example.com"]


def test_dns(run: Run, refusal: Callable[..., PolicyError]) -> None:
    body = """
    local mx = kumo.dns.lookup_mx('example.com')
    local listed, why = kumo.dns.rbl_lookup('192.0.2.1', 'bl.example')
    local clean = kumo.dns.rbl_lookup('192.0.2.9', 'bl.example')
    return { mx.by_pref[10], mx.site_name, listed, why, clean == nil, kumo.dns.lookup_ptr('::1')[1] }"""
    assert run(body, resolver=Zone()) == [
        ["mx1.example.com.", "mx2.example.com."],
        "(mx1|mx2|backup).example.com",
        "127.0.0.2",
        "text of 1.2.0.192.bl.example",
        True,
        "::1.example.com",
    ]
    assert refusal("kumo.dns.lookup_mx('example.net')", resolver=Zone()).code == "dns_failure"


def test_addresses_by_family(run: Run) -> None:
    body = """
    local found = { kumo.dns.lookup_addr('both.example'), kumo.dns.lookup_mx('[IPv6:2001:db8::9]').hosts }
    for _, strategy in ipairs { 'Ipv4Only', 'Ipv6Only', 'Ipv4ThenIpv6', 'Ipv6ThenIpv4' } do
      table.insert(found, kumo.dns.lookup_addr('both.example', nil, strategy))
    end
    table.insert(found, kumo.dns.lookup_addr('192.0.2.7', nil, 'Ipv6Only'))
    return found"""
    four, six = ["192.0.2.1"], ["2001:db8::1"]
    assert run(body, resolver=Zone()) == [four + six, ["2001:db8::9"], four, six, four, six, ["192.0.2.7"]]


@pytest.mark.parametrize(
    ("hosts", "name"),
    [
        (["mx.example.com."], "mx.example.com"),
        (["a.y.example.com", "b.x.example.com"], "(a|b).(y|x).example.com"),
        (["a.example.com", "a.b.example.net"], "a?.(a|b).example.(com|net)"),
        (
            ["gmail-smtp-in.l.google.com.", *(f"alt{n}.gmail-smtp-in.l.google.com." for n in (1, 2, 3, 4))],
            "(alt1|alt2|alt3|alt4)?.gmail-smtp-in.l.google.com",
        ),
    ],
)
def test_exchangers_roll_up_into_one_name(hosts: list[str], name: str) -> None:
    assert site_name(hosts) == name


class Control:
    """A node that remembers what it was told."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def inject(self, request: Any) -> Any:
        return {"success_count": len(request["recipients"]), "fail_count": 0, "failed_recipients": [], "errors": []}

    def entries(self, kind: str) -> Any:
        return [{"id": "1", "reason": kind}]

    def add(self, kind: str, request: Any) -> str:
        self.calls.append((kind, request["reason"], request["domain"]))
        return "67e55044-10b1-426f-9247-bb680e5fe0c8"

    def remove(self, kind: str, entry_id: str) -> bool:
        self.calls.append((kind, entry_id))
        return True


def test_administration_reaches_the_node(run: Run) -> None:
    control = Control()
    body = """
    local id = kumo.api.admin.suspend.suspend { reason = 'why', domain = 'd' }
    kumo.api.admin.bounce.bounce { reason = 'gone', domain = 'e' }
    kumo.api.admin.suspend.delete(id)
    local request = { envelope_sender = 'a@b.c', content = 'x', recipients = { { email = 'd@e.f' } } }
    local sent = kumo.api.inject.inject_v1(request)
    return { kumo.api.admin.suspend_ready_q.list()[1].reason, sent.success_count }"""
    assert run(body, control=control) == ["suspend_ready_q", 1]
    assert control.calls == [
        ("suspend", "why", "d"),
        ("bounce", "gone", "e"),
        ("suspend", "67e55044-10b1-426f-9247-bb680e5fe0c8"),
    ]


def test_what_stands_behind_a_name_is_in_the_catalogue() -> None:
    assert FUNCTIONS.keys() <= catalogue().functions.keys()


def test_known_functions_are_never_unknown(run: Run) -> None:
    body = """
    local function at(path)
      local value = path:match '^kumo' and {{ kumo = kumo }} or {{ [path:match '^%w+'] = require(path:match '^%w+') }}
      for part in path:gmatch '[%w_]+' do value = value[part] end
      return value
    end
    for _, path in ipairs {{ {paths} }} do if not at(path) then return path end end"""
    paths = ", ".join(f"'{path}'" for path in catalogue().functions)
    assert run(body.format(paths=paths)) is None
