"""DKIM keys (RFC 6376, RFC 8463): making them, and judging what DNS says of them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from postmta_ctl.core.errors import InputError
from postmta_ctl.core.tag_lists import parse_tags
from postmta_ctl.core.verdicts import Verdict, missing, ok, wrong

RSA = "rsa-sha256"
ED25519 = "ed25519-sha256"
RSA_BITS = 2048
"""What RFC 8301 §3.2 asks of signers; longer keys do not fit into every DNS."""
RSA_LEAST_BITS = 1024


class KeyPair(msgspec.Struct, frozen=True, kw_only=True):
    """A key pair just made."""

    algorithm: str
    """``rsa-sha256`` or ``ed25519-sha256``."""
    private_pem: bytes
    """PKCS #8, not encrypted: the form that KumoMTA's signers read."""
    record: str
    """Text of the TXT record to publish (RFC 6376 §3.6.1)."""

    def __repr__(self) -> str:
        return f"KeyPair({self.algorithm!r})"


def generate(algorithm: str) -> KeyPair:
    """Make a key pair. An RSA key takes a core for some hundred milliseconds.

    Raises:
        ValueError: There is no such algorithm.
    """
    if algorithm not in (RSA, ED25519):
        raise ValueError(f"unknown DKIM algorithm {algorithm!r}")
    key = generate_private_key(65537, RSA_BITS) if algorithm == RSA else Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return KeyPair(algorithm=algorithm, private_pem=pem, record=public_record(pem))


def existing(private_pem: bytes) -> KeyPair:
    """The key pair of a private key that is in use elsewhere, in any PEM form that is not encrypted.

    Raises:
        InputError: ``key_syntax``, or ``key_weak``: an RSA key of less than 1024 bits, which verifiers must not accept
            (RFC 8301 section 3.2).
    """
    try:
        key = load_pem_private_key(private_pem, password=None)
    except TypeError:
        raise InputError("key_syntax", "is encrypted; a key is needed without its password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise InputError("key_syntax", "is no private key in PEM") from None
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise InputError("key_syntax", "is neither an RSA nor an Ed25519 key, with which alone DKIM signs")
    if isinstance(key, RSAPrivateKey) and key.key_size < RSA_LEAST_BITS:
        raise InputError(
            "key_weak", f"is an RSA key of {key.key_size} bits, which receivers must not accept (RFC 8301)"
        )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    algorithm = RSA if isinstance(key, RSAPrivateKey) else ED25519
    return KeyPair(algorithm=algorithm, private_pem=pem, record=public_record(pem))


def public_record(private_pem: bytes) -> str:
    """The record for a private key: RSA as SubjectPublicKeyInfo, Ed25519 as its 32 octets (RFC 8463 §4.2).

    Raises:
        ValueError: It is no RSA or Ed25519 private key.
    """
    key = load_pem_private_key(private_pem, password=None)
    if isinstance(key, RSAPrivateKey):
        kind, octets = "rsa", key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    elif isinstance(key, Ed25519PrivateKey):
        kind, octets = "ed25519", key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    else:
        raise ValueError("DKIM signs with RSA or Ed25519 keys only")
    return f"v=DKIM1; k={kind}; p={base64.b64encode(octets).decode('ascii')}"


def revoked_record(record: str) -> str:
    """The record that says of a key that it holds no more (RFC 6376 §3.6.1): its ``p`` is empty."""
    return record.partition("p=")[0] + "p="


def judge_dkim(expected: str, found: Sequence[str]) -> Verdict:
    """Judge the TXT records found at a selector.

    Tags may be in any order and the key may hold white space (RFC 6376 §3.2); what counts is that a verifier gets our
    key and may use it.
    """
    if not found:
        return missing("There is no TXT record at this name.")
    if len(found) > 1:
        return wrong(f"There are {len(found)} TXT records at this name; what a verifier takes is undefined.")
    return _judge_one(parse_tags(expected), found[0])


def _judge_one(expected: dict[str, str], text: str) -> Verdict:
    if '"' in text:
        return wrong("The value holds quotation marks; they belong to zone files, not into the value.")
    try:
        tags = parse_tags(text)
    except ValueError as error:
        return wrong(f"The record cannot be read: {error}.")
    problem = next(_problems(expected, tags), None)
    return wrong(problem) if problem else ok("The published key is the one that messages are signed with.")


def _problems(expected: dict[str, str], tags: dict[str, str]) -> Iterator[str]:
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        yield "A tag v, if there is one, must come first and be DKIM1."
    kind = tags.get("k", "rsa")
    if "p" not in tags:
        yield "There is no key in the record: the tag p is missing."
    elif not _octets(tags["p"]):
        yield "The tag p holds no key: it is empty, which revokes the key, or cut off."
    elif kind != expected["k"]:
        yield f"The record is for a key of type {kind}, not {expected['k']}."
    elif _octets(tags["p"]) != _octets(expected["p"]):
        yield "The record holds another key."
    if "sha256" not in _list(tags.get("h", "sha256")):
        yield "The tag h does not allow sha256."
    if not {"*", "email"} & _list(tags.get("s", "*")):
        yield "The tag s does not allow the key to be used for email."


def _list(value: str) -> set[str]:
    return {item.strip() for item in value.split(":")}


def _octets(value: str) -> bytes:
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except binascii.Error:
        return b""
