"""Passwords, hashed by Argon2id with the library's recommended parameters (RFC 9106)."""

from __future__ import annotations

import asyncio
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError


class Passwords:
    """Hashes and compares; each takes tens of milliseconds of CPU, so it runs beside the event loop.

    Args:
        hasher: Holds the cost parameters; tests use cheap ones.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()

    @cached_property
    def _nobody(self) -> str:
        """Compared against where there is no user, so that an unknown address takes as long as a wrong password."""
        return self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """The hash to keep."""
        return await asyncio.to_thread(self._hasher.hash, password)

    async def match(self, password: str, kept: str | None) -> bool:
        """Whether the password belongs to the hash; without a hash, false after the same time."""
        return await asyncio.to_thread(self._match, password, kept) and kept is not None

    def _match(self, password: str, kept: str | None) -> bool:
        # Made at the first comparison whatever it is with: a start would wait for it, and its time tells nothing.
        nobody = self._nobody
        try:
            return self._hasher.verify(kept or nobody, password)
        except (VerificationError, InvalidHashError):
            return False
