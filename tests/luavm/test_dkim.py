"""Signatures made in the VM, verified by dkimpy."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from postmta_ctl.luavm import ManualClock, Message, NodeRuntime, PolicyError, Vm

DATA = (
    b"From: =?utf-8?q?M=C3=BCller?= <m@example.com>\r\nTo: a@b.example\r\nSubject: a  folded\r\n\tsubject \r\n"
    b"List-Unsubscribe: <https://example.com/u>\r\n\r\n.dots\r\nblank  \r\n" + b"x" * 1500 + b"\r\n\r\n\r\n"
)
HEADERS = "headers = { 'From', 'To', 'Subject', 'List-Unsubscribe', 'Reply-To' }"


@pytest.fixture(scope="module")
def keys() -> dict[str, RSAPrivateKey | Ed25519PrivateKey]:
    return {"rsa": generate_private_key(65537, 2048), "ed": Ed25519PrivateKey.generate()}


@pytest.fixture
def key_files(keys: dict[str, RSAPrivateKey | Ed25519PrivateKey], tmp_path: Path) -> dict[str, Path]:
    files = {}
    for name, key in keys.items():
        files[name] = tmp_path / f"{name}.key"
        files[name].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    return files


def published(keys: dict[str, RSAPrivateKey | Ed25519PrivateKey]) -> Callable[..., bytes]:
    """The DNS of the signing domain."""
    ed = keys["ed"].public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    rsa = (
        keys["rsa"]
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    records = {
        b"ed._domainkey.example.com.": b"v=DKIM1; k=ed25519; p=" + base64.b64encode(ed),
        b"rsa._domainkey.example.com.": b"v=DKIM1; k=rsa; p=" + base64.b64encode(rsa),
    }
    return lambda name, timeout=5: records.get(name if isinstance(name, bytes) else name.encode(), b"")


@pytest.fixture
def sign(load: Callable[..., Vm], key_files: dict[str, Path]) -> Callable[..., bytes]:
    """The message signed with each of the named keys, with these options."""

    def sign(*names: str, options: str = HEADERS) -> bytes:
        calls = [
            f"msg:dkim_sign(kumo.dkim.rsa_sha256_signer {{ domain = 'example.com', selector = '{name}',"
            f" key = '{key_files[name]}', {options} }})"
            for name in names
        ]
        vm = load("kumo.on('http_message_generated', function(msg)\n" + "\n".join(calls) + "\nend)")
        message = Message("1", "", [], DATA)
        assert vm.http_message_generated(message) is None
        return message.data

    return sign


def verifies(data: bytes, keys: dict[str, RSAPrivateKey | Ed25519PrivateKey], index: int = 0) -> bool:
    try:
        return bool(dkim.DKIM(data).verify(idx=index, dnsfunc=published(keys)))
    except dkim.ValidationError:
        return False


@pytest.mark.parametrize("name", ["rsa", "ed"])
@pytest.mark.parametrize("header", ["Relaxed", "Simple"])
@pytest.mark.parametrize("body", ["Relaxed", "Simple"])
@pytest.mark.parametrize("over_sign", ["true", "false"])
def test_signatures_verify(sign, keys, name: str, header: str, body: str, over_sign: str) -> None:  # type: ignore[no-untyped-def]
    options = (
        f"{HEADERS}, header_canonicalization = '{header}', body_canonicalization = '{body}', over_sign = {over_sign}"
    )
    signed = sign(name, options=options)
    assert verifies(signed, keys)
    assert not verifies(signed.replace(b".dots", b"..dots"), keys)
    assert not verifies(signed.replace(b"a@b.example", b"c@d.example"), keys)


def test_two_signatures_both_verify(sign, keys) -> None:  # type: ignore[no-untyped-def]
    signed = sign("rsa", "ed")
    assert [verifies(signed, keys, index) for index in (0, 1)] == [True, True]


def tag(signed: bytes, name: str) -> str:
    field = signed.partition(b"\r\nFrom:")[0].decode()
    match = re.search(rf"[;:]\s*{name}=([^;]*)", field)
    assert match is not None
    return re.sub(r"\s", "", match[1])


def test_only_over_signing_stops_added_headers(sign, keys) -> None:  # type: ignore[no-untyped-def]
    plain, over = sign("rsa"), sign("rsa", options=f"{HEADERS}, over_sign = true")
    assert tag(plain, "h") == "From:To:Subject:List-Unsubscribe"
    assert tag(over, "h") == "From:From:To:To:Subject:Subject:List-Unsubscribe:List-Unsubscribe:Reply-To"
    second = b"To: a@b.example\r\nReply-To: evil@example.net\r\nTo: a@b.example\r\n"
    assert verifies(plain.replace(b"To: a@b.example\r\n", second), keys)
    assert not verifies(over.replace(b"To: a@b.example\r\n", second), keys)


def test_dates_come_from_the_nodes_clock(sign, clock: ManualClock) -> None:  # type: ignore[no-untyped-def]
    signed = sign("ed", options=f"{HEADERS}, expiration = 3600")
    now = int(clock.now().timestamp())
    assert (tag(signed, "t"), tag(signed, "x"), tag(signed, "a")) == (str(now), str(now + 3600), "ed25519-sha256")


KEY_TEXT = "local f = io.open('{path}'):read('a')\n"


@pytest.mark.parametrize(
    "source", ["{ key_data = f }", "{ event_name = 'my.key', event_args = { 'example.com', 'rsa' } }"]
)
def test_keys_come_from_other_sources(load, key_files, keys, source: str) -> None:  # type: ignore[no-untyped-def]
    vm = load(
        KEY_TEXT.format(path=key_files["rsa"])
        + "local KEY = 'my.key'\nkumo.on(KEY, function(domain, selector) if selector == 'rsa' then return f end end)\n"
        + "kumo.on('http_message_generated', function(msg)\n"
        + f"msg:dkim_sign(kumo.dkim.ed25519_signer {{ domain = 'example.com', selector = 'rsa', key = {source},"
        + " headers = { 'From' } })\nend)"
    )
    message = Message("1", "", [], DATA)
    vm.http_message_generated(message)
    assert verifies(message.data, keys)


@pytest.mark.parametrize(
    ("code", "options"),
    [
        ("bad_value", "headers = { 'To' }, key = { key_data = '' }"),
        ("missing_option", "headers = { 'From' }"),
        ("file_error", "headers = { 'From' }, key = '/nowhere.key'"),
        ("bad_key", "headers = { 'From' }, key = { key_data = 'x' }"),
        ("bad_value", "headers = { 'From' }, key = { key_data = '' }, atps = 'x'"),
        ("lenient_unknown_option", "headers = { 'From' }, key = '/x', over_signing = true"),
        ("lenient_unknown_option", "headers = { 'From' }, key = { key_data = '', file = 'x' }"),
        ("empty_table", "headers = { 'From' }, key = { event_name = 'x', event_args = {} }"),
        ("not_simulated", "headers = { 'From' }, key = { vault_mount = 'x', vault_path = 'y' }"),
    ],
)
def test_refusals(refusal: Callable[..., PolicyError], code: str, options: str) -> None:
    assert refusal(f"kumo.dkim.rsa_sha256_signer {{ domain = 'd', selector = 's', {options} }}").code == code


def test_a_key_changed_in_place_is_seen_after_its_ttl(
    node: Callable[..., NodeRuntime], clock: ManualClock, key_files: dict[str, Path]
) -> None:
    key = key_files["rsa"]
    vm = node(
        f"kumo.on('http_message_generated', function(msg) msg:dkim_sign(kumo.dkim.rsa_sha256_signer {{ ttl = '5m',"
        f" domain = 'd', selector = 's', headers = {{ 'From' }}, key = '{key}' }}) end)"
    ).context()

    def algorithm() -> str:
        message = Message("1", "", [], DATA)
        vm.http_message_generated(message)
        return tag(message.data, "a")

    assert algorithm() == "rsa-sha256"
    key.write_bytes(key_files["ed"].read_bytes())
    assert algorithm() == "rsa-sha256"
    clock.advance(301)
    assert algorithm() == "ed25519-sha256"
