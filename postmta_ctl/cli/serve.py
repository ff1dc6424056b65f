"""``postmta serve``."""

from __future__ import annotations

import os
from multiprocessing import parent_process
from threading import Thread

import rich_click as click
from granian.constants import Interfaces, Loops
from granian.server import Server
from litestar import Litestar

from postmta_ctl.app import create_app
from postmta_ctl.features.auth.service import setup_token
from postmta_ctl.logging import configure_logging
from postmta_ctl.roles import Role
from postmta_ctl.settings import load, override


@click.command()
@click.option(
    "--role",
    "roles",
    metavar="ROLES",
    help="What this process does: api, relay, ingest, worker, separated by commas. Else: POSTMTA_ROLES, or all.",
)
def serve(roles: str | None) -> None:
    """Run the API, the relay, ingestion and the background jobs, or some of them, in one process.

    Over PostgreSQL there may be any number of processes with any roles; whatever they listen on, each answers /health
    and /metrics. SQLite has one writer, so there one process does everything.

    Settings come from POSTMTA_* variables and the TOML file that POSTMTA_CONFIG names.

    Example: POSTMTA_PORT=9000 postmta serve --role api,ingest
    """
    if roles is not None:
        override("roles", roles)
    settings = load()
    Server(
        "postmta_ctl.cli.serve:application",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=1,
        websockets=False,
        log_enabled=False,
        backlog=1024,
        workers_kill_timeout=30,
    ).serve()


def application() -> object:
    """What the server's worker process runs."""
    settings = load()
    configure_logging(settings)
    Thread(target=_end_with_parent, name="end with parent", daemon=True).start()
    app = create_app(settings)
    if Role.API in settings.role_set:
        app.on_startup.append(_show_setup_token)
    return app


async def _show_setup_token(app: Litestar) -> None:
    """Whoever reaches the API first must not become its operator for that alone; whoever reads this may."""
    token = await setup_token(app.state.system)
    if token is not None:
        click.echo(f"The first registration needs this as setup_token: {token}", err=True)


def _end_with_parent() -> None:
    """End at once when the process that started this one was killed.

    It would go on serving beside the next one that is started. Nothing is lost by such an end: it is what a power cut
    does, and everything acknowledged is on durable storage.
    """
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(os.EX_UNAVAILABLE)
