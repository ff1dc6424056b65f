"""How Litestar is set up for every application of ours: who may do what, what handlers are given, how errors look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Litestar
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.types import ControllerRouterHandler
from sqlalchemy.exc import InterfaceError, OperationalError

from postmta_ctl import web
from postmta_ctl.errors import PostMTAError
from postmta_ctl.settings import Settings


def litestar(
    settings: Settings,
    routes: Sequence[ControllerRouterHandler],
    *,
    lifespan: Sequence[Any] = (),
    openapi_config: OpenAPIConfig | None = None,
) -> Litestar:
    """An application with these routes; its state needs a ``system``."""
    return Litestar(
        route_handlers=routes,
        lifespan=lifespan,
        guards=[web.guard],
        before_request=web.refuse_nul,
        dependencies={
            "system": Provide(web.provide_system, sync_to_thread=False),
            "principal": Provide(web.provide_principal, sync_to_thread=False),
            # Litestar takes an invalid field of a body for a fault of ours if it has the name of a dependency.
            "client_address": Provide(web.provide_address, sync_to_thread=False),
            "unchanged": Provide(web.provide_condition, sync_to_thread=False),
            "paging": Provide(web.provide_paging, sync_to_thread=False),
        },
        exception_handlers=_exception_handlers(),
        openapi_config=openapi_config,
        request_max_body_size=settings.max_body_bytes,
        logging_config=None,
    )


def _exception_handlers() -> dict[type[Exception] | int, Any]:
    return {
        PostMTAError: web.on_own_error,
        HTTPException: web.on_http_exception,
        OperationalError: web.on_database_error,
        InterfaceError: web.on_database_error,
        Exception: web.on_unexpected,
    }
