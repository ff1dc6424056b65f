"""``postmta serve``."""

from __future__ import annotations

import gc

import rich_click as click
from granian.constants import Interfaces, Loops
from granian.server import Server

from postmta_ctl.errors import PostMTAError
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
    """What the server's worker process runs; only that process imports it."""
    # Until all is loaded: ``serving`` says why, and goes on with it.
    gc.disable()
    try:
        from postmta_ctl.serving import application  # noqa: PLC0415 - see above

        return application()
    except PostMTAError as error:
        click.echo(f"postmta: {error.detail}", err=True)
        raise SystemExit(1) from None
