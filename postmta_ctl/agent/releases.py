"""Bringing a release into the node's folder: the keys it signs with, then its files, then the switch."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from postmta_ctl.agent.control_plane import ControlPlane
from postmta_ctl.agent.options import Options
from postmta_ctl.compiler.bundle import Bundle, Manifest, signing_keys
from postmta_ctl.compiler.node_files import KeyFile, current_release, switch_release
from postmta_ctl.compiler.release_order import Order, OrderRefused
from postmta_ctl.features.nodes import key_files, release_files


async def install(options: Options, plane: ControlPlane, order: Order) -> set[KeyFile]:
    """Write a release and switch to it; killed at any point, the node runs the one before or this one.

    Returns:
        The private keys that it signs with.

    Raises:
        ControlPlaneFailed: Something cannot be had.
        OrderRefused: A file is not what the manifest says.
        ReleaseChanged: Somebody edited the release on the node, and the order is not to replace that.
        OSError: The folder cannot be written to.
        LookupError: There is no such user as the owner.
    """
    bundle = await _fetch(options.policy_dir, plane, order.manifest)
    keys = signing_keys(bundle)
    missing = await asyncio.to_thread(key_files.missing, options.policy_dir, keys)
    if missing:
        found = await plane.keys(set(missing))
        await asyncio.to_thread(key_files.write, options.policy_dir, found, options.file_owner)
    await asyncio.to_thread(_switch, options.policy_dir, order, bundle)
    return keys


def _switch(policy_dir: Path, order: Order, bundle: Bundle) -> None:
    number = order.manifest.release
    try:
        switch_release(policy_dir, release_files.put_release(policy_dir, number, bundle))
    except release_files.ReleaseChanged:
        if not order.replaces:
            raise
        release_files.replace(policy_dir, number, bundle)


async def _fetch(policy_dir: Path, plane: ControlPlane, manifest: Manifest) -> Bundle:
    """The files of a release: those that the running one has as well are taken from there."""
    found = await asyncio.to_thread(_at_hand, policy_dir, manifest)
    lacking = sorted(set(manifest.files.values()) - found.keys())
    for content in await asyncio.gather(*(_blob(plane, digest) for digest in lacking)):
        found[_digest(content)] = content
    return Bundle.of({path: found[digest] for path, digest in manifest.files.items()})


async def _blob(plane: ControlPlane, digest: str) -> bytes:
    content = await plane.blob(digest)
    if _digest(content) != digest:
        raise OrderRefused(f"a file of the release is not what the manifest says: {digest}")
    return content


def _at_hand(policy_dir: Path, manifest: Manifest) -> dict[str, bytes]:
    """Contents by digest."""
    name = current_release(policy_dir)
    found: dict[str, bytes] = {}
    for path, digest in manifest.files.items() if name else ():
        file = policy_dir / "releases" / str(name) / path
        content = file.read_bytes() if file.is_file() else b""
        if _digest(content) == digest:
            found[digest] = content
    return found


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
