"""``/api/v1/smtp-credentials``."""

from datetime import timedelta

from litestar import Response, Router, delete, get, post, put
from litestar.params import FromPath, JSONBody

from postmta_ctl.features.smtp_credentials import service
from postmta_ctl.features.smtp_credentials.schemas import (
    SmtpCredential,
    SmtpCredentialCreate,
    SmtpCredentialCreated,
    SmtpCredentialRotate,
    SmtpCredentialUpdate,
)
from postmta_ctl.store.paging import Page
from postmta_ctl.web import Caller, Paging, TheSystem, Unchanged, scope, tagged


@post("/", opt=scope("smtp_credentials:write"), summary="Create an SMTP credential")
async def create_smtp_credential(
    system: TheSystem, principal: Caller, data: JSONBody[SmtpCredentialCreate]
) -> SmtpCredentialCreated:
    """For AUTH PLAIN after STARTTLS at a node's submission port. The secret is shown in this answer only."""
    return await service.create(system, principal, data)


@get("/", opt=scope("smtp_credentials:read"), summary="List SMTP credentials")
async def list_smtp_credentials(system: TheSystem, principal: Caller, paging: Paging) -> Page[SmtpCredential]:
    """Newest first."""
    return await service.list_credentials(system, principal, paging)


@get("/{credential_id:str}", opt=scope("smtp_credentials:read"), summary="Get an SMTP credential")
async def get_smtp_credential(
    system: TheSystem, principal: Caller, credential_id: FromPath[str]
) -> Response[SmtpCredential]:
    """Without its secret, which nobody knows any more."""
    return tagged(await service.get(system, principal, credential_id))


@put("/{credential_id:str}", opt=scope("smtp_credentials:write"), summary="Update an SMTP credential")
async def update_smtp_credential(
    system: TheSystem,
    principal: Caller,
    credential_id: FromPath[str],
    data: JSONBody[SmtpCredentialUpdate],
    unchanged: Unchanged,
) -> Response[SmtpCredential]:
    """Fields that are absent stay as they are. Open sessions go by the change, too."""
    return tagged(await service.update(system, principal, credential_id, data, unchanged))


@post("/{credential_id:str}/rotate", opt=scope("smtp_credentials:write"), status_code=200, summary="Rotate its secret")
async def rotate_smtp_credential(
    system: TheSystem,
    principal: Caller,
    credential_id: FromPath[str],
    data: JSONBody[SmtpCredentialRotate | None] = None,
) -> SmtpCredentialCreated:
    """It keeps its user name and gets another secret, shown in this answer only. During the overlap both work."""
    overlap = timedelta(seconds=data.overlap_seconds if data else 0)
    return await service.rotate(system, principal, credential_id, overlap)


@delete("/{credential_id:str}", opt=scope("smtp_credentials:write"), summary="Delete an SMTP credential")
async def delete_smtp_credential(
    system: TheSystem, principal: Caller, credential_id: FromPath[str], unchanged: Unchanged
) -> None:
    """Nodes refuse it, and end the sessions that it opened, within seconds."""
    await service.delete(system, principal, credential_id, unchanged)


router = Router(
    "/api/v1/smtp-credentials",
    route_handlers=[
        create_smtp_credential,
        list_smtp_credentials,
        get_smtp_credential,
        update_smtp_credential,
        rotate_smtp_credential,
        delete_smtp_credential,
    ],
    tags=["SMTP Credentials"],
)
