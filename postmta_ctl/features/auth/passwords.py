"""Passwords, hashed by Argon2id with the library's recommended parameters (RFC 9106)."""

from __future__ import annotations

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_hasher = PasswordHasher()
# Hashed once, so that an unknown address takes as long as a wrong password and cannot be told from it.
_NOBODY = _hasher.hash("nobody has this password")


async def hash_password(password: str) -> str:
    """The hash to keep. Takes tens of milliseconds of CPU, so it runs beside the event loop."""
    return await asyncio.to_thread(_hasher.hash, password)


async def matches(password: str, kept: str | None) -> bool:
    """Whether the password belongs to the hash; without a hash, false after the same time."""
    return await asyncio.to_thread(_matches, password, kept or _NOBODY) and kept is not None


def _matches(password: str, kept: str) -> bool:
    try:
        return _hasher.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False
