"""``/api/v1/policy``: for operators."""

from typing import Annotated

from litestar import Response, Router, get, post
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.policy import approval, canaries, drift, rollback, service
from postmta_ctl.features.policy import publish as publishing
from postmta_ctl.features.policy.drift import NodeDrift
from postmta_ctl.features.policy.publish import Publication
from postmta_ctl.features.policy.releasing import By
from postmta_ctl.features.policy.rollout import NodeOutcome
from postmta_ctl.features.policy.scenarios.routes import get_scenarios, put_scenarios
from postmta_ctl.features.policy.schemas import (
    ApproveRequest,
    Check,
    Decision,
    Difference,
    Plan,
    PublishRequest,
    Release,
    ReleaseDetail,
    RollbackRequest,
)
from postmta_ctl.store.paging import DEFAULT_LIMIT, Page
from postmta_ctl.web import Caller, TheSystem, scope

SETTLED = {"errors": ("404", "409", "422", "503")}
"""What may speak against deciding about a release."""


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
    opt=scope("policy:write") | {"errors": ("409", "422", "503")},
    status_code=200,
    summary="Prove, release and roll out the policy",
)
async def publish(system: TheSystem, principal: Caller, data: JSONBody[PublishRequest | None] = None) -> Publication:
    """Answers when every node runs the release, or has failed to: see ``nodes``."""
    request = data or PublishRequest()
    if request.dry_run:
        return await publishing.rehearse(system)
    return await publishing.publish(system, _by(principal), reason=request.reason, canary=request.canary)


@post(
    "/rollback",
    opt=scope("policy:write") | SETTLED,
    status_code=200,
    summary="Publish the policy of an older release again",
)
async def roll_back(system: TheSystem, principal: Caller, data: JSONBody[RollbackRequest]) -> Publication:
    """As a new release. What was configured since stays configured; it is published when somebody publishes."""
    return await rollback.roll_back(system, _by(principal), data.release, reason=data.reason)


@get("/diff", opt=scope("policy:read") | {"errors": ("404", "422")}, summary="Compare two releases")
async def compare(
    system: TheSystem,
    from_release: Annotated[int, QueryParameter(name="from", ge=1, description="A release.")],
    to_release: Annotated[
        int | None, QueryParameter(name="to", ge=1, description="Another; the present configuration when absent.")
    ] = None,
) -> Difference:
    """As a unified diff, with what it would take to bring a node from the one to the other."""
    return await service.difference(system, from_release, to_release)


@get("/drift", opt=scope("policy:read"), summary="How each node differs from what was published")
async def show_drift(system: TheSystem) -> list[NodeDrift]:
    """Files on the node against its release, and what the node itself says.

    That is the release that it runs, what it keeps suspended against the holds and pauses here, and, where it offers
    that, how it resolves the paths of a few sources against what the published policy says of them.
    """
    return await drift.look(system)


@post("/drift/fix", opt=scope("policy:write") | {"errors": ("503",)}, status_code=200, summary="Mend what differs")
async def fix_drift(system: TheSystem, principal: Caller) -> list[NodeOutcome]:
    """What was changed by hand is kept beside the releases, in the folder ``edited``.

    Holds and pauses that a node lost are placed again; suspensions that somebody placed on the node itself stay.
    """
    return await drift.fix(system, _by(principal))


@post(
    "/releases/{number:int}/approve", opt=scope("policy:write") | SETTLED, status_code=200, summary="Publish a proposal"
)
async def approve(
    system: TheSystem, principal: Caller, number: FromPath[int], data: JSONBody[ApproveRequest | None] = None
) -> Publication:
    """Of somebody else; refused when the configuration has changed since it was proposed."""
    return await approval.approve(system, _by(principal), number, canary=data.canary if data else None)


@post(
    "/releases/{number:int}/reject",
    opt=scope("policy:write") | SETTLED,
    status_code=200,
    summary="Turn a proposal down",
)
async def reject(
    system: TheSystem, principal: Caller, number: FromPath[int], data: JSONBody[Decision]
) -> ReleaseDetail:
    """It stays in the history with the reason."""
    await approval.reject(system, _by(principal), number, note=data.reason)
    return await service.get_release(system, number)


@post(
    "/releases/{number:int}/promote",
    opt=scope("policy:write") | SETTLED,
    status_code=200,
    summary="Bring a canary to all",
)
async def promote(system: TheSystem, principal: Caller, number: FromPath[int]) -> list[NodeOutcome]:
    """Without waiting for the end of its time."""
    return await canaries.promote(system, _by(principal), number)


@post("/releases/{number:int}/stop", opt=scope("policy:write") | SETTLED, status_code=200, summary="Stop a canary")
async def stop(
    system: TheSystem, principal: Caller, number: FromPath[int], data: JSONBody[Decision]
) -> list[NodeOutcome]:
    """The nodes that try it go back to the release of the others."""
    return await canaries.stop(system, _by(principal), number, note=data.reason)


def _by(principal: Principal) -> By:
    return By(principal.name, principal)


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
    route_handlers=[
        plan,
        check,
        bundle,
        publish,
        roll_back,
        compare,
        show_drift,
        fix_drift,
        list_releases,
        get_release,
        approve,
        reject,
        promote,
        stop,
        get_scenarios,
        put_scenarios,
    ],
    tags=["Policy"],
)
