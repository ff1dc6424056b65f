"""A node's folder that is thrown away, to try a policy in."""

from __future__ import annotations

from pathlib import Path

from postmta_ctl.compiler.bundle import Bundle
from postmta_ctl.compiler.names import release_folder
from postmta_ctl.compiler.node_files import EVERYWHERE, switch_release, write_node_files


def lay_out(policy_dir: Path, bundle: Bundle, number: int, *, admin_token: str = "") -> Path:
    """Write a node's folder with a release in it, without waiting for the disk; the folder of the release.

    Args:
        policy_dir: An empty folder.
        bundle: The release; what of it is not at hand is left out.
        number: The release's.
        admin_token: The control plane's on that node.
    """
    write_node_files(
        policy_dir,
        node_name=EVERYWHERE,
        ingest_url="http://127.0.0.1:1",
        ingest_token="",
        admin_token=admin_token,
        durable=False,
    )
    folder = release_folder(number, bundle.digest)
    root = policy_dir / "releases" / folder
    bundle.write(root, release=number)
    switch_release(policy_dir, folder, durable=False)
    return root
