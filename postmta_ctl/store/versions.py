"""Versions of things (RFC 9110 section 13): so that of two who change the same, the second learns of the first."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from postmta_ctl.errors import PreconditionFailed


def etag(shown: Any) -> str:
    """A strong entity tag: two that are alike were shown alike in every field."""
    return f'"{hashlib.sha256(msgspec.json.encode(shown)).hexdigest()[:32]}"'


class Condition(msgspec.Struct, frozen=True):
    """What ``If-Match`` of a request asks for."""

    if_match: str | None = None

    def require(self, shown: Any) -> None:
        """Check it, in the transaction that makes the change and after the row was locked.

        Args:
            shown: The thing as the caller would see it now, as it was given to :func:`etag`.

        Raises:
            PreconditionFailed: The thing is another than the caller knows.
        """
        if self.if_match is None or self.if_match.strip() == "*":
            return
        if etag(shown) not in {one.strip() for one in self.if_match.split(",")}:
            raise PreconditionFailed("It was changed since you read it; read it again and decide anew.")
