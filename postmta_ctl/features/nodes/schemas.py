"""What the node routes take and give."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

NodeKind = Literal["kumod", "sandbox"]
Weight = Annotated[int, Meta(ge=0, le=1_000_000, examples=[1])]
"""Its share of the mail of the API against that of other nodes; 0: it gets none that another one can take."""


class NodeCreate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A KumoMTA node: one whose policy folder this host can write to, or one with an agent beside it."""

    name: Annotated[str, Meta(pattern="^[a-z0-9-]{1,63}$", examples=["mx-1"])]
    admin_url: Annotated[str, Meta(max_length=500, examples=["http://10.0.0.5:8000"])]
    """Where its HTTP listener is reached from here."""
    policy_dir: Annotated[str, Meta(max_length=1000, examples=["/opt/kumomta/etc/policy"])]
    """The folder that it reads its policy from, on its own host if it has an agent. It is made if it is not there."""
    transport: Literal["folder", "agent"] = "folder"
    """Who writes into that folder: this service, or `postmta agent` on the node's host, which asks what to write."""
    file_owner: Annotated[str, Meta(min_length=1, max_length=63, examples=["kumod"])] | None = None
    """The user that kumod runs as, to own the files that hold secrets; absent: the user that writes them."""
    weight: Weight = 1


class NodeUpdate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes. Everything else of a node is what it was added with."""

    weight: Weight


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A node, and what is known of it."""

    id: str
    name: str
    kind: NodeKind
    admin_url: str
    policy_dir: str
    transport: Literal["folder", "agent"]
    file_owner: str | None
    weight: int
    """Its share of the mail of the API; 0: it gets none that another one can take."""
    published_release: int | None
    """The release that its files are switched to, or that its agent is told to switch to."""
    running_release: int | None
    """The release that it said it runs when it was last asked."""
    restart_needed: list[str]
    """Settings that KumoMTA reads only at its start and that were published since."""
    is_online: bool
    online_since: datetime | None
    last_seen_at: datetime | None
    last_error: str | None
    """What is wrong with it now."""
    created_at: datetime


class NodeAdded(msgspec.Struct, frozen=True, kw_only=True):
    """A new node, and what is left for its operator to do."""

    node: Node
    next_steps: list[str]
    agent_token: str | None = None
    """What its agent is known by, if it has one; shown this once."""
