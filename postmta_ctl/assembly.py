"""The real parts of a process, by its settings, and what it does before anything else with its database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from sqlalchemy.exc import SQLAlchemyError

from postmta_ctl.clients.dns import Resolver, SystemResolver, parse_resolver
from postmta_ctl.clients.engines import AntivirusEngine, SpamEngine
from postmta_ctl.clients.kumod import KumodClient
from postmta_ctl.clients.limiter import Limiter, MemoryLimiter
from postmta_ctl.clients.payments import PaymentProvider, StripePayments
from postmta_ctl.clients.webhooks import WebhookClient
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.peer_address import Peer, parse_peer
from postmta_ctl.core.ssrf import EndpointPolicy, parse_networks
from postmta_ctl.errors import ConfigurationError, PostMTAError
from postmta_ctl.features.billing import catalogue
from postmta_ctl.keys import load_keys
from postmta_ctl.settings import Settings
from postmta_ctl.store.engine import Database
from postmta_ctl.store.locks import only_one
from postmta_ctl.store.migrate import upgrade
from postmta_ctl.system import System

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
        from postmta_ctl.clients.rspamd import RspamdClient  # noqa: PLC0415 - seldom needed

        return RspamdClient(settings.rspamd_url, settings.rspamd_password, timeout=timeout)
    if settings.spam_engine == "spamd":
        from postmta_ctl.clients.spamd import SpamdClient  # noqa: PLC0415 - seldom needed

        return SpamdClient(_peer("spamd_address", settings.spamd_address), timeout=timeout)
    return None


def _antivirus_engine(settings: Settings) -> AntivirusEngine | None:
    if settings.antivirus_engine == "builtin":
        return None
    from postmta_ctl.clients.clamd import ClamdClient  # noqa: PLC0415 - seldom needed

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
        from postmta_ctl.features.domains.sandbox_dns import SandboxResolver  # noqa: PLC0415 - for trying out

        return SandboxResolver(db, settings)
    if settings.dns == "system":
        return SystemResolver()
    return SystemResolver(*parse_resolver(settings.dns))


@asynccontextmanager
async def opened(system: System, *, alone: bool) -> AsyncIterator[None]:
    """The database with the newest schema, while the block lasts.

    Args:
        system: Whose database.
        alone: No other process may serve it meanwhile, where it is SQLite's.
    """
    async with AsyncExitStack() as stack:
        try:
            await upgrade(system.db)
            if alone and system.db.is_sqlite:
                await stack.enter_async_context(only_one(system.db))
        except Exception as error:
            tell(system, error)
            raise
        yield


def tell(system: System, error: Exception) -> None:
    """Log why the process cannot begin, since the server that asks for it says nothing."""
    database = system.db.url.render_as_string(hide_password=True)
    is_known = isinstance(error, PostMTAError | SQLAlchemyError | OSError)
    log.error("cannot start", reason=str(error).partition("\n")[0], database=database, exc_info=not is_known)


async def close(system: System) -> None:
    """Let go of everything that the parts hold."""
    system.fetches.close()
    await system.webhooks.close()
    await system.kumod.close()
    if system.payments is not None:
        await system.payments.close()
    if system.spam is not None:
        await system.spam.close()
    await system.limiter.close()
    await system.db.close()
