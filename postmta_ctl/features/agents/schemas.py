"""What agents and the control plane say to each other; the agent knows these, too."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from postmta_ctl.features.nodes.folder_drift import FolderDrift

KEYS_AT_ONCE = 500
"""As many private keys are asked for in one request."""


class OwnFile(msgspec.Struct, frozen=True, kw_only=True):
    """What ``node.json`` says; secrets."""

    node_name: str
    ingest_url: str
    ingest_token: str
    admin_token: str
    unsubscribe_url: str
    unsubscribe_key: str


class LiveFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of live data."""

    path: str
    content: str


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """What lies beside the releases, as far as the agent does not have it."""

    own: OwnFile
    version: int
    """Of live data: what the node is at once it has all parts."""
    changed: list[LiveFile]
    next: str | None = None
    """There are more: ask again with this as ``after``."""
    warmup: str | None = None
    """Content of ``warmup.json``; None before there is any."""


class KeyName(msgspec.Struct, frozen=True, kw_only=True):
    """What names a private DKIM key."""

    domain: Annotated[str, Meta(max_length=253)]
    selector: Annotated[str, Meta(max_length=63)]
    key_id: Annotated[str, Meta(max_length=36)]


class KeysWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Private keys that an agent lacks."""

    keys: Annotated[list[KeyName], Meta(max_length=KEYS_AT_ONCE)]


class Key(KeyName, frozen=True, kw_only=True):
    """A private key."""

    pem: str


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an agent and its node are."""

    running_release: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    """What the node says that it runs; None: it does not say."""
    online_since: datetime | None = None
    """When the node was started; None: it does not answer."""
    error: Annotated[str, Meta(max_length=4000)] | None = None
    folder: FolderDrift | None = None
    """How the folder differs from the release that was ordered; None: it was not looked at since."""
    order_serial: int | None = None
    """Of that order."""
