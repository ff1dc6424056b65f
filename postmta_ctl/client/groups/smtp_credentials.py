"""SMTP Credentials."""

from __future__ import annotations

from types import NoneType

from postmta_ctl.client.calls import Call, Group, Page, R_co, listing, operation
from postmta_ctl.features.smtp_credentials.schemas import (
    SmtpCredential,
    SmtpCredentialCreate,
    SmtpCredentialCreated,
    SmtpCredentialRotate,
    SmtpCredentialUpdate,
)


class SmtpCredentials(Group[R_co]):
    """What stands in the document under SMTP Credentials."""

    @listing
    def list(
        self, *, limit: int | None = None, cursor: str | None = None, sort: str | None = None
    ) -> Call[Page[SmtpCredential]]:
        """List SMTP credentials."""
        return Call(
            "GET",
            "/api/v1/smtp-credentials",
            Page[SmtpCredential],
            query={"limit": limit, "cursor": cursor, "sort": sort},
        )

    @operation
    def create(self, body: SmtpCredentialCreate) -> Call[SmtpCredentialCreated]:
        """Create an SMTP credential."""
        return Call("POST", "/api/v1/smtp-credentials", SmtpCredentialCreated, body=body)

    @operation
    def get(self, credential_id: str) -> Call[SmtpCredential]:
        """Get an SMTP credential."""
        return Call(
            "GET", "/api/v1/smtp-credentials/{credential_id}", SmtpCredential, parts={"credential_id": credential_id}
        )

    @operation
    def update(
        self, credential_id: str, body: SmtpCredentialUpdate, *, if_match: str | None = None
    ) -> Call[SmtpCredential]:
        """Update an SMTP credential."""
        return Call(
            "PUT",
            "/api/v1/smtp-credentials/{credential_id}",
            SmtpCredential,
            parts={"credential_id": credential_id},
            body=body,
            headers={"If-Match": if_match},
        )

    @operation
    def delete(self, credential_id: str, *, if_match: str | None = None) -> Call[None]:
        """Delete an SMTP credential."""
        return Call(
            "DELETE",
            "/api/v1/smtp-credentials/{credential_id}",
            NoneType,
            parts={"credential_id": credential_id},
            headers={"If-Match": if_match},
        )

    @operation
    def rotate(self, credential_id: str, body: SmtpCredentialRotate | None = None) -> Call[SmtpCredentialCreated]:
        """Rotate its secret."""
        return Call(
            "POST",
            "/api/v1/smtp-credentials/{credential_id}/rotate",
            SmtpCredentialCreated,
            parts={"credential_id": credential_id},
            body=body,
        )
