"""What lies beside the releases on a node: launcher, node.json, private keys, and the switch between releases.

Every file is replaced by a rename, so that KumoMTA reads the old one or the new one and never half of one.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import NamedTuple

import msgspec

from postmta_ctl.compiler.lua import quote

_LAUNCHER = """\
-- Written by PostMTA when the node was added. KumoMTA runs this file; which release it runs is in `current`, and
-- publishing replaces that file alone.
local dir = {directory}

local file = assert(io.open(dir .. '/current', 'r'))
local name = file:read 'l'
file:close()

local root = dir .. '/releases/' .. name
assert(loadfile(root .. '/init.lua'))(root, dir)
"""

EVERYWHERE = "*"
"""The name of a node that has the addresses of all vMTAs, for proofs and simulations of the fleet."""
_TSA_LAUNCHER = """\
-- Written by PostMTA when the node was added. A tsa-daemon beside the node runs this file; what it goes by is part of
-- each release, as long as the settings name TSA daemons.
local dir = {directory}

local file = assert(io.open(dir .. '/current', 'r'))
local name = file:read 'l'
file:close()

local root = dir .. '/releases/' .. name
assert(loadfile(root .. '/tsa_init.lua'))(root, dir)
"""


def tsa_launcher(policy_dir: Path) -> str:
    """Text of the ``tsa_init.lua`` that KumoMTA's TSA daemon is started with."""
    return _TSA_LAUNCHER.format(directory=quote(str(policy_dir)))


def launcher(policy_dir: Path) -> str:
    """Text of the ``init.lua`` that KumoMTA is started with.

    Raises:
        ValueError: the folder's name holds ``;`` or ``?``, which mean something in Lua's ``package.path``.
    """
    if set(";?") & set(str(policy_dir)):
        raise ValueError(f"{policy_dir}: a policy folder must not hold ; or ? in its name")
    return _LAUNCHER.format(directory=quote(str(policy_dir)))


def write_node_files(
    policy_dir: Path,
    *,
    node_name: str,
    ingest_url: str,
    ingest_token: str,
    admin_token: str,
    unsubscribe_url: str = "",
    unsubscribe_key: str = "",
    owner: str | None = None,
    durable: bool = True,
) -> None:
    """Write the launchers and ``node.json``; the latter holds secrets and is for ``owner`` (a user name) alone.

    What is thrown away anyway need not be ``durable``: a disk takes milliseconds for each file that it must keep.
    """
    node = {"node": node_name, "ingest_url": ingest_url, "ingest_token": ingest_token, "admin_token": admin_token}
    node |= {"unsubscribe_url": unsubscribe_url, "unsubscribe_key": unsubscribe_key}
    replace_file(policy_dir / "init.lua", launcher(policy_dir).encode(), mode=0o644, owner=owner, durable=durable)
    replace_file(
        policy_dir / "tsa_init.lua", tsa_launcher(policy_dir).encode(), mode=0o644, owner=owner, durable=durable
    )
    text = msgspec.json.format(msgspec.json.encode(node), indent=1)
    replace_file(policy_dir / "node.json", text + b"\n", mode=0o600, owner=owner, durable=durable)


class KeyFile(NamedTuple):
    """What names the file of a private DKIM key."""

    domain: str
    selector: str
    key_id: str
    """KumoMTA keeps a loaded key for minutes whatever happens to its file, and a missing one as missing: so no two
    keys ever share a path."""


def key_path(policy_dir: Path, file: KeyFile) -> Path:
    """Where the policy looks for a private DKIM key."""
    return policy_dir / "keys" / file.domain / f"{file.selector}.{file.key_id}.key"


def write_key(policy_dir: Path, file: KeyFile, pem: bytes, owner: str | None = None) -> None:
    """Write one private DKIM key (PEM, PKCS #8), readable for ``owner`` alone."""
    path = key_path(policy_dir, file)
    for folder in (policy_dir / "keys", path.parent):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _give(folder, owner)
    replace_file(path, pem, mode=0o600, owner=owner)


def current_release(policy_dir: Path) -> str | None:
    """Folder name of the release that the node is switched to; None before the first."""
    path = policy_dir / "current"
    return path.read_text(encoding="ascii").strip() if path.exists() else None


def switch_release(policy_dir: Path, folder: str, owner: str | None = None, *, durable: bool = True) -> None:
    """Make ``releases/<folder>`` the one that the next Lua context runs."""
    replace_file(policy_dir / "current", f"{folder}\n".encode("ascii"), mode=0o644, owner=owner, durable=durable)


def replace_file(path: Path, content: bytes, *, mode: int, owner: str | None, durable: bool = True) -> None:
    """Give a file this content, durably and in one step; one that has it already is left alone."""
    if path.is_file() and path.read_bytes() == content and stat.S_IMODE(path.stat().st_mode) == mode:
        _give(path, owner)
        return
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            if durable:
                os.fsync(descriptor)
        _give(temporary, owner)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _give(path: Path, owner: str | None) -> None:
    if owner is not None:
        shutil.chown(path, user=owner)
