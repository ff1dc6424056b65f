"""What the user routes take and give."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from postmta_ctl.features.users.profile import Role


class RoleUpdate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The role to have from now on."""

    role: Annotated[Role, Meta(examples=["developer"])]


class InvitationCreate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to invite, and as what."""

    email: Annotated[str, Meta(max_length=254, examples=["ben@example.com"])]
    role: Annotated[Role, Meta(examples=["developer"])]


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation into the organization, without its token."""

    id: str
    email: str
    role: Role
    invited_by: str
    expires_at: datetime
    created_at: datetime


class InvitationCreated(msgspec.Struct, frozen=True, kw_only=True):
    """A new invitation with its token, which is shown this once: hand it to whom it is for."""

    invitation: Invitation
    token: str
    """Given as ``invitation`` at registration with the invited address."""
