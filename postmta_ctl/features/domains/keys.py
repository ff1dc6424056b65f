"""A domain's DKIM keys: a pair of each algorithm, the private halves encrypted at rest.

Each needs a selector of its own (RFC 6376 section 3.6.1: a record holds one key). RSA has the one that was asked for,
since its signature is the one that every receiver checks; Ed25519 has the same with ``-ed25519`` behind it, so that a
look at the zone tells which is which.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.compiler.node_files import KeyFile
from postmta_ctl.core import dkim, domain_names, secrets
from postmta_ctl.core.dkim import KeyPair
from postmta_ctl.core.ids import new_id
from postmta_ctl.features.domains import queries
from postmta_ctl.features.domains.queries import DomainRow, KeyRow
from postmta_ctl.system import System

ED25519_SUFFIX = "-ed25519"
LONGEST_SELECTOR = 63 - len(ED25519_SUFFIX)


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key just made, its private half sealed."""

    row: KeyRow
    sealed_private_key: bytes

    def values(self) -> dict[str, Any]:
        """The columns of its row."""
        return msgspec.structs.asdict(self.row) | {"sealed_private_key": self.sealed_private_key}


class PrivateKey(msgspec.Struct, frozen=True, kw_only=True):
    """A private key in the clear, on its way to a node. Never logged, never returned by the API."""

    file: KeyFile
    pem: bytes
    """PKCS #8."""

    def __repr__(self) -> str:
        return f"PrivateKey({self.file!r})"


def parse_selector(text: str) -> str:
    """Read a selector that leaves room for the suffix of the second key.

    Raises:
        InputError: ``selector_syntax``.
    """
    return domain_names.parse_selector(text, longest=LONGEST_SELECTOR)


def selectors_of(stem: str) -> dict[str, str]:
    """The selector of each algorithm's key."""
    return {dkim.RSA: stem, dkim.ED25519: stem + ED25519_SUFFIX}


def make(
    system: System, domain: DomainRow, selector: str, now: datetime, rotation_id: str | None = None
) -> list[NewKey]:
    """Make and seal both keys. Takes a core for some hundred milliseconds: call it beside the event loop.

    Args:
        system: The parts.
        domain: Whose keys.
        selector: Of the RSA key.
        now: When.
        rotation_id: The rotation that they are made for, and wait in; those of a new domain sign at once.
    """
    return [
        sealed(system, domain, name, dkim.generate(algorithm), now, rotation_id)
        for algorithm, name in selectors_of(selector).items()
    ]


def sealed(
    system: System, domain: DomainRow, selector: str, pair: KeyPair, now: datetime, rotation_id: str | None = None
) -> NewKey:
    """A key pair as a key of the domain, its private half sealed. What the others are, see :func:`make`."""
    row = KeyRow(
        id=new_id(now),
        domain_id=domain.id,
        selector=selector,
        algorithm=pair.algorithm,
        public_record=pair.record,
        state="pending" if rotation_id else "active",
        rotation_id=rotation_id,
        created_at=now,
    )
    return NewKey(row=row, sealed_private_key=_sealed(system, domain, selector, pair.private_pem))


def _sealed(system: System, domain: DomainRow, selector: str, pem: bytes) -> bytes:
    aad = place(domain.id, domain.name, selector)
    return secrets.seal(system.keys.master_key, pem, aad=aad, nonce=system.random(secrets.NONCE_OCTETS))


async def private_keys(system: System, connection: AsyncConnection, names: Collection[str]) -> list[PrivateKey]:
    """The private keys of those of the named domains that were verified, for the nodes to sign with.

    Raises:
        SealError: The master key is another than that of the time when a key was made, or the row was tampered with.
    """
    rows = await queries.sealed_keys(connection, names)
    return [
        PrivateKey(
            file=KeyFile(row.name, row.selector, row.id),
            pem=secrets.unseal(
                system.keys.master_keys, row.sealed_private_key, aad=place(row.domain_id, row.name, row.selector)
            ),
        )
        for row in rows
    ]


def place(domain_id: str, name: str, selector: str) -> bytes:
    """A sealed key opens for its own domain and selector only, wherever a row is copied to."""
    return f"dkim_keys/{domain_id}/{name}/{selector}".encode()
