"""Encryption at rest: AES-256 in GCM (NIST SP 800-38D), under a key that is not in the database.

A sealed value is one octet of format, four that identify the key, twelve of nonce, and the ciphertext with its tag.
Associated data binds it to its place: a value moved to another row does not open there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_OCTETS = 32
NONCE_OCTETS = 12
"""Drawn at random for each value: good for 2**32 of them under one key."""

_FORMAT = b"\x01"
_KEY_ID_OCTETS = 4
_HEADER = len(_FORMAT) + _KEY_ID_OCTETS
_TAG_OCTETS = 16


class SealError(ValueError):
    """A sealed value cannot be opened."""


class UnknownKeyError(SealError):
    """It was sealed under another key than this one."""


class DamagedSealError(SealError):
    """It is not what was sealed: changed, cut off, or brought here from another place."""


def key_id(key: bytes) -> bytes:
    """Four octets by which a sealed value tells its key; they say nothing of the key itself."""
    return hashlib.sha256(b"postmta key id\0" + key).digest()[:_KEY_ID_OCTETS]


def seal(key: bytes, plaintext: bytes, *, aad: bytes, nonce: bytes) -> bytes:
    """Encrypt a value.

    Args:
        key: 32 octets.
        plaintext: What to encrypt.
        aad: Associated data: the place of the value, such as table and id. Needed again for opening.
        nonce: 12 random octets, never used before under this key.
    """
    if len(key) != KEY_OCTETS or len(nonce) != NONCE_OCTETS:
        raise ValueError(f"a key has {KEY_OCTETS} octets and a nonce {NONCE_OCTETS}")
    header = _FORMAT + key_id(key)
    return header + nonce + AESGCM(key).encrypt(nonce, plaintext, header + aad)


def key_id_of(sealed: bytes) -> bytes:
    """Which key a sealed value needs, see :func:`key_id`."""
    return sealed[len(_FORMAT) : _HEADER]


def unseal(keys: Collection[bytes], sealed: bytes, *, aad: bytes) -> bytes:
    """Decrypt a value by that of the keys which it was sealed under.

    Raises:
        UnknownKeyError: Another key is needed.
        DamagedSealError: The value or its associated data is not what was sealed.
    """
    header, nonce, ciphertext = (
        sealed[:_HEADER],
        sealed[_HEADER : _HEADER + NONCE_OCTETS],
        sealed[_HEADER + NONCE_OCTETS :],
    )
    if header[:1] != _FORMAT or len(ciphertext) < _TAG_OCTETS:
        raise DamagedSealError("not a sealed value")
    key = next((one for one in keys if key_id(one) == header[1:]), None)
    if key is None:
        raise UnknownKeyError("sealed under another key")
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, header + aad)
    except InvalidTag:
        raise DamagedSealError("changed since it was sealed, or sealed for another place") from None
