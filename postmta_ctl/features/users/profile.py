"""How a user is shown."""

from datetime import datetime
from typing import Literal

import msgspec

from postmta_ctl.features.auth.queries import UserRow

Role = Literal["viewer", "developer", "admin", "owner"]


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user, as others of the organization see it."""

    id: str
    email: str
    name: str | None
    role: Role
    is_operator: bool
    """Whether it administers the whole installation: nodes and policy."""
    created_at: datetime


def shown(row: UserRow) -> User:
    """Without what is nobody's business."""
    return msgspec.convert({name: getattr(row, name) for name in User.__struct_fields__}, User)
