"""The composition root: settings in, a running application out.

One lifespan opens and closes everything: the database and its migrations, the clients, the background jobs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Any

import structlog
from litestar import Litestar, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from postmta_ctl import web
from postmta_ctl.api import routes_of
from postmta_ctl.bodies import Bodies
from postmta_ctl.clients.clamd import ClamdClient
from postmta_ctl.clients.dns import Resolver, SystemResolver, parse_resolver
from postmta_ctl.clients.engines import AntivirusEngine, SpamEngine
from postmta_ctl.clients.kumod import KumodClient
from postmta_ctl.clients.limiter import Limiter, MemoryLimiter
from postmta_ctl.clients.payments import PaymentProvider, StripePayments
from postmta_ctl.clients.rspamd import RspamdClient
from postmta_ctl.clients.spamd import SpamdClient
from postmta_ctl.clients.webhooks import WebhookClient
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.peer_address import Peer, parse_peer
from postmta_ctl.core.ssrf import EndpointPolicy, parse_networks
from postmta_ctl.errors import ConfigurationError, PostMTAError
from postmta_ctl.features.billing import catalogue
from postmta_ctl.features.docs.document import operation_id
from postmta_ctl.features.domains.sandbox_dns import SandboxResolver
from postmta_ctl.features.messages.shortcut import SendShortcut
from postmta_ctl.features.nodes import embedded
from postmta_ctl.features.tracking.shortcut import TrackingShortcut
from postmta_ctl.features.webhooks.delivery import finish as finish_deliveries
from postmta_ctl.keys import load_keys
from postmta_ctl.middleware import RequestId
from postmta_ctl.roles import Role
from postmta_ctl.settings import Settings
from postmta_ctl.store.engine import Database
from postmta_ctl.store.locks import only_one
from postmta_ctl.store.migrate import upgrade
from postmta_ctl.system import System
from postmta_ctl.workers.runner import running
from postmta_ctl.workers.schedule import jobs_of

log = structlog.get_logger(__name__)


def create_system(settings: Settings) -> System:
    """The real parts."""
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    catalogue.load(settings)
    db = Database(settings.database)
    return System(
        settings=settings,
        db=db,
        keys=load_keys(settings),
        resolver=_resolver(settings, db),
        kumod=KumodClient(),
        limiter=_limiter(settings),
        payments=_payments(settings),
        spam=_spam_engine(settings),
        antivirus=_antivirus_engine(settings),
        webhooks=WebhookClient(_endpoint_policy(settings)),
    )


def _limiter(settings: Settings) -> Limiter:
    if not settings.redis_url:
        return MemoryLimiter()
    try:
        from postmta_ctl.clients.redis_limiter import RedisLimiter  # noqa: PLC0415 - an optional package
    except ModuleNotFoundError as error:
        raise ConfigurationError("redis_url: install what it needs: pip install 'postmta-ctl[redis]'") from error
    return RedisLimiter(settings.redis_url)


def _spam_engine(settings: Settings) -> SpamEngine | None:
    timeout = settings.engine_timeout_seconds
    if settings.spam_engine == "rspamd":
        if not settings.rspamd_url.startswith(("http://", "https://")):
            raise ConfigurationError("rspamd_url: expected http:// or https://")
        return RspamdClient(settings.rspamd_url, settings.rspamd_password, timeout=timeout)
    if settings.spam_engine == "spamd":
        return SpamdClient(_peer("spamd_address", settings.spamd_address), timeout=timeout)
    return None


def _antivirus_engine(settings: Settings) -> AntivirusEngine | None:
    if settings.antivirus_engine == "builtin":
        return None
    return ClamdClient(_peer("clamd_address", settings.clamd_address), timeout=settings.engine_timeout_seconds)


def _peer(name: str, text: str) -> Peer:
    try:
        return parse_peer(text)
    except InputError as error:
        raise ConfigurationError(f"{name}: {error.message}") from None


def _endpoint_policy(settings: Settings) -> EndpointPolicy:
    try:
        networks = parse_networks(settings.webhook_allowed_networks)
    except InputError as error:
        raise ConfigurationError(f"webhook_allowed_networks: {error.message}") from None
    return EndpointPolicy(allow_http=settings.webhook_allow_http, allowed_networks=networks)


def _payments(settings: Settings) -> PaymentProvider | None:
    if not settings.stripe_api_key:
        return None
    return StripePayments(settings.stripe_api_key, settings.stripe_webhook_secret, base=settings.stripe_api_base)


def _resolver(settings: Settings, db: Database) -> Resolver:
    if settings.dns == "sandbox":
        return SandboxResolver(db, settings)
    if settings.dns == "system":
        return SystemResolver()
    return SystemResolver(*parse_resolver(settings.dns))


def create_app(settings: Settings, *, system: System | None = None, jobs: bool = True) -> Litestar:
    """The ASGI application.

    Args:
        settings: What to run with, also the roles: routes and jobs of others are left out.
        system: Parts to use instead of the real ones, as tests do.
        jobs: Whether to run the background jobs of these roles in this process.
    """

    roles = settings.role_set

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        system: System = app.state.system
        async with _at_work(system, jobs=jobs):
            yield
        for groups in (system.accepting, system.ingesting):
            await groups.drain()
        system.fetches.close()
        await finish_deliveries(system)
        await system.webhooks.close()
        await system.kumod.close()
        if system.payments is not None:
            await system.payments.close()
        if system.spam is not None:
            await system.spam.close()
        await system.limiter.close()
        await system.db.close()

    app = Litestar(
        route_handlers=routes_of(roles),
        lifespan=[lifespan],
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
        openapi_config=_openapi() if Role.API in roles else None,
        request_max_body_size=settings.max_body_bytes,
        logging_config=None,
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
    """Everything beside the requests. Why it cannot begin is logged, since the server that asks for it says nothing."""
    settings = system.settings
    async with AsyncExitStack() as stack:
        try:
            await upgrade(system.db)
            if jobs and system.db.is_sqlite:
                await stack.enter_async_context(only_one(system.db))
            if jobs and settings.has_embedded_node:
                await stack.enter_async_context(embedded.running(system))
            # Inside the node's block: what the jobs hold, they may still give to it.
            await stack.enter_async_context(running(system, jobs_of(settings.role_set) if jobs else ()))
        except (PostMTAError, SQLAlchemyError, OSError) as error:
            database = system.db.url.render_as_string(hide_password=True)
            log.error("cannot start", reason=str(error).partition("\n")[0], database=database)
            raise
        yield


def _exception_handlers() -> dict[type[Exception] | int, Any]:
    return {
        PostMTAError: web.on_own_error,
        HTTPException: web.on_http_exception,
        OperationalError: web.on_database_error,
        InterfaceError: web.on_database_error,
        Exception: web.on_unexpected,
    }


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
