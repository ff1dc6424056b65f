from __future__ import annotations

import base64

import dkim as dkimpy  # type: ignore[import-untyped]
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
    load_pem_private_key,
)

from postmta_ctl.core.dkim import ED25519, RSA, KeyPair, generate, judge_dkim, public_record
from postmta_ctl.core.tag_lists import parse_tags

MESSAGE = b"From: ann@example.org\r\nTo: bob@example.com\r\nSubject: Hello\r\n\r\nHello.\r\n"


@pytest.fixture(scope="module")
def rsa() -> KeyPair:
    return generate(RSA)


@pytest.fixture(scope="module")
def ed25519() -> KeyPair:
    return generate(ED25519)


@pytest.mark.parametrize("algorithm", [RSA, ED25519])
def test_a_signature_verifies_by_the_published_record(algorithm: str) -> None:
    pair = generate(algorithm)
    key = pair.private_pem
    if algorithm == ED25519:  # dkimpy takes the seed alone, KumoMTA the PEM file
        raw = load_pem_private_key(key, None).private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        key = base64.b64encode(raw)
    signature = dkimpy.sign(MESSAGE, b"pmta", b"example.org", key, signature_algorithm=algorithm.encode())

    assert dkimpy.verify(signature + MESSAGE, dnsfunc=lambda *_args, **_named: pair.record.encode())
    assert not dkimpy.verify(signature + MESSAGE + b"x", dnsfunc=lambda *_args, **_named: pair.record.encode())


def test_the_private_key_is_pkcs8_of_2048_bits(rsa: KeyPair) -> None:
    assert rsa.private_pem.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert load_der_public_key(base64.b64decode(parse_tags(rsa.record)["p"])).key_size == 2048  # type: ignore[union-attr]


def test_the_record_follows_from_the_private_key(rsa: KeyPair, ed25519: KeyPair) -> None:
    assert public_record(rsa.private_pem) == rsa.record
    assert public_record(ed25519.private_pem) == ed25519.record
    assert ed25519.record.startswith("v=DKIM1; k=ed25519; p=")
    assert len(base64.b64decode(parse_tags(ed25519.record)["p"])) == 32


def test_a_key_pair_does_not_show_its_secret(rsa: KeyPair) -> None:
    assert "PRIVATE" not in repr(rsa)


def test_only_known_algorithms_and_keys_are_taken() -> None:
    ec = generate_ec(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    with pytest.raises(ValueError, match="unknown DKIM algorithm"):
        generate("rsa-sha1")
    with pytest.raises(ValueError, match="RSA or Ed25519"):
        public_record(ec)


def key_of(pair: KeyPair) -> str:
    return parse_tags(pair.record)["p"]


def test_the_key_in_any_allowed_spelling_is_ours(rsa: KeyPair) -> None:
    key = key_of(rsa)
    spaced = " ".join(key[at : at + 60] for at in range(0, len(key), 60))
    for spelling in (
        rsa.record,
        f"{rsa.record};",
        f"v=DKIM1;k=rsa;p={key}",
        f"v=DKIM1; p={key}",
        f"p={key}",
        f"v=DKIM1; k=rsa; p={spaced}",
        f"v=DKIM1; t=s; h=sha1:sha256; s=email; n=ours; p={key}",
    ):
        assert judge_dkim(rsa.record, [spelling]).verdict == "ok", spelling


def test_a_record_that_is_not_ours_is_wrong_and_the_explanation_says_why(rsa: KeyPair, ed25519: KeyPair) -> None:
    key = key_of(rsa)
    for found, reason in {
        generate(RSA).record: "another key",
        ed25519.record: "type ed25519, not rsa",
        "v=DKIM1; k=rsa; p=": "revokes",
        f"v=DKIM1; k=rsa; p={key[:-7]}": "cut off",
        "v=DKIM1; k=rsa": "p is missing",
        f"k=rsa; v=DKIM1; p={key}": "come first",
        f"v=DKIM2; p={key}": "DKIM1",
        f"v=DKIM1; h=sha1; p={key}": "sha256",
        f"v=DKIM1; s=other; p={key}": "email",
        f'"v=DKIM1; k=rsa; " "p={key}"': "quotation marks",
        f"v=DKIM1; k=rsa p={key}; p={key}; p={key}": "twice",
        "some other text": "cannot be read",
        "": "p is missing",
    }.items():
        verdict = judge_dkim(rsa.record, [found])
        assert verdict.verdict == "wrong", found
        assert reason in verdict.explanation, (found, verdict.explanation)


def test_no_record_and_two_records(rsa: KeyPair) -> None:
    assert judge_dkim(rsa.record, []).verdict == "missing"
    assert judge_dkim(rsa.record, [rsa.record, rsa.record]).verdict == "wrong"


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        (" a = 1 ; b=2=3 ;", {"a": "1", "b": "2=3"}),
        ("a=", {"a": ""}),
    ],
)
def test_a_tag_list_is_read(text: str, tags: dict[str, str]) -> None:
    assert parse_tags(text) == tags


@pytest.mark.parametrize("text", ["a", "=1", "1=a", "a=1;;b=2", "a=1; a=2", "a=ä", ";"])
def test_what_is_no_tag_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"tag=value|twice"):
        parse_tags(text)
