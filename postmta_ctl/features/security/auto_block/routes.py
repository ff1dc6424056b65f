"""``/api/v1/security/auto-block``."""

from litestar import Response, Router, delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from postmta_ctl.features.security.auto_block import rules, service
from postmta_ctl.features.security.auto_block.schemas import Block, Resolve, Rule, RuleCreate, RuleUpdate, Toggle
from postmta_ctl.store.paging import Page
from postmta_ctl.web import Caller, Paging, TheSystem, Unchanged, scope, tagged


@get("/rules", opt=scope("security:read"), summary="List auto-block rules")
async def list_auto_block_rules(system: TheSystem, principal: Caller, paging: Paging) -> Page[Rule]:
    """Newest first. A new organization has some that only tell: ``notify``."""
    return await rules.list_rules(system, principal, paging)


@post("/rules", opt=scope("security:write"), summary="Create an auto-block rule")
async def create_auto_block_rule(system: TheSystem, principal: Caller, data: JSONBody[RuleCreate]) -> Rule:
    """It is judged twice a minute by what happened in its window, that before its creation included."""
    return await rules.create(system, principal, data)


@get("/rules/{rule_id:str}", opt=scope("security:read"), summary="Get an auto-block rule")
async def get_auto_block_rule(system: TheSystem, principal: Caller, rule_id: FromPath[str]) -> Response[Rule]:
    """With its ETag."""
    return tagged(await rules.get(system, principal, rule_id))


@put("/rules/{rule_id:str}", opt=scope("security:write"), summary="Update an auto-block rule")
async def update_auto_block_rule(
    system: TheSystem, principal: Caller, rule_id: FromPath[str], data: JSONBody[RuleUpdate], unchanged: Unchanged
) -> Response[Rule]:
    """Fields that are absent stay as they are. Blocks that are active stay as they are, too."""
    return tagged(await rules.update(system, principal, rule_id, data, unchanged))


@delete("/rules/{rule_id:str}", opt=scope("security:write"), summary="Delete an auto-block rule")
async def delete_auto_block_rule(
    system: TheSystem, principal: Caller, rule_id: FromPath[str], unchanged: Unchanged
) -> None:
    """Its active blocks are lifted, and stay in the history."""
    await rules.delete(system, principal, rule_id, unchanged)


@post("/toggle", opt=scope("security:write") | {"errors": ("404",)}, status_code=200, summary="Toggle auto-block rule")
async def toggle_auto_block_rule(system: TheSystem, principal: Caller, data: JSONBody[Toggle]) -> Rule:
    """On or off. Blocks that are active stay until they expire or are resolved."""
    return await rules.toggle(system, principal, data)


@get("/active", opt=scope("security:read"), summary="Get active blocks")
async def list_active_blocks(
    system: TheSystem, principal: Caller, paging: Paging, everybody: FromQuery[bool] = False
) -> Page[Block]:
    """Newest first, with the numbers that led to each and what it does. Operators may ask for ``everybody``."""
    return await service.list_blocks(system, principal, paging, active=True, everybody=everybody)


@get("/history", opt=scope("security:read"), summary="List blocks that are over")
async def list_past_blocks(
    system: TheSystem, principal: Caller, paging: Paging, everybody: FromQuery[bool] = False
) -> Page[Block]:
    """Resolved or expired, newest first. Operators may ask for ``everybody``."""
    return await service.list_blocks(system, principal, paging, active=False, everybody=everybody)


@get("/{block_id:str}", opt=scope("security:read"), summary="Get a block")
async def get_block(system: TheSystem, principal: Caller, block_id: FromPath[str]) -> Block:
    """Whether it is active or over."""
    return await service.get(system, principal, block_id)


@post("/{block_id:str}/resolve", opt=scope("security:write"), status_code=200, summary="Resolve an auto-block")
async def resolve_block(
    system: TheSystem, principal: Caller, block_id: FromPath[str], data: JSONBody[Resolve | None] = None
) -> Block:
    """What it stopped goes on at once. Only what happens from now on can lead to the same block again."""
    return await service.resolve(system, principal, block_id, data or Resolve())


router = Router(
    "/api/v1/security/auto-block",
    route_handlers=[
        list_auto_block_rules,
        create_auto_block_rule,
        get_auto_block_rule,
        update_auto_block_rule,
        delete_auto_block_rule,
        toggle_auto_block_rule,
        list_active_blocks,
        list_past_blocks,
        get_block,
        resolve_block,
    ],
    tags=["Security"],
)
