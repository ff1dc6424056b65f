"""Access tokens (JWT, RFC 7519), API keys and node tokens.

Keys and node tokens carry 256 bits of randomness, so a plain SHA-256 digest is enough to keep: there is nothing
to guess that a slow hash would protect.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime, timedelta

import jwt
import msgspec
from jwt.types import Options

ALGORITHM = "HS256"
AUDIENCE = "postmta"
_API_KEY = "pmta_"
_PREFIX_LENGTH = 8

Random = Callable[[int], bytes]
"""Gives that many random bytes."""


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a valid access token says."""

    subject: str
    """Id of the user."""
    session: str
    """Id of the login that it descends from: a token dies with its session."""


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A new credential: ``secret`` is shown once, ``digest`` is kept."""

    secret: str
    digest: bytes
    prefix: str = ""


def make_api_key(random: Random) -> Secret:
    """``pmta_<8 hexadecimal digits>_<64 hexadecimal digits>``; the prefix finds the key, the rest proves it."""
    prefix = random(_PREFIX_LENGTH // 2).hex()
    secret = f"{_API_KEY}{prefix}_{random(32).hex()}"
    return Secret(secret=secret, digest=digest(secret), prefix=prefix)


def is_api_key(credential: str) -> bool:
    """Whether a bearer credential is meant as an API key rather than a JWT."""
    return credential.startswith(_API_KEY)


def api_key_prefix(credential: str) -> str:
    """The part of an API key by which it is looked up."""
    return credential.removeprefix(_API_KEY)[:_PREFIX_LENGTH]


def make_token(random: Random) -> Secret:
    """A token between the control plane and a node."""
    secret = random(32).hex()
    return Secret(secret=secret, digest=digest(secret))


def digest(secret: str) -> bytes:
    """SHA-256 of the whole credential."""
    return hashlib.sha256(secret.encode()).digest()


def verify(credential: str, kept: bytes) -> bool:
    """Whether the credential is the one whose digest was kept, in time that does not tell where they differ."""
    return hmac.compare_digest(digest(credential), kept)


def same(given: str, expected: str) -> bool:
    """Compare two secrets in time that does not tell where they differ."""
    return hmac.compare_digest(given.encode(), expected.encode())


def issue_jwt(secret: str, *, issuer: str, subject: str, session: str, now: datetime, lifetime: int) -> str:
    """A signed access token of the user ``subject`` by the login ``session``, good for ``lifetime`` seconds."""
    claims = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": subject,
        "sid": session,
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(seconds=lifetime)).timestamp()),
    }
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


def read_jwt(secret: str, token: str, *, issuer: str, now: datetime) -> Claims | None:
    """The claims of a valid access token, else nothing.

    The algorithm is fixed, so a token cannot choose one (RFC 8725 section 3.1); time is judged by ``now``.
    """
    options: Options = {"require": ["iss", "aud", "sub", "sid", "iat", "exp"], "verify_exp": False, "verify_iat": False}
    try:
        claims = jwt.decode(token, secret, algorithms=[ALGORITHM], issuer=issuer, audience=AUDIENCE, options=options)
    except jwt.InvalidTokenError:
        return None
    expires, subject, session = claims["exp"], claims["sub"], claims["sid"]
    if not isinstance(expires, int) or expires <= now.timestamp():
        return None
    if not isinstance(subject, str) or not isinstance(session, str):
        return None
    return Claims(subject=subject, session=session)
