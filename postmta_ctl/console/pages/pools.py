"""``/console/pools``: which vMTAs mail of a name or of a domain leaves from."""

from typing import Any

from litestar import get, post
from litestar.params import FromPath

from postmta_ctl.console.forms import by_field, lines, posted, read
from postmta_ctl.console.guard import needs
from postmta_ctl.console.rendering import Confirmation, Page, confirm, page, see
from postmta_ctl.errors import Conflict, InvalidRequest, PreconditionFailed
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.pools import service
from postmta_ctl.features.pools.schemas import Pool, PoolCreate, PoolUpdate
from postmta_ctl.store.versions import Condition, etag
from postmta_ctl.system import System
from postmta_ctl.web import AnyRequest, Caller, Paging, TheSystem

READ, WRITE = needs("vmtas:read"), needs("vmtas:write")
AT = "/console/pools"
PUBLISHED = "Nodes know it with the next release."
Id = FromPath[str]


@get("/pools", opt=READ)
async def pools(request: AnyRequest, system: TheSystem, principal: Caller, paging: Paging) -> Page:
    """The organization's pools."""
    found = await service.list_pools(system, principal, paging)
    return page(request, "pools/list.html", found=found, may_act="vmtas:write" in principal.scopes)


@get("/pools/new", opt=WRITE)
async def new(request: AnyRequest) -> Page:
    """The form of a new pool."""
    return page(request, "pools/new.html", values={})


@post("/pools/new", opt=WRITE, status_code=200)
async def create(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Add it."""
    fields = await posted(request)
    try:
        made = await service.create(system, principal, read(_given(fields), PoolCreate))
    except (InvalidRequest, Conflict) as error:
        return page(request, "pools/new.html", status=error.status, values=fields, errors=by_field(error))
    return see(request, f"{AT}/{made.id}", f"{made.name} is added. {PUBLISHED}")


@get("/pools/{pool_id:str}", opt=READ)
async def show(request: AnyRequest, system: TheSystem, principal: Caller, pool_id: Id) -> Page:
    """Its vMTAs with their shares, and its domains."""
    return _page(request, principal, await service.get(system, principal, pool_id))


def _page(
    request: AnyRequest,
    principal: Principal,
    pool: Pool,
    values: dict[str, str] | None = None,
    error: InvalidRequest | Conflict | PreconditionFailed | None = None,
) -> Page:
    return page(
        request,
        "pools/show.html",
        status=error.status if error else 200,
        pool=pool,
        total=sum(one.weight for one in pool.members),
        values=_written(pool) | {"version": etag(pool)} if values is None else values,
        may_act="vmtas:write" in principal.scopes,
        errors=by_field(error) if error else {},
    )


@post("/pools/{pool_id:str}/change", opt=WRITE, status_code=200)
async def change(request: AnyRequest, system: TheSystem, principal: Caller, pool_id: Id) -> Page:
    """Replace what is in it; a pool that nothing can leave from any more is asked about first."""
    fields = await posted(request)
    try:
        data = read({name: value for name, value in _given(fields).items() if name != "name"}, PoolUpdate)
        if not data.members and "sure" not in fields:
            return await _ask_to_empty(request, system, principal, pool_id, fields)
        condition = Condition(fields.get("version"))
        done = await service.update(system, principal, pool_id, data, condition)
    except (InvalidRequest, Conflict, PreconditionFailed) as error:
        return _page(request, principal, await service.get(system, principal, pool_id), fields, error)
    return see(request, f"{AT}/{pool_id}", f"{done.name} is changed. {PUBLISHED}")


async def _ask_to_empty(
    request: AnyRequest, system: System, principal: Principal, pool_id: str, fields: dict[str, str]
) -> Page:
    pool = await service.get(system, principal, pool_id)
    asked = Confirmation(
        title=f"Leave {pool.name} without any vMTA?",
        sentences=("With the next release its mail waits, and expires in the end.",),
        button="Leave it empty",
        back=f"{AT}/{pool_id}",
        fields=fields | {"sure": "yes"},
    )
    return confirm(request, asked)


@get("/pools/{pool_id:str}/delete", opt=WRITE)
async def ask_to_delete(request: AnyRequest, system: TheSystem, principal: Caller, pool_id: Id) -> Page:
    """Where its mail goes then."""
    pool = await service.get(system, principal, pool_id)
    elsewhere = "all vMTAs" if pool.default else "the default pool, or by all vMTAs where there is none"
    asked = Confirmation(
        title=f"Delete {pool.name}?",
        sentences=(
            f"With the next release its mail leaves by {elsewhere}: that of {len(pool.domains):,} domains, too.",
            "Requests that name it are refused.",
        ),
        button="Delete the pool",
        back=f"{AT}/{pool_id}",
    )
    return confirm(request, asked)


@post("/pools/{pool_id:str}/delete", opt=WRITE, status_code=200)
async def delete(request: AnyRequest, system: TheSystem, principal: Caller, pool_id: Id) -> Page:
    """Delete it."""
    pool = await service.get(system, principal, pool_id)
    await service.delete(system, principal, pool_id, Condition())
    return see(request, AT, f"{pool.name} is deleted.")


def _given(fields: dict[str, str]) -> dict[str, Any]:
    """The request out of the form, whose lists are lines of text."""
    members = [one.split(None, 1) for one in lines(fields.get("members", ""))]
    return {
        **({"name": fields["name"]} if "name" in fields else {}),
        "members": [dict(zip(("vmta", "weight"), one, strict=False)) for one in members],
        "domains": lines(fields.get("domains", "")),
        "default": fields.get("default", "false"),
    }


def _written(pool: Pool) -> dict[str, str]:
    """The form of a pool as it is."""
    members = [one.vmta if one.weight == 1 else f"{one.vmta} {one.weight}" for one in pool.members]
    return {
        "members": "\n".join(members),
        "domains": "\n".join(pool.domains),
        "default": "true" if pool.default else "false",
    }


PAGES = [pools, new, create, show, change, ask_to_delete, delete]
