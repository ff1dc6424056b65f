from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from postmta_ctl.core import tokens

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SECRET = "s" * 64
ISSUER = "https://mail.example.com"


def counting(start: int = 0) -> Callable[[int], bytes]:
    """Octets that differ from call to call, and are the same in every run."""
    calls = iter(range(start, 256))
    return lambda size: hashlib.shake_128(bytes([next(calls)])).digest(size)


def read(token: str, *, now: datetime = NOW, issuer: str = ISSUER, secret: str = SECRET) -> tokens.Claims | None:
    return tokens.read_jwt(secret, token, issuer=issuer, now=now)


def issue(**changes: object) -> str:
    claims = {
        "iss": ISSUER,
        "aud": tokens.AUDIENCE,
        "sub": "u1",
        "sid": "s1",
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 60,
    }
    claims = {name: value for name, value in (claims | changes).items() if value is not None}
    return jwt.encode(claims, SECRET, algorithm="HS256")


def test_an_api_key_is_found_by_its_prefix_and_verified_by_its_digest() -> None:
    key = tokens.make_api_key(counting())

    assert key.secret.startswith(f"pmta_{key.prefix}_")
    assert tokens.is_api_key(key.secret)
    assert tokens.api_key_prefix(key.secret) == key.prefix
    assert tokens.verify(key.secret, key.digest)
    assert len(key.digest) == 32


def test_no_two_keys_are_alike() -> None:
    random = counting()
    one, other = tokens.make_api_key(random), tokens.make_api_key(random)

    assert one.prefix != other.prefix
    assert not tokens.verify(one.secret, other.digest)


@pytest.mark.parametrize("change", [lambda s: s[:-1], lambda s: s + "A", lambda s: s.upper(), lambda s: s + "\n"])
def test_a_changed_key_is_refused(change: Callable[[str], str]) -> None:
    key = tokens.make_api_key(counting())

    assert not tokens.verify(change(key.secret), key.digest)


@pytest.mark.parametrize("credential", ["", "pmta_", "pmta_12345678", "eyJhbGciOiJIUzI1NiJ9.e30.x"])
def test_what_is_no_key_verifies_against_nothing(credential: str) -> None:
    assert not tokens.verify(credential, tokens.make_api_key(counting()).digest)


def test_a_node_token_is_not_taken_for_an_api_key() -> None:
    token = tokens.make_token(counting())

    assert tokens.verify(token.secret, token.digest)
    assert not tokens.is_api_key(token.secret)


def test_secrets_are_compared_by_value() -> None:
    assert tokens.same("abc", "abc")
    assert not tokens.same("abc", "abd")
    assert not tokens.same("", "abc")


def test_an_access_token_names_its_subject_until_it_expires() -> None:
    token = tokens.issue_jwt(SECRET, issuer=ISSUER, subject="u1", session="s1", now=NOW, lifetime=60)

    assert read(token) == tokens.Claims(subject="u1", session="s1")
    assert read(token, now=NOW + timedelta(seconds=59)) is not None
    assert read(token, now=NOW + timedelta(seconds=60)) is None


def test_an_access_token_of_another_secret_or_issuer_is_refused() -> None:
    token = tokens.issue_jwt(SECRET, issuer=ISSUER, subject="u1", session="s1", now=NOW, lifetime=60)

    assert read(token, secret="t" * 64) is None
    assert read(token, issuer="https://elsewhere.example") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another-service"},
        {"aud": None},
        {"exp": None},
        {"exp": "soon"},
        {"iat": None},
        {"sub": None},
        {"sub": 7},
        {"sid": None},
        {"sid": 7},
        {"iss": None},
    ],
)
def test_an_access_token_with_a_wrong_claim_is_refused(changes: dict[str, object]) -> None:
    assert read(issue()) is not None
    assert read(issue(**changes)) is None


def test_no_other_algorithm_is_accepted() -> None:
    claims = {
        "iss": ISSUER,
        "aud": tokens.AUDIENCE,
        "sub": "u1",
        "sid": "s1",
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 60,
    }

    assert read(jwt.encode(claims, SECRET, algorithm="HS512")) is None
    assert read(jwt.encode(claims, "", algorithm="none")) is None
    assert read("not.a.token") is None
    assert read("") is None
