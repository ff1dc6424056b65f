"""``/api/v1/policy``: for operators."""

from litestar import Response, Router, get, post
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody

from postmta_ctl.features.policy import publish as publishing
from postmta_ctl.features.policy import service
from postmta_ctl.features.policy.publish import Publication
from postmta_ctl.features.policy.schemas import Check, Plan, PublishRequest, Release, ReleaseDetail
from postmta_ctl.store.paging import DEFAULT_LIMIT, Page
from postmta_ctl.web import Caller, TheSystem, scope


@get("/plan", opt=scope("policy:read"), summary="What publishing would do now")
async def plan(system: TheSystem) -> Plan:
    """The difference to the newest release, its class, and the proofs. Nothing is written."""
    return await service.plan(system)


@get("/check", opt=scope("policy:read"), summary="Prove the policy as it is configured now")
async def check(system: TheSystem) -> Check:
    """The same proofs that stand before every publication."""
    return await service.check(system)


@get(
    "/bundle",
    opt=scope("policy:read"),
    summary="Download the policy as it would be rendered now",
    responses={200: ResponseSpec(data_container=bytes, description="The bundle", media_type="application/gzip")},
)
async def bundle(system: TheSystem) -> Response[bytes]:
    """A tar.gz with one folder. It holds no secret."""
    folder, content = await service.archive(system)
    headers = {"Content-Disposition": f'attachment; filename="{folder}.tar.gz"'}
    return Response(content, media_type="application/gzip", headers=headers)


@post(
    "/publish",
    opt=scope("policy:write") | {"errors": ("422", "503")},
    status_code=200,
    summary="Prove, release and roll out the policy",
)
async def publish(system: TheSystem, principal: Caller, data: JSONBody[PublishRequest | None] = None) -> Publication:
    """Answers when every node runs the release, or has failed to: see ``nodes``."""
    reason = data.reason if data else None
    return await publishing.publish(system, author=principal.name, reason=reason, principal=principal)


@get("/releases", opt=scope("policy:read"), summary="List the releases")
async def list_releases(
    system: TheSystem, limit: FromQuery[int] = DEFAULT_LIMIT, cursor: FromQuery[int | None] = None
) -> Page[Release]:
    """Newest first."""
    return await service.list_releases(system, limit=limit, cursor=cursor)


@get("/releases/{number:int}", opt=scope("policy:read"), summary="Get a release")
async def get_release(system: TheSystem, number: FromPath[int]) -> ReleaseDetail:
    """With its diff, proofs, and the changes that it took up."""
    return await service.get_release(system, number)


router = Router(
    "/api/v1/policy",
    route_handlers=[plan, check, bundle, publish, list_releases, get_release],
    tags=["Policy"],
)
