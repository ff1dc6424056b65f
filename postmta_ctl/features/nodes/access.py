"""The tokens between the control plane and a node, and where each has to be.

The node knows the control plane by the admin token, the control plane knows the node by the ingest token. Both are
sealed in the database, and in the clear in the node's own node.json.
"""

from __future__ import annotations

import ipaddress
import pwd
from pathlib import Path

from postmta_ctl.clients.kumod import NodeAddress
from postmta_ctl.compiler.node_files import write_node_files
from postmta_ctl.core import secrets
from postmta_ctl.errors import NodeFailed
from postmta_ctl.features.nodes.queries import NodeRow
from postmta_ctl.features.nodes.release_files import make_folder
from postmta_ctl.features.tracking.service import tracker
from postmta_ctl.settings import Settings
from postmta_ctl.system import System

INGEST_PATH = "/ingest/v1/logs"


def seal(system: System, node_id: str, column: str, token: str) -> bytes:
    """A token as the node's row keeps it, bound to that row and column."""
    nonce = system.random(secrets.NONCE_OCTETS)
    return secrets.seal(system.keys.master_key, token.encode(), aad=place(node_id, column), nonce=nonce)


def _opened(system: System, row: NodeRow, column: str) -> str:
    try:
        opened = secrets.unseal(system.keys.master_keys, getattr(row, column), aad=place(row.id, column))
    except secrets.SealError as error:
        raise NodeFailed(f"node {row.name}: its token cannot be opened: {error}", code="token_unreadable") from error
    return opened.decode()


def place(node_id: str, column: str) -> bytes:
    """A token opens for its own node, and as what it is."""
    return f"nodes/{node_id}/{column}".encode()


def address(system: System, row: NodeRow) -> NodeAddress:
    """Where the node is, and the token that it knows us by.

    Raises:
        NodeFailed: The token was sealed under another master key.
    """
    token = _opened(system, row, "sealed_admin_token")
    return NodeAddress(name=row.name, admin_url=row.admin_url, token=token, weight=row.weight)


def write_own_files(system: System, row: NodeRow) -> None:
    """Write launcher and node.json into the node's folder, which is made if it is not there.

    Raises:
        OSError: It cannot be written to.
        LookupError: There is no such user as its ``file_owner``.
        NodeFailed: Its tokens were sealed under another master key.
    """
    folder = Path(row.policy_dir)
    make_folder(folder)
    write_node_files(folder, **own_values(system, row), owner=row.file_owner, durable=True)


def own_values(system: System, row: NodeRow) -> dict[str, str]:
    """What a node's own file says, by the names of the arguments of ``write_node_files``.

    Raises:
        NodeFailed: Its tokens were sealed under another master key.
    """
    links = tracker(system)
    return {
        "node_name": row.name,
        "ingest_url": ingest_url(system.settings, row.kind),
        "ingest_token": _opened(system, row, "sealed_ingest_token"),
        "admin_token": _opened(system, row, "sealed_admin_token"),
        "unsubscribe_url": links.unsubscribe_base,
        "unsubscribe_key": links.unsubscribe_key,
    }


def is_user(name: str) -> bool:
    """Whether this host knows the user."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def ingest_url(settings: Settings, kind: str) -> str:
    """Where a node delivers its log records: as the settings say, but the listener itself for the embedded node."""
    return (
        _local_url(settings) if kind == "sandbox" else settings.ingest_url.rstrip("/") or settings.url
    ) + INGEST_PATH


def _local_url(settings: Settings) -> str:
    """The public URL may lead through a proxy that this host cannot use, and ``0.0.0.0`` is nowhere to connect to."""
    host = settings.host
    try:
        listening = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host}:{settings.port}"
    if listening.is_unspecified:
        listening = ipaddress.ip_address("127.0.0.1" if listening.version == 4 else "::1")
    host = f"[{listening}]" if listening.version == 6 else str(listening)
    return f"http://{host}:{settings.port}"
