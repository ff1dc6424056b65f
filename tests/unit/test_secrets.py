from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core.secrets import DamagedSealError, SealError, UnknownKeyError, key_id, seal, unseal

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
NONCE = b"n" * 12


@given(st.binary(max_size=200), st.binary(max_size=40), st.binary(min_size=12, max_size=12))
def test_what_was_sealed_is_opened_in_its_place(plaintext: bytes, aad: bytes, nonce: bytes) -> None:
    assert unseal([KEY], seal(KEY, plaintext, aad=aad, nonce=nonce), aad=aad) == plaintext


def test_a_sealed_value_shows_nothing_of_the_plaintext_or_the_key() -> None:
    sealed = seal(KEY, b"-----BEGIN PRIVATE KEY-----", aad=b"", nonce=NONCE)

    assert b"PRIVATE" not in sealed
    assert KEY[:4] not in sealed
    assert len(sealed) == 1 + 4 + 12 + 27 + 16


def test_another_key_is_told_from_damage() -> None:
    sealed = seal(KEY, b"secret", aad=b"row 1", nonce=NONCE)

    with pytest.raises(UnknownKeyError):
        unseal([OTHER_KEY], sealed, aad=b"row 1")
    assert unseal([OTHER_KEY, KEY], sealed, aad=b"row 1") == b"secret"
    with pytest.raises(UnknownKeyError):
        unseal([], sealed, aad=b"row 1")
    assert key_id(KEY) != key_id(OTHER_KEY)


def test_a_value_does_not_open_in_another_place() -> None:
    with pytest.raises(DamagedSealError):
        unseal([KEY], seal(KEY, b"secret", aad=b"row 1", nonce=NONCE), aad=b"row 2")


@given(st.data())
def test_any_change_is_noticed(data: st.DataObject) -> None:
    sealed = bytearray(seal(KEY, b"secret", aad=b"row 1", nonce=NONCE))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))

    with pytest.raises(SealError):
        unseal([KEY], bytes(sealed), aad=b"row 1")


@given(st.binary(max_size=40))
def test_other_octets_are_no_sealed_value(octets: bytes) -> None:
    with pytest.raises(SealError):
        unseal([KEY], octets, aad=b"")


@pytest.mark.parametrize(("key", "nonce"), [(b"short", NONCE), (KEY, b"short"), (b"", b"")])
def test_keys_and_nonces_of_a_wrong_length_are_refused(key: bytes, nonce: bytes) -> None:
    with pytest.raises(ValueError, match="octets"):
        seal(key, b"secret", aad=b"", nonce=nonce)
