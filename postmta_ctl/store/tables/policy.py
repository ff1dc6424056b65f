"""Nodes, releases and the changes that wait to be released."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text

from postmta_ctl.store.tables.base import created_column, id_column, metadata
from postmta_ctl.store.types import Id, Json, Timestamp

nodes = Table(
    "nodes",
    metadata,
    id_column(),
    Column("name", String(63), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("transport", String(16), nullable=False, default="folder", comment="who writes its files: folder, agent"),
    Column("admin_url", String(500), nullable=False),
    Column("policy_dir", String(1000), nullable=False),
    Column("file_owner", String(63)),
    Column("weight", Integer, nullable=False, default=1, comment="its share of the mail; 0: it gets none"),
    Column("ingest_token_digest", LargeBinary(32), nullable=False, unique=True),
    Column("sealed_ingest_token", LargeBinary, nullable=False),
    Column("sealed_admin_token", LargeBinary, nullable=False),
    Column("agent_token_digest", LargeBinary(32), unique=True),
    Column("order_serial", BigInteger, comment="of the newest order to its agent"),
    Column("order_replaces", Boolean, nullable=False, default=False, comment="also what was changed by hand"),
    Column("folder_drift", Json, comment="how its folder differs, by its agent; null: it has not said so"),
    Column("published_release", Integer),
    Column("running_release", Integer),
    Column("online_since", Timestamp),
    Column("last_seen_at", Timestamp),
    Column("last_error", Text),
    created_column(),
)

releases = Table(
    "releases",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("author", String(320), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("change_class", Json, nullable=False),
    Column("diff", Text, nullable=False),
    Column("proofs", Json, nullable=False),
    Column("files", Json, nullable=False, comment="path → SHA-256 of the blob; empty once they were removed"),
    Column("files_removed_at", Timestamp, comment="since when only the record of it is kept"),
    Column("state", String(16), nullable=False),
    Column("rollback_to", Integer, comment="the release whose policy this is again"),
    Column("approved_by", String(320)),
    Column("note", Text, comment="why it was stopped or rejected"),
    Column("canary", Json, comment="which nodes run it first, and what they are measured against"),
    Column("basis", Json, comment="what a release may rely on that takes over parts of it; null: nothing"),
    Column("published_at", Timestamp),
    created_column(),
)

blobs = Table(
    "blobs",
    metadata,
    Column("digest", String(64), primary_key=True, comment="SHA-256, hexadecimal"),
    Column("content", LargeBinary, nullable=False),
)

policy_changes = Table(
    "policy_changes",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("organization_id", Id),
    Column("author", String(320), nullable=False),
    Column("summary", String(500), nullable=False),
    Column("domains", Json, comment="sending domains whose part of the policy it may change; null: all"),
    Column("release", Integer, comment="the release that took it up; null while it waits"),
    created_column(),
    Index(None, "release"),
)

policy_scenarios = Table(
    "policy_scenarios",
    metadata,
    Column("id", Integer, primary_key=True, comment="1: there is one list for the installation"),
    Column("text", Text, nullable=False, comment="TOML, see features.policy.scenarios.format"),
    Column("updated_by", String(320), nullable=False),
    Column("updated_at", Timestamp, nullable=False),
)
