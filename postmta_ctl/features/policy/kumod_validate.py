"""``kumod --validate`` on a policy that no node has seen.

It runs the policy's top level, ``pre_init``, ``init`` (listeners are only parsed) and ``validate_config``, where our
policy walks its pools, sources and queues. Since it makes folders for spool and logs, they are moved aside.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.lua import literal
from postmta_ctl.compiler.scratch import lay_out
from postmta_ctl.features.nodes.access import is_user
from postmta_ctl.luavm.tables import read_table

_SECONDS = 60
_STORAGE = "generated/storage.lua"
_SHOWN = 4000
_USERS = ("kumod", "nobody")


def find(kumod: str) -> str | None:
    """Path of the kumod to ask: the one named, else the one on the ``PATH``, else none."""
    return shutil.which(kumod or "kumod")


async def validate(program: str, bundle: Bundle) -> tuple[bool, str]:
    """Whether kumod takes the policy, and its words if not.

    A kumod that cannot be run, or does not come to an end, has not taken it.
    """
    with TemporaryDirectory(prefix="postmta-kumod-") as name:
        folder = Path(name)
        policy = await asyncio.to_thread(_stage, folder, bundle)
        arguments = [program, "--policy", str(policy), "--validate"]
        if os.geteuid() == 0:
            arguments += ["--user", _give_away(folder)]
        return await _run(arguments, folder)


def _stage(folder: Path, bundle: Bundle) -> Path:
    """A node's folder as publishing would make it, but with spool and logs inside."""
    aside = {"spool_path": str(folder / "spool"), "log_path": str(folder / "logs")}
    # Rule files lie on the nodes, and need not be here.
    storage = read_table(bundle.files[_STORAGE], _STORAGE) | aside | {"bounce_classifier_files": []}
    staged = Bundle.of(bundle.files | {_STORAGE: f"return {literal(storage)}\n".encode()})
    for path in aside.values():
        Path(path).mkdir()
    policy_dir = folder / "policy"
    policy_dir.mkdir()
    lay_out(policy_dir, staged, 0)
    return policy_dir / "init.lua"


def _give_away(folder: Path) -> str:
    """Let an unprivileged user have the folder: kumod does not want to be root."""
    user = next((name for name in _USERS if is_user(name)), "root")
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, user=user)
    return user


async def _run(arguments: list[str], folder: Path) -> tuple[bool, str]:
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments, cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=asyncio.subprocess.STDOUT
        )
    except OSError as error:
        return False, f"cannot run {arguments[0]}: {error.strerror}"
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _SECONDS)
    except TimeoutError:
        return False, f"{arguments[0]} did not come to an end within {_SECONDS} s"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    words = output.decode("utf-8", "replace").strip()[-_SHOWN:]
    return process.returncode == 0, words or f"exit status {process.returncode}"
