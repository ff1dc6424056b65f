"""The composition root: settings in, a running application out.

One lifespan opens and closes everything: the database and its migrations, the clients, the background jobs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from postmta_ctl import web
from postmta_ctl.api import ROUTES
from postmta_ctl.clients.dns import SystemResolver
from postmta_ctl.clients.kumod import KumodClient
from postmta_ctl.errors import PostMTAError
from postmta_ctl.keys import load_keys
from postmta_ctl.middleware import RequestId
from postmta_ctl.settings import Settings
from postmta_ctl.store.engine import Database
from postmta_ctl.store.migrate import upgrade
from postmta_ctl.system import System
from postmta_ctl.workers.runner import running
from postmta_ctl.workers.schedule import JOBS


def create_system(settings: Settings) -> System:
    """The real parts."""
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    return System(
        settings=settings,
        db=Database(settings.database),
        keys=load_keys(settings),
        resolver=SystemResolver(None if settings.dns == "system" else settings.dns),
        kumod=KumodClient(),
    )


def create_app(settings: Settings, *, system: System | None = None, jobs: bool = True) -> Litestar:
    """The ASGI application.

    Args:
        settings: What to run with.
        system: Parts to use instead of the real ones, as tests do.
        jobs: Whether to run the background jobs (relay, publishing, node checks) in this process.
    """
    system = system or create_system(settings)

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        await upgrade(system.db)
        async with running(system, JOBS if jobs else ()):
            yield
        await system.kumod.close()
        await system.db.close()

    app = Litestar(
        route_handlers=ROUTES,
        lifespan=[lifespan],
        guards=[web.guard],
        middleware=[RequestId],
        dependencies={
            "system": Provide(web.provide_system, sync_to_thread=False),
            "principal": Provide(web.provide_principal, sync_to_thread=False),
            "paging": Provide(web.provide_paging, sync_to_thread=False),
        },
        exception_handlers=_exception_handlers(),
        openapi_config=_openapi(),
        request_max_body_size=settings.max_body_bytes,
        logging_config=None,
    )
    app.state.system = system
    return app


def _exception_handlers() -> dict[type[Exception] | int, Any]:
    return {
        PostMTAError: web.on_own_error,
        HTTPException: web.on_http_exception,
        Exception: web.on_unexpected,
    }


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="PostMTA",
        version=version("postmta-ctl"),
        description="The open-source control plane for KumoMTA.",
        openapi_router=Router("/", route_handlers=[], opt=web.PUBLIC),
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        security=[{"bearer": []}, {"apiKey": []}],
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer", description="Access token, or an API key."),
                "apiKey": SecurityScheme(type="apiKey", name="X-API-Key", security_scheme_in="header"),
            }
        ),
    )
