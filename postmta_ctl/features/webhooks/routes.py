"""``/api/v1/webhooks``."""

from litestar import Response, Router, delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from postmta_ctl.features.webhooks import log, service
from postmta_ctl.features.webhooks.schemas import (
    Delivery,
    DeliveryStatus,
    RotateSecret,
    Webhook,
    WebhookCreate,
    WebhookSecret,
    WebhookUpdate,
)
from postmta_ctl.store.paging import Page
from postmta_ctl.web import Caller, Paging, TheSystem, Unchanged, scope, sortable, tagged


@post("/", opt=scope("webhooks:write"), summary="Create a webhook endpoint")
async def create_webhook(system: TheSystem, principal: Caller, data: JSONBody[WebhookCreate]) -> WebhookSecret:
    """The secret is shown in this answer only. Verify requests with any library of Standard Webhooks."""
    return await service.create(system, principal, data)


@get("/", opt=scope("webhooks:read") | sortable("url"), summary="List all webhooks")
async def list_webhooks(system: TheSystem, principal: Caller, paging: Paging) -> Page[Webhook]:
    """Newest first."""
    return await service.list_webhooks(system, principal, paging)


@get("/{webhook_id:str}", opt=scope("webhooks:read"), summary="Get webhook details")
async def get_webhook(system: TheSystem, principal: Caller, webhook_id: FromPath[str]) -> Response[Webhook]:
    """Without its secret. Tells since when it has been failing, and why it is disabled."""
    return tagged(await service.get(system, principal, webhook_id))


@put("/{webhook_id:str}", opt=scope("webhooks:write"), summary="Update webhook configuration")
async def update_webhook(
    system: TheSystem, principal: Caller, webhook_id: FromPath[str], data: JSONBody[WebhookUpdate], unchanged: Unchanged
) -> Response[Webhook]:
    """Fields that are absent stay as they are."""
    return tagged(await service.update(system, principal, webhook_id, data, unchanged))


@delete("/{webhook_id:str}", opt=scope("webhooks:write"), summary="Delete a webhook")
async def delete_webhook(system: TheSystem, principal: Caller, webhook_id: FromPath[str], unchanged: Unchanged) -> None:
    """What waits for it is not sent any more."""
    await service.delete(system, principal, webhook_id, unchanged)


@post("/{webhook_id:str}/rotate-secret", opt=scope("webhooks:write"), status_code=200, summary="Rotate the secret")
async def rotate_secret(
    system: TheSystem, principal: Caller, webhook_id: FromPath[str], data: JSONBody[RotateSecret]
) -> WebhookSecret:
    """Both secrets sign until the overlap is over, so that receivers can change at their own time."""
    return await service.rotate_secret(system, principal, webhook_id, data)


@post("/{webhook_id:str}/test", opt=scope("webhooks:write"), status_code=200, summary="Send test event to webhook")
async def test_webhook(system: TheSystem, principal: Caller, webhook_id: FromPath[str]) -> Delivery:
    """Sends ``webhook.test`` at once and answers with what the endpoint said; waits 15 seconds for it at most."""
    return await log.send_test(system, principal, webhook_id)


@get(
    "/{webhook_id:str}/deliveries",
    opt=scope("webhooks:read") | sortable("type", "status"),
    summary="Get webhook delivery logs",
)
async def list_deliveries(
    system: TheSystem,
    principal: Caller,
    webhook_id: FromPath[str],
    paging: Paging,
    *,
    status: FromQuery[DeliveryStatus | None] = None,
    type: FromQuery[str | None] = None,  # noqa: A002 - the name that the events have
) -> Page[Delivery]:
    """Newest first, each with its attempts; kept for 30 days. ``status`` and ``type`` keep those of one kind."""
    return await log.list_deliveries(system, principal, webhook_id, paging, status=status, kind=type)


@post(
    "/{webhook_id:str}/deliveries/{delivery_id:str}/replay",
    opt=scope("webhooks:write"),
    status_code=202,
    summary="Send a delivery once more",
)
async def replay_delivery(
    system: TheSystem, principal: Caller, webhook_id: FromPath[str], delivery_id: FromPath[str]
) -> Delivery:
    """With the same id and body, so that a receiver that has it knows it; whatever became of it before."""
    return await log.replay(system, principal, webhook_id, delivery_id)


router = Router(
    "/api/v1/webhooks",
    route_handlers=[
        create_webhook,
        list_webhooks,
        get_webhook,
        update_webhook,
        delete_webhook,
        rotate_secret,
        test_webhook,
        list_deliveries,
        replay_delivery,
    ],
    tags=["Webhooks & Tracking"],
)
