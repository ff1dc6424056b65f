"""Logos: the record, the SVG profile, and certificates made here for the purpose."""

from __future__ import annotations

import base64
import gzip
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core import bimi, mark_certificates, svg_tiny_ps
from postmta_ctl.core.errors import InputError

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HEAD = '<svg xmlns="http://www.w3.org/2000/svg" version="1.2" baseProfile="tiny-ps" viewBox="0 0 64 64">'
TITLE = "<title>Acme</title>"


def svg(inside: str = "", head: str = HEAD, title: str = TITLE, before: str = "") -> bytes:
    return f'{before}{head}{title}<circle id="c" cx="32" cy="32" r="30"/>{inside}</svg>'.encode()


def test_a_conforming_logo_has_no_problem() -> None:
    assert svg_tiny_ps.problems(svg('<use xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="#c"/>')) == []
    assert svg_tiny_ps.problems(svg('<rect fill="url(#g)"/>', before='<?xml version="1.0" encoding="UTF-8"?>')) == []


@pytest.mark.parametrize(
    ("logo", "reason"),
    [
        (svg(head=HEAD.replace("1.2", "1.1")), 'version="1.2"'),
        (svg(head=HEAD.replace("tiny-ps", "tiny")), "baseProfile"),
        (svg(head=HEAD.replace("0 0 64 64", "0 0 64 32")), "not square"),
        (svg(head=HEAD.replace("0 0 64 64", "0 0 nan nan")), "viewBox"),
        (svg(head=HEAD.replace("0 0 64 64", "0 0 0 0")), "not square"),
        (svg(head=HEAD.replace(' viewBox="0 0 64 64"', "")), "viewBox"),
        (svg(head=HEAD.replace("<svg ", '<svg width="10" height="20" ')), "width and height"),
        (svg(head=HEAD.replace("<svg ", '<svg x="0" ')), "attribute x"),
        (svg(title=""), "no title"),
        (svg(title="<title>  </title>"), "no title"),
        (svg(title="", inside="<g><title>inner</title></g>"), "no title"),
        (svg("<script>alert(1)</script>"), "scripts"),
        (svg('<g onclick="alert(1)"/>'), "onclick"),
        (svg('<animate attributeName="x"/>'), "animation"),
        (svg('<image href="data:image/png;base64,AAAA"/>'), "raster"),
        (svg("<foreignObject/>"), "foreign"),
        (svg('<a href="https://evil.example/"/>'), "links"),
        (svg('<use xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="https://evil.example/#c"/>'), "refers to"),
        (svg('<use href="//evil.example/a"/>'), "refers to"),
        (svg('<rect fill="url(https://evil.example/a)"/>'), "another document"),
        (svg("<style>@import 'https://evil.example/a';</style>"), "another document"),
        (svg(before='<?xml-stylesheet href="https://evil.example/a.css"?>'), "style sheet"),
        (svg()[:-3], "well-formed"),
        (b"", "well-formed"),
        (b"\x89PNG\r\n", "well-formed"),
        (b"<html/>", "is no SVG"),
        (b'<svg version="1.2"/>', "is no SVG"),
        (svg("x" * 32768), "32768"),
        (svg("<g>" * 200 + "</g>" * 200), "nested"),
    ],
)
def test_what_keeps_a_logo_from_being_shown(logo: bytes, reason: str) -> None:
    found = svg_tiny_ps.problems(logo)
    assert any(reason in one for one in found), found


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE svg SYSTEM "https://evil.example/x.dtd">',
        '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">',
    ],
)
def test_no_entity_is_ever_read(doctype: str) -> None:
    (found,) = svg_tiny_ps.problems(svg("&x;", before=doctype))
    assert "document type" in found


@given(st.binary(max_size=400) | st.text(max_size=200).map(svg))
def test_whatever_it_is_there_is_an_answer(data: bytes) -> None:
    assert all(one.endswith(".") for one in svg_tiny_ps.problems(data))


