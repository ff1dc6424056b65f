"""The command line, both of ``postmta agent`` and of ``postmta-agent``, which starts faster."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from contextlib import suppress
from pathlib import Path

import rich_click as click

from postmta_ctl.agent.options import Options, require_safe
from postmta_ctl.agent.process import run
from postmta_ctl.compiler.release_order import read_public
from postmta_ctl.features.nodes.release_files import make_folder
from postmta_ctl.logging import configure_logging
from postmta_ctl.settings import Settings

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(context_settings={"auto_envvar_prefix": "POSTMTA_AGENT", "show_default": True})
@click.option("--control-plane", required=True, help="Where PostMTA is: https://mail.example.com")
@click.option("--node", required=True, help="Name of the node, as it was added.")
@click.option(
    "--policy-dir",
    required=True,
    type=click.Path(file_okay=False, resolve_path=True, path_type=Path),
    help="The folder that kumod reads its policy from.",
)
@click.option("--admin-url", default="http://127.0.0.1:8000", help="kumod's HTTP listener on this host.")
@click.option("--token-file", required=True, type=_FILE, help="Holds the token that adding the node has shown.")
@click.option("--signing-key-file", required=True, type=_FILE, help="Holds what `postmta node signing-key` prints.")
@click.option("--file-owner", help="The user kumod runs as, to own the files that hold secrets.")
@click.option(
    "--releases-kept", type=click.IntRange(min=2), default=10, help="So many of the newest releases stay in the folder."
)
@click.option(
    "--releases-kept-days",
    type=click.FloatRange(min=0),
    default=0.0,
    help="What was written within so many days stays as well.",
)
@click.option("--plain-http", is_flag=True, help="Let private keys come over a network without TLS.")
def agent(
    control_plane: str,
    node: str,
    policy_dir: Path,
    admin_url: str,
    token_file: Path,
    signing_key_file: Path,
    file_owner: str | None,
    releases_kept: int,
    releases_kept_days: float,
    plain_http: bool,
) -> None:
    """Bring releases to the kumod beside it, from a control plane that has no folder of this host.

    It follows only orders that were signed with the pinned key, and none that is older than one it has followed.
    Each option can be given as POSTMTA_AGENT_OPTION in the environment.

    Example: postmta agent --control-plane https://mail.example.com --node mx-2 --policy-dir /opt/kumomta/etc/policy
    --token-file agent.token --signing-key-file signing.key
    """
    try:
        url, key = require_safe(control_plane, is_plain_allowed=plain_http), read_public(signing_key_file.read_text())
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    options = Options(
        control_plane=url,
        node=node,
        policy_dir=policy_dir,
        admin_url=admin_url.rstrip("/"),
        token=token_file.read_text(encoding="ascii").strip(),
        signing_key=key,
        file_owner=file_owner,
        releases_kept=releases_kept,
        releases_kept_days=releases_kept_days,
    )
    configure_logging(Settings())
    with suppress(asyncio.CancelledError):
        asyncio.run(_until_told(options))


async def _until_told(options: Options) -> None:
    make_folder(options.policy_dir)
    # Held as long as the process is: two agents would take each other's half-written files for left-overs.
    lock = os.open(options.policy_dir / ".agent.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise click.ClickException(f"another agent works in {options.policy_dir}") from None
    task = asyncio.ensure_future(run(options))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await task


def main() -> None:
    """Entry point of ``postmta-agent``."""
    agent()
