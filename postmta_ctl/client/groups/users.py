"""Users."""

from __future__ import annotations

from types import NoneType
from typing import Literal

from postmta_ctl.client.calls import Call, Group, Page, R_co, listing, operation
from postmta_ctl.features.users.profile import User
from postmta_ctl.features.users.schemas import Invitation, InvitationCreate, InvitationCreated, RoleUpdate


class Users(Group[R_co]):
    """What stands in the document under Users."""

    @listing
    def list(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        sort: str | None = None,
        role: Literal["viewer", "developer", "admin", "owner"] | None = None,
    ) -> Call[Page[User]]:
        """List all users in organization."""
        return Call(
            "GET", "/api/v1/users", Page[User], query={"limit": limit, "cursor": cursor, "sort": sort, "role": role}
        )

    @operation
    def get(self, user_id: str) -> Call[User]:
        """Get user details."""
        return Call("GET", "/api/v1/users/{user_id}", User, parts={"user_id": user_id})

    @operation
    def remove(self, user_id: str, *, if_match: str | None = None) -> Call[None]:
        """Remove a user from the organization."""
        return Call(
            "DELETE", "/api/v1/users/{user_id}", NoneType, parts={"user_id": user_id}, headers={"If-Match": if_match}
        )

    @operation
    def set_role(self, user_id: str, body: RoleUpdate, *, if_match: str | None = None) -> Call[User]:
        """Update user role."""
        return Call(
            "PUT",
            "/api/v1/users/{user_id}/role",
            User,
            parts={"user_id": user_id},
            body=body,
            headers={"If-Match": if_match},
        )

    @listing
    def list_invitations(
        self, *, limit: int | None = None, cursor: str | None = None, sort: str | None = None
    ) -> Call[Page[Invitation]]:
        """List open invitations."""
        return Call(
            "GET", "/api/v1/users/invitations", Page[Invitation], query={"limit": limit, "cursor": cursor, "sort": sort}
        )

    @operation
    def create_invitation(self, body: InvitationCreate) -> Call[InvitationCreated]:
        """Invite somebody into the organization."""
        return Call("POST", "/api/v1/users/invitations", InvitationCreated, body=body)

    @operation
    def withdraw_invitation(self, invitation_id: str) -> Call[None]:
        """Withdraw an invitation."""
        return Call(
            "DELETE", "/api/v1/users/invitations/{invitation_id}", NoneType, parts={"invitation_id": invitation_id}
        )