def test_the_record() -> None:
    value = bimi.record_value("https://a.example/l.svg", "https://a.example/c.pem")
    assert value == "v=BIMI1; l=https://a.example/l.svg; a=https://a.example/c.pem"
    assert bimi.record_name("a.example", "default") == "default._bimi.a.example"
    with pytest.raises(InputError):
        bimi.record_value("https://a.example/l.svg;a=x", None)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (["v=BIMI1; l=https://a.example/l.svg; a="], "ok"),
        (["v=BIMI1;l=https://a.example/l.svg;"], "ok"),
        (["x", "v=BIMI1; a=; l=https://a.example/l.svg"], "ok"),
        (["v=BIMI1; l=https://a.example/other.svg"], "wrong"),
        (["v=BIMI1; l=https://a.example/l.svg; a=https://a.example/c.pem"], "wrong"),
        (["v=BIMI1; l=https://a.example/l.svg", "v=BIMI1; l="], "wrong"),
        (["v=BIMI1; l"], "wrong"),
        (["v=spf1 -all"], "missing"),
        ([], "missing"),
    ],
)
def test_the_verdict_on_a_record(found: list[str], verdict: str) -> None:
    expected = bimi.record_value("https://a.example/l.svg", None)
    assert bimi.judge_bimi(expected, found).verdict == verdict


AUTHORITY = ec.generate_private_key(ec.SECP256R1())


def certificate(
    *,
    names: tuple[str, ...] = ("acme.test",),
    usage: str = "1.3.6.1.5.5.7.3.31",
    logo: bytes | None = svg(),
    until: timedelta = timedelta(days=30),
    issuer_key: Any = AUTHORITY,
    chain: bool = True,
) -> bytes:
    """A chain of two in PEM."""
    key, authority = ec.generate_private_key(ec.SECP256R1()), _name("Mark Authority")
    made = _builder(_name("Acme"), authority, key.public_key(), until)
    made = made.add_extension(x509.ExtendedKeyUsage([x509.ObjectIdentifier(usage)]), critical=False)
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    if logo is not None:
        text = b"data:image/svg+xml;base64," + base64.b64encode(gzip.compress(logo))
        made = made.add_extension(
            x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.12"), b"\x30\x82" + text + b"0!0"), False
        )
    above = _builder(authority, authority, AUTHORITY.public_key(), timedelta(days=300))
    above = above.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = made.sign(issuer_key, SHA256()).public_bytes(Encoding.PEM)
    return pem + (above.sign(AUTHORITY, SHA256()).public_bytes(Encoding.PEM) if chain else b"")


def _name(organization: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)])


def _builder(subject: x509.Name, issuer: x509.Name, key: Any, until: timedelta) -> x509.CertificateBuilder:
    start = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    return (
        start.serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=60))
        .not_valid_after(NOW + until)
    )


def test_a_good_certificate() -> None:
    mark = mark_certificates.read(certificate(), "acme.test", "default", NOW)
    assert (mark.problems, mark.issuer, mark.expires_at) == ([], "Mark Authority", NOW + timedelta(days=30))
    assert mark.logo == svg()


@pytest.mark.parametrize("size", range(12))
def test_the_logo_within_is_read_whatever_its_length(size: int) -> None:
    logo = svg("x" * size)
    assert mark_certificates.read(certificate(logo=logo), "acme.test", "default", NOW).logo == logo


@pytest.mark.parametrize("name", ["ACME.test", "default._bimi.mail.acme.test", "mail.acme.test"])
def test_the_names_that_a_certificate_may_have(name: str) -> None:
    assert mark_certificates.read(certificate(names=(name,)), "mail.acme.test", "default", NOW).problems == []


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (certificate(until=-timedelta(days=1)), "expired"),
        (certificate(names=("other.test",)), "not for acme.test"),
        (certificate(names=("notacme.test",)), "not for acme.test"),
        (certificate(usage="1.3.6.1.5.5.7.3.1"), "no mark certificate"),
        (certificate(logo=None), "no logo"),
        (certificate(chain=False), "whole chain"),
        (certificate(issuer_key=ec.generate_private_key(ec.SECP256R1())), "no chain"),
        (b"", "cannot be read"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read"),
        (b"x" * 300_000, "octets"),
    ],
)
def test_what_is_wrong_with_a_certificate(pem: bytes, reason: str) -> None:
    found = mark_certificates.read(pem, "acme.test", "default", NOW).problems
    assert any(reason in one for one in found), found


def test_a_logo_that_unpacks_to_gigabytes_is_cut() -> None:
    mark = mark_certificates.read(certificate(logo=b"0" * 10_000_000), "acme.test", "default", NOW)
    assert mark.logo is not None
    assert len(mark.logo) <= 64 * 1024
