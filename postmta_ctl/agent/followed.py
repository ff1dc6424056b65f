"""The newest order that was followed, kept as it was signed: no older one is followed after it."""

from __future__ import annotations

from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from postmta_ctl.compiler.node_files import replace_file
from postmta_ctl.compiler.release_order import Order, OrderRefused, SignedOrder, require_newer, verify

FILE = "agent.json"


def accept(policy_dir: Path, signed: SignedOrder, key: Ed25519PublicKey, node: str) -> Order:
    """Judge an order, and remember it before anything of it is done.

    Raises:
        OrderRefused: It is not for us, or not the newest.
        OSError: It cannot be written down.
    """
    order = verify(signed, key, node)
    require_newer(order, _known(policy_dir, key, node))
    replace_file(policy_dir / FILE, msgspec.json.encode(signed) + b"\n", mode=0o600, owner=None)
    return order


def _known(policy_dir: Path, key: Ed25519PublicKey, node: str) -> Order | None:
    """The one that was followed last. One by another key says nothing: its operator has pinned a new one since."""
    try:
        signed = msgspec.json.decode((policy_dir / FILE).read_bytes(), type=SignedOrder)
        return verify(signed, key, node)
    except (FileNotFoundError, msgspec.MsgspecError, OrderRefused):
        return None
