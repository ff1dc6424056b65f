"""Orders to the agents of nodes: which release to run, signed with Ed25519 (RFC 8032).

The order holds the release's manifest, and so the SHA-256 digest of each of its files: who trusts the order can take
the files from anywhere. It names its node and has a serial that grows from order to order, so that an old one, or one
that was meant for another node, is worth nothing to who recorded it. No clock is needed to tell.
"""

from __future__ import annotations

import base64
import hashlib
import re

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from postmta_ctl.compiler.bundle import MANIFEST, Manifest

_CONTEXT = b"postmta release order 1\n"
"""Signed along, so that a signature of something else by the same key is none of an order."""
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PUBLIC_OCTETS = 32


class OrderRefused(Exception):
    """An order is not to be followed; the text says why."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Which release a node is to run."""

    node: str
    serial: int
    manifest: Manifest
    replaces: bool = False
    """Whether what somebody changed by hand in this very release is to be replaced, and kept beside it."""


class SignedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it was signed, octet by octet."""

    order: str
    """JSON of :class:`Order`."""
    signature: str
    """In Base64."""


def sign(key: Ed25519PrivateKey, order: Order) -> SignedOrder:
    """Sign an order; the same one gives the same signature."""
    text = msgspec.json.encode(order, order="sorted")
    return SignedOrder(order=text.decode(), signature=base64.b64encode(key.sign(_CONTEXT + text)).decode())


def public_text(key: Ed25519PrivateKey) -> str:
    """The public key, to be pinned: its 32 octets in Base64."""
    return base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def read_public(text: str) -> Ed25519PublicKey:
    """The key of :func:`public_text`.

    Raises:
        ValueError: It is none.
    """
    octets = base64.b64decode(text.strip(), validate=True)
    if len(octets) != _PUBLIC_OCTETS:
        raise ValueError(f"a public key has {_PUBLIC_OCTETS} octets, this has {len(octets)}")
    return Ed25519PublicKey.from_public_bytes(octets)


def verify(signed: SignedOrder, key: Ed25519PublicKey, node: str) -> Order:
    """The order, if it was signed with the key, is for the node, and its manifest agrees with itself.

    Raises:
        OrderRefused: It is not.
    """
    text = signed.order.encode()
    try:
        key.verify(base64.b64decode(signed.signature, validate=True), _CONTEXT + text)
    except (InvalidSignature, ValueError):
        raise OrderRefused("the order is not signed with the pinned key") from None
    try:
        order = msgspec.json.decode(text, type=Order)
    except msgspec.MsgspecError as error:
        raise OrderRefused(f"the order cannot be read: {error}") from error
    if order.node != node:
        raise OrderRefused(f"the order is for the node {order.node}")
    _check(order.manifest)
    return order


def _check(manifest: Manifest) -> None:
    for path, digest in manifest.files.items():
        if path == MANIFEST or not _PATH.fullmatch(path) or not _SHA256.fullmatch(digest):
            raise OrderRefused(f"the manifest names a file that no release has: {path!r}")
    lines = "".join(f"{digest}  {path}\n" for path, digest in sorted(manifest.files.items()))
    if hashlib.sha256(lines.encode()).hexdigest() != manifest.digest:
        raise OrderRefused("the manifest does not agree with its own digest")


def require_newer(order: Order, known: Order | None) -> None:
    """Refuse an order that comes after a newer one, or differs from one of the same serial.

    Raises:
        OrderRefused: It does.
    """
    if known is None or order.serial > known.serial or order == known:
        return
    raise OrderRefused(
        f"the order (serial {order.serial}, release {order.manifest.release}) is older than one that was followed "
        f"(serial {known.serial}, release {known.manifest.release})"
    )
