"""``/api/v1/queues``."""

from litestar import Router, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from postmta_ctl.features.queues import actions, service
from postmta_ctl.features.queues.order import read_order
from postmta_ctl.features.queues.schemas import ActionResult, HoldRequest, QueuePage, QueueStatus
from postmta_ctl.features.queues.service import Filters
from postmta_ctl.web import Caller, TheSystem, scope


@get("/status", opt=scope("queues:read"), summary="Queue status overview")
async def queue_status(system: TheSystem, principal: Caller, everybody: FromQuery[bool] = False) -> QueueStatus:
    """Summed over the nodes that could be asked. Operators may ask for ``everybody``."""
    return await service.status(system, principal, everybody=everybody)


@get("/", opt=scope("queues:read") | {"sorted_by": ("id", "size")}, summary="List all queues")
async def list_queues(
    *,
    system: TheSystem,
    principal: Caller,
    domain: FromQuery[str | None] = None,
    campaign: FromQuery[str | None] = None,
    held: FromQuery[bool | None] = None,
    everybody: FromQuery[bool] = False,
    limit: FromQuery[int] = 50,
    cursor: FromQuery[str | None] = None,
    sort: FromQuery[str] = "id",
) -> QueuePage:
    """The queues that hold mail or are held, by name or by ``sort``. Operators may ask for ``everybody``."""
    filters = Filters(domain=domain, campaign=campaign, held=held, everybody=everybody)
    return await service.list_queues(system, principal, filters, limit=limit, cursor=cursor, order=read_order(sort))


@post(
    "/{queue:str}/{action:str}",
    opt=scope("queues:write") | {"errors": ("503",)},
    status_code=200,
    summary="Queue action (flush, hold, release)",
)
async def act_on_queue(
    *,
    system: TheSystem,
    principal: Caller,
    queue: FromPath[str],
    action: FromPath[str],
    data: JSONBody[HoldRequest | None] = None,
) -> ActionResult:
    """The id is the queue's name, percent-encoded. Held mail stays on the nodes and grows older there.

    ``flush`` has everything that waits tried at once. ``hold`` keeps it, and what comes; ``release`` ends that and
    flushes. A queue without a campaign cannot be told from those of the same domain with one when it is flushed.
    """
    return await actions.act(system, principal, queue, action, data)


router = Router("/api/v1/queues", route_handlers=[queue_status, list_queues, act_on_queue], tags=["Queues"])
