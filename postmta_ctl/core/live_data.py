"""What a policy looks up and what changes by the minute, so that it cannot wait for a release: files beside them.

::

    live/suppressions/<3 hexadecimal digits>    a line for each suppressed address: a digest
    live/credentials/<2 hexadecimal digits>.json    SMTP credentials by user name
    live/blocked.json                           what may not be submitted by SMTP now, and why

A file is found by the SHA-256 digest of what is looked up, so a node reads a few kilobytes for each question, whatever
the number of addresses, and keeps nothing in memory. The Lua side is ``kumo_policy/live.lua``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

BLOCKED = "blocked.json"
"""Keys are ``organization`` (slug): all of its mail; ``organization/domain``: what it sends from there;
``organization/@domain``: what it sends to there."""
VERSION = "version"
"""What a node's files are at; written last, so that a node that was cut off gets the same changes again."""

_SUPPRESSION_DIGITS, _CREDENTIAL_DIGITS = 3, 2
_DIGEST = 32
"""Hexadecimal digits of a suppression: 128 bits, so that no two of a billion meet by chance."""


def suppression_shard(address: str) -> str:
    """Where a suppressed address (``Mailbox.dedupe_key``) of whatever organization stands: one of 4,096."""
    return _sha256(address)[:_SUPPRESSION_DIGITS]


def suppression_path(shard: str) -> str:
    """The file of a shard, within the folder of live data."""
    return f"suppressions/{shard}"


def suppression_digest(organization: str, address: str) -> str:
    """What stands for an address on the list of an organization (slug), so that no node keeps lists of addresses.

    It keeps them from being read, not from being tried: whoever has the file and an address can tell whether it is in.
    """
    return _sha256(f"{organization}/{address}")[:_DIGEST]


def suppression_file(entries: Iterable[tuple[str, str]]) -> bytes:
    """The content of a shard's file from (organization, address) of each entry."""
    return "".join(f"{line}\n" for line in sorted(suppression_digest(*entry) for entry in entries)).encode()


def credential_shard(username: str) -> str:
    """Where the credential of a user name stands: one of 256."""
    return _sha256(username)[:_CREDENTIAL_DIGITS]


def credential_path(shard: str) -> str:
    """The file of a shard of credentials."""
    return f"credentials/{shard}.json"


def credential_digest(username: str, secret: str) -> str:
    """What is kept of a secret: SHA-256 in hexadecimal, bound to its user name.

    A secret is 256 bits that we drew, so there is nothing to guess that a slow hash would protect; and KumoMTA's Lua
    has none: digests and HMAC are what it offers.
    """
    return _sha256(f"{username}/{secret}")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
