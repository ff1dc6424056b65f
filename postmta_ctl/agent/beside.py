"""What lies beside the releases: the node's own file, live data, warm-up tickets."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import msgspec

from postmta_ctl.agent.control_plane import ControlPlane, ControlPlaneFailed
from postmta_ctl.agent.options import Options
from postmta_ctl.compiler.node_files import write_node_files
from postmta_ctl.features.agents.schemas import Files, LiveFile
from postmta_ctl.features.live_data import node_folder
from postmta_ctl.features.nodes.release_files import make_folder

WARMUP = "warmup.json"
"""As ``features/warmup/handing_out.py`` calls it."""
_LIVE = re.compile(r"suppressions/[0-9a-f]{3}|credentials/[0-9a-f]{2}\.json|blocked\.json")


class _Own(msgspec.Struct, frozen=True):
    admin_token: str


def admin_token(policy_dir: Path) -> str | None:
    """What the node knows us by; None before its own file was written."""
    path = policy_dir / "node.json"
    return msgspec.json.decode(path.read_bytes(), type=_Own).admin_token if path.exists() else None


async def bring(options: Options, plane: ControlPlane, known: str | None, wait: float) -> tuple[str | None, bool]:
    """Bring all of it to what the control plane has.

    Args:
        options: Of the agent.
        plane: Whom to ask.
        known: The entity tag of what was brought last.
        wait: Seconds to wait for something new.

    Returns:
        The entity tag of what is there now, and whether there are new warm-up tickets.

    Raises:
        ControlPlaneFailed: Something cannot be had.
        OSError: The folder cannot be written to.
        LookupError: There is no such user as the owner.
    """
    version = await asyncio.to_thread(node_folder.version, options.policy_dir) or 0
    first = await plane.files(version, known=known, wait=wait)
    if first is None:
        return known, False
    tag, part = first
    is_new = await asyncio.to_thread(_write_own, options, part)
    await _write_live(options, part.changed)
    newest = part.version
    while part.next is not None:
        more = await plane.files(version, after=part.next)
        if more is None:
            raise ControlPlaneFailed("/files: the rest of a list is gone")
        part = more[1]
        await _write_live(options, part.changed)
    # Last, so that whoever is killed before gets the same files again.
    await asyncio.to_thread(node_folder.set_version, options.policy_dir, newest, options.file_owner)
    return tag, is_new


def _write_own(options: Options, part: Files) -> bool:
    """Write what is the node's alone; whether its warm-up tickets are others than before."""
    folder, owner = options.policy_dir, options.file_owner
    make_folder(folder)
    write_node_files(folder, **msgspec.structs.asdict(part.own), owner=owner)
    if part.warmup is None:
        return False
    path, content = folder / node_folder.FOLDER / WARMUP, part.warmup.encode()
    if path.is_file() and path.read_bytes() == content:
        return False
    node_folder.write(folder, {WARMUP: content}, owner)
    return True


async def _write_live(options: Options, changed: list[LiveFile]) -> None:
    for one in changed:
        if not _LIVE.fullmatch(one.path):
            raise ControlPlaneFailed(f"/files: there is no live data called {one.path!r}")
    files = {one.path: one.content.encode() for one in changed}
    await asyncio.to_thread(node_folder.write, options.policy_dir, files, options.file_owner)
