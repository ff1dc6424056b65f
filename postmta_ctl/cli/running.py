"""What commands share that work on the database themselves, with or without a server beside them."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from typing import TypeVar

import msgspec
import rich_click as click
from sqlalchemy.exc import SQLAlchemyError

from postmta_ctl.assembly import create_system
from postmta_ctl.cli import NO_ANSWER
from postmta_ctl.cli.progress import steps_of, working
from postmta_ctl.logging import configure_logging
from postmta_ctl.settings import load
from postmta_ctl.store.migrate import upgrade
from postmta_ctl.system import System

T = TypeVar("T")


class DatabaseUnusable(click.ClickException):
    """It does not answer, or is none."""

    exit_code = NO_ANSWER


def with_system(
    action: Callable[[System], Awaitable[T]],
    *,
    migrate: bool = True,
    needed: bool = True,
    what: str = "",
    steps: Mapping[str, int] | None = None,
) -> T:
    """Run an action with the real parts.

    Args:
        action: What to do.
        migrate: Bring an embedded database to the newest schema first; one that is a server's is left to
            ``postmta db upgrade``.
        needed: Give up when the database cannot be used; else the action finds out itself.
        what: What is being done, if it may take long, for whoever waits at a terminal.
        steps: The steps that it tells of, each with its share of the time; none: only the time that passed is shown.
    """
    settings = load()
    # What a command has to say goes to its output; the log is for what goes wrong.
    configure_logging(msgspec.structs.replace(settings, log_level="warning", log_format="console"))

    async def run() -> T:
        system = create_system(settings)
        try:
            await _open(system, migrate=migrate, needed=needed)
            return await action(system)
        finally:
            await system.kumod.close()
            if system.spam is not None:
                await system.spam.close()
            await system.limiter.close()
            await system.db.close()

    shown = steps_of(what, steps) if steps else working(what) if what else nullcontext()
    with shown:
        return asyncio.run(run())


async def _open(system: System, *, migrate: bool, needed: bool) -> None:
    try:
        if migrate and system.db.is_sqlite:
            await upgrade(system.db)
        elif needed:
            async with system.db.reading():
                pass
    except (SQLAlchemyError, OSError) as error:
        words = str(getattr(error, "orig", None) or error).partition("\n")[0]
        raise DatabaseUnusable(f"The database cannot be used: {words}") from None


def author() -> str:
    """How a change made by a command is signed."""
    return f"{getpass.getuser()} (command line)"
