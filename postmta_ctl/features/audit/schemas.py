"""What ``/api/v1/audit`` shows."""

from datetime import datetime
from typing import Any, Literal

import msgspec


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was done."""

    id: str
    actor_kind: Literal["user", "api_key", "system"]
    actor_id: str | None
    """Null when the service did it by itself."""
    actor: str
    action: str
    """The kind of thing and what happened to it, such as ``domain.deleted``."""
    target_id: str
    address: str
    """IP address that the request came from; empty when there was no request."""
    request_id: str
    before: Any
    """The thing as it was, secrets masked; null for a new one."""
    after: Any
    """The thing as it became; null for one that was removed."""
    created_at: datetime
