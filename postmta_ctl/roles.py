"""What a process does of the whole: any subset, in any number of processes that share a PostgreSQL database."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """A part of the work."""

    API = "api"
    """Customers' and operators' requests, tracking links, and the agents of remote nodes."""
    RELAY = "relay"
    """From the outbox to the nodes."""
    INGEST = "ingest"
    """The nodes' log records."""
    WORKER = "worker"
    """Everything else that runs in the background: publishing, nodes, webhooks, warm-ups, checks."""


ALL_ROLES = frozenset(Role)


def parse_roles(text: str) -> frozenset[Role]:
    """Read names that are separated by commas.

    Raises:
        ValueError: One is no role, or there is none; the message says which there are.
    """
    names = [name for name in (part.strip() for part in text.split(",")) if name]
    unknown = [name for name in names if name not in ALL_ROLES]
    if unknown or not names:
        problem = f"there is no role {unknown[0]}" if unknown else "none is given"
        raise ValueError(f"{problem}; there are {', '.join(Role)}")
    return frozenset(map(Role, names))
