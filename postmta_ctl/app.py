"""The composition root: settings in, a running application out.

One lifespan opens and closes everything: the database and its migrations, the clients, the background jobs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from importlib.metadata import version

from litestar import Litestar, Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from postmta_ctl import web
from postmta_ctl.api import routes_of
from postmta_ctl.assembly import close, create_system, opened
from postmta_ctl.bodies import Bodies
from postmta_ctl.features.docs.document import operation_id
from postmta_ctl.features.messages.shortcut import SendShortcut
from postmta_ctl.features.nodes import embedded
from postmta_ctl.features.tracking.shortcut import TrackingShortcut
from postmta_ctl.features.webhooks.delivery import finish as finish_deliveries
from postmta_ctl.framework import litestar
from postmta_ctl.middleware import RequestId
from postmta_ctl.roles import Role
from postmta_ctl.settings import Settings
from postmta_ctl.system import System
from postmta_ctl.workers.runner import running
from postmta_ctl.workers.schedule import jobs_of


def create_app(
    settings: Settings, *, system: System | None = None, jobs: bool = True, is_open: bool = False
) -> Litestar:
    """The ASGI application.

    Args:
        settings: What to run with, also the roles: routes and jobs of others are left out.
        system: Parts to use instead of the real ones, as tests do.
        jobs: Whether to run the background jobs of these roles in this process.
        is_open: The system's database is open already (``assembly.opened``).
    """
    roles = settings.role_set

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        system: System = app.state.system
        async with nullcontext() if is_open else opened(system, alone=jobs):
            async with _at_work(system, jobs=jobs):
                yield
            for groups in (system.accepting, system.ingesting):
                await groups.drain()
            system.fetches.close()
            await finish_deliveries(system)
            await close(system)

    app = litestar(
        settings, routes_of(roles), lifespan=[lifespan], openapi_config=_openapi() if Role.API in roles else None
    )
    app.state.system = system or create_system(settings)
    if Role.API in roles:
        app.asgi_handler = SendShortcut(app.asgi_handler)
    app.asgi_handler = Bodies(app.asgi_handler, limit=settings.body_octets, largest=settings.max_body_bytes)
    # Around the router, and not among its middleware: what it answers itself (404, 405) gets a request id, too.
    app.asgi_handler = RequestId(app.asgi_handler)
    if Role.API in roles:
        app.asgi_handler = TrackingShortcut(app.asgi_handler)
    return app


@asynccontextmanager
async def _at_work(system: System, *, jobs: bool) -> AsyncIterator[None]:
    """Everything beside the requests."""
    settings = system.settings
    async with AsyncExitStack() as stack:
        if jobs and settings.has_embedded_node:
            await stack.enter_async_context(embedded.running(system))
        # Inside the node's block: what the jobs hold, they may still give to it.
        await stack.enter_async_context(running(system, jobs_of(settings.role_set) if jobs else ()))
        yield


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="PostMTA",
        operation_id_creator=operation_id,
        use_handler_docstrings=True,
        version=version("postmta-ctl"),
        description="The open-source control plane for KumoMTA.",
        # Litestar answers for every path beside its document, so it gets a corner of its own. The document is also
        # where people look for it: /openapi.json, by features.docs.
        openapi_router=Router("/openapi", route_handlers=[], opt=web.PUBLIC, include_in_schema=False),
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        security=[{"bearer": []}, {"apiKey": []}],
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer", description="Access token, or an API key."),
                "apiKey": SecurityScheme(type="apiKey", name="X-API-Key", security_scheme_in="header"),
            }
        ),
    )
