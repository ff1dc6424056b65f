"""The HTTP surface: KumoMTA's endpoints by their own paths, and ``/sandbox/faults`` for tests.

Errors are plain text, as in KumoMTA. Every answer carries ``X-PostMTA-Sandbox: 1``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from postmta_ctl.luavm import PolicyError
from postmta_ctl.sandbox import metrics, requests
from postmta_ctl.sandbox.answers import as_json, compressed, cut, faulty, plain, query
from postmta_ctl.sandbox.faults import MEANINGS, Fault, Mode
from postmta_ctl.sandbox.inject import Caller, Injection
from postmta_ctl.sandbox.inspection import UNSPECIFIED, UnknownQueue
from postmta_ctl.sandbox.jsonbody import BodyError, decode
from postmta_ctl.sandbox.queues import QueueFailure
from postmta_ctl.sandbox.service import Service

T = TypeVar("T")

LABEL = {"X-PostMTA-Sandbox": "1"}
_FAULTS = "/sandbox/faults"
_ADMIN = "/api/admin/sandbox/v1"
"""What stands for ``/sandbox/…`` in access control."""


def application(service: Service) -> web.Application:
    """The application in front of a service."""
    api = Api(service)
    limit = int(service.listener.values["request_body_limit"])
    app = web.Application(client_max_size=limit, middlewares=[api.guard])
    app.add_routes([web.route(method, path, getattr(api, name)) for method, path, name in ROUTES])
    return app


class Api:
    """The handlers. Everything about the node happens in the node's thread."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._node = service.node
        self._inspector = service.inspector

    # -- what all requests go through ---------------------------------------------------------------------------

    @web.middleware
    async def guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Label, authentication, access control, and errors as text."""
        try:
            if request.match_info.http_exception is None:
                request["auth_info"] = await self._admit(request)
            response = await handler(request)
        except BodyError as error:
            response = plain(error.text, error.status)
        except web.HTTPException as error:
            response = plain(error.text or error.reason, error.status)
        except (PolicyError, QueueFailure) as error:
            response = plain(f"Error: {error}", 500)
        response.headers.update(LABEL)
        return response

    async def _admit(self, request: web.Request) -> Any:
        is_ours = request.path.startswith("/sandbox/")
        if is_ours and self._node.options.open_faults:
            return {}
        path = _ADMIN if is_ours else request.path
        authorization = request.headers.get("Authorization")
        arguments = (authorization, request.remote or "", request.method, path, self._node.now())
        known = self._service.gate.admitted(*arguments)
        return known or await self._service.call(self._service.gate.admit, *arguments)

    async def _body(self, request: web.Request, kind: type[T]) -> T:
        media = request.content_type
        if media != "application/json" and not (media.startswith("application/") and media.endswith("+json")):
            raise BodyError(415, "Expected request with `Content-Type: application/json`")
        return decode(await request.read(), kind)

    # -- injection ----------------------------------------------------------------------------------------------

    async def inject(self, request: web.Request) -> web.StreamResponse:
        """POST /api/inject/v1."""
        if self._service.is_stopping:
            raise BodyError(503, "shutting down")
        fault = self._node.faults.take()
        body = await self._body(request, requests.InjectV1Request)
        await self._before(fault, request)
        if fault == "partial":
            body = msgspec.structs.replace(body, recipients=body.recipients[: len(body.recipients) // 2])
        injection = await self._service.call(self._begin, body, self._caller(request), fault)
        while not injection.is_done:
            await self._service.call(injection.step)
        self._service.wake()
        return faulty(fault, request, injection.answer)

    def _begin(self, body: requests.InjectV1Request, caller: Caller, fault: Mode | None) -> Injection:
        injection = Injection(self._node, body, caller, broken=fault == "internal")
        injection.step()
        return injection

    async def _before(self, fault: Mode | None, request: web.Request) -> None:
        """Faults in which nothing is done."""
        match fault:
            case "unavailable":
                raise BodyError(503, "load shedding (sandbox)")
            case "refuse":
                raise BodyError(401, "Unauthorized")
            case "hang":
                await asyncio.Event().wait()
            case "reset_before":
                cut(request)

    def _caller(self, request: web.Request) -> Caller:
        own = request.transport.get_extra_info("sockname") if request.transport else None
        return Caller(peer=request.remote or "", listener=own[0] if own else "", auth_info=request["auth_info"])

    # -- rules --------------------------------------------------------------------------------------------------

    async def suspend(self, request: web.Request) -> web.StreamResponse:
        """POST /api/admin/suspend/v1."""
        return await self._order(self._service.admin.suspend, await self._body(request, requests.SuspendV1Request))

    async def suspensions(self, _request: web.Request) -> web.StreamResponse:
        """GET /api/admin/suspend/v1."""
        return as_json(await self._service.call(self._service.admin.suspensions))

    async def lift_suspension(self, request: web.Request) -> web.StreamResponse:
        """DELETE /api/admin/suspend/v1."""
        return await self._lift(request, self._node.suspensions.remove, "suspend")

    async def suspend_ready(self, request: web.Request) -> web.StreamResponse:
        """POST /api/admin/suspend-ready-q/v1."""
        body = await self._body(request, requests.SuspendReadyQueueV1Request)
        return await self._order(self._service.admin.suspend_ready, body)

    async def ready_suspensions(self, _request: web.Request) -> web.StreamResponse:
        """GET /api/admin/suspend-ready-q/v1."""
        return as_json(await self._service.call(self._service.admin.ready_suspensions))

    async def lift_ready_suspension(self, request: web.Request) -> web.StreamResponse:
        """DELETE /api/admin/suspend-ready-q/v1."""
        return await self._lift(request, self._node.ready_suspensions.remove, "suspend")

    async def bounce(self, request: web.Request) -> web.StreamResponse:
        """POST /api/admin/bounce/v1."""
        return await self._order(self._service.admin.bounce, await self._body(request, requests.BounceV1Request))

    async def bounces(self, _request: web.Request) -> web.StreamResponse:
        """GET /api/admin/bounce/v1."""
        return as_json(await self._service.call(self._service.admin.bounces))

    async def lift_bounce(self, request: web.Request) -> web.StreamResponse:
        """DELETE /api/admin/bounce/v1."""
        return await self._lift(request, self._node.bounces.remove, "bounce")

    async def rebind(self, request: web.Request) -> web.StreamResponse:
        """POST /api/admin/rebind/v1. KumoMTA answers before it is done, and so do we."""
        body = await self._body(request, requests.RebindV1Request)
        await self._service.call(self._service.admin.rebind, body)
        self._service.wake()
        return as_json({})

    async def bump_epoch(self, _request: web.Request) -> web.StreamResponse:
        """POST /api/admin/bump-config-epoch."""
        await self._service.call(self._node.bump_epoch)
        return plain("")

    async def _order(self, action: Callable[[T], dict[str, Any]], body: T) -> web.StreamResponse:
        try:
            return as_json(await self._service.call(action, body))
        except ValueError as error:
            raise BodyError(422, f"Failed to deserialize the JSON body into the target type: {error}") from error

    async def _lift(self, request: web.Request, remove: Callable[[str], bool], what: str) -> web.StreamResponse:
        rule = (await self._body(request, requests.CancelRequest)).id
        if not await self._service.call(remove, rule):
            return plain(f"{what} entry {rule} not found", 404)
        return plain(f"removed {rule}")

    # -- views --------------------------------------------------------------------------------------------------

    async def scheduled_queue(self, request: web.Request) -> web.StreamResponse:
        """GET /api/admin/inspect-sched-q/v1."""
        name, limit = query(request, "queue_name"), request.query.get("limit")
        want_body = request.query.get("want_body") == "true"
        try:
            number = None if limit is None else int(limit)
        except ValueError:
            raise BodyError(400, "Failed to deserialize query string: limit: invalid digit found in string") from None
        return await self._view(lambda: self._inspector.scheduled_queue(name, want_body=want_body, limit=number))

    async def message(self, request: web.Request) -> web.StreamResponse:
        """GET /api/admin/inspect-message/v1."""
        spool_id, want_body = query(request, "id"), request.query.get("want_body") == "true"
        try:
            return await self._view(lambda: self._inspector.message(spool_id, want_body=want_body))
        except KeyError:
            return plain(f"Error: no such key {spool_id}", 500)

    async def ready_queue(self, request: web.Request) -> web.StreamResponse:
        """GET /api/admin/inspect-ready-q/v1."""
        name = query(request, "queue_name")
        scheduled = request.query.get("include_scheduled_queues") == "true"
        return await self._view(lambda: self._inspector.ready_queue(name, scheduled=scheduled))

    async def egress_path(self, request: web.Request) -> web.StreamResponse:
        """GET /api/admin/resolve-egress-path/v1."""
        domain, source = query(request, "domain"), request.query.get("source", UNSPECIFIED)
        return await self._view(lambda: self._inspector.egress_path(domain, source))

    async def ready_states(self, _request: web.Request) -> web.StreamResponse:
        """GET /api/admin/ready-q-states/v1: nothing is ever limited by its connections here."""
        return as_json({"states_by_ready_queue": {}})

    async def machine(self, _request: web.Request) -> web.StreamResponse:
        """GET /api/machine-info."""
        return as_json(await self._service.call(self._inspector.machine))

    async def liveness(self, _request: web.Request) -> web.StreamResponse:
        """GET /api/check-liveness/v1."""
        return plain("shutting down", 503) if self._service.is_stopping else plain("OK")

    async def metrics_text(self, request: web.Request) -> web.StreamResponse:
        """GET /metrics."""
        found = await self._service.call(self._inspector.measurements)
        return compressed(plain(metrics.as_text(found, request.query.get("prefix", ""))))

    async def metrics_json(self, request: web.Request) -> web.StreamResponse:
        """GET /metrics.json."""
        found = await self._service.call(self._inspector.measurements)
        return as_json(metrics.as_json(found, request.query.get("prefix", "")))

    async def _view(self, view: Callable[[], Any]) -> web.StreamResponse:
        try:
            return as_json(await self._service.call(view))
        except UnknownQueue as error:
            return plain(f"Error: {error}", 404)

    # -- faults -------------------------------------------------------------------------------------------------

    async def order_fault(self, request: web.Request) -> web.StreamResponse:
        """POST /sandbox/faults: misbehave at the next calls of the injection endpoint."""
        self._node.faults.order(await self._body(request, Fault))
        return await self.faults(request)

    async def faults(self, _request: web.Request) -> web.StreamResponse:
        """GET /sandbox/faults: what is ordered, and what can be."""
        return as_json({"ordered": self._node.faults.pending(), "modes": MEANINGS})

    async def clear_faults(self, request: web.Request) -> web.StreamResponse:
        """DELETE /sandbox/faults: behave again."""
        self._node.faults.clear()
        return await self.faults(request)

    async def forget_holds(self, _request: web.Request) -> web.StreamResponse:
        """POST /sandbox/forget-holds: lose suspensions and bounce rules, as a restart does."""
        await self._service.call(self._node.forget_holds)
        return as_json({})


ROUTES = (
    ("POST", "/api/inject/v1", "inject"),
    ("POST", "/api/admin/suspend/v1", "suspend"),
    ("GET", "/api/admin/suspend/v1", "suspensions"),
    ("DELETE", "/api/admin/suspend/v1", "lift_suspension"),
    ("POST", "/api/admin/suspend-ready-q/v1", "suspend_ready"),
    ("GET", "/api/admin/suspend-ready-q/v1", "ready_suspensions"),
    ("DELETE", "/api/admin/suspend-ready-q/v1", "lift_ready_suspension"),
    ("POST", "/api/admin/bounce/v1", "bounce"),
    ("GET", "/api/admin/bounce/v1", "bounces"),
    ("DELETE", "/api/admin/bounce/v1", "lift_bounce"),
    ("POST", "/api/admin/rebind/v1", "rebind"),
    ("POST", "/api/admin/bump-config-epoch", "bump_epoch"),
    ("GET", "/api/admin/inspect-sched-q/v1", "scheduled_queue"),
    ("GET", "/api/admin/inspect-message/v1", "message"),
    ("GET", "/api/admin/inspect-ready-q/v1", "ready_queue"),
    ("GET", "/api/admin/resolve-egress-path/v1", "egress_path"),
    ("GET", "/api/admin/ready-q-states/v1", "ready_states"),
    ("GET", "/api/machine-info", "machine"),
    ("GET", "/api/check-liveness/v1", "liveness"),
    ("GET", "/metrics", "metrics_text"),
    ("GET", "/metrics.json", "metrics_json"),
    ("POST", _FAULTS, "order_fault"),
    ("GET", _FAULTS, "faults"),
    ("DELETE", _FAULTS, "clear_faults"),
    ("POST", "/sandbox/forget-holds", "forget_holds"),
)
