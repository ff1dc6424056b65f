"""The first second of a process: it says that it is well while most of the program is still being loaded.

Reading all routes and all that they use takes longer than opening the database. So a process opens that, listens, and
answers ``/health``; requests for anything else wait until the whole application is there, instead of being refused.
So does ``/health/ready``: it says whether to send them here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from litestar import Litestar
from litestar.types import Receive, Scope, Send

from postmta_ctl.assembly import close, opened, tell
from postmta_ctl.features.health.routes import health
from postmta_ctl.framework import litestar
from postmta_ctl.middleware import RequestId
from postmta_ctl.system import System


class Starting:
    """The ASGI application of a process: first the door, then the whole.

    Args:
        system: The parts; their database is opened here.
        load: Makes the whole application, whose lifespan takes the database as open. Called in a thread.
        give_up: Ends the process when the whole cannot be had. The server asks for no reason that late.
    """

    def __init__(
        self,
        system: System,
        load: Callable[[System], Litestar],
        give_up: Callable[[int], object] = os._exit,
    ) -> None:
        self._system, self._load, self._give_up = system, load, give_up
        self._door = litestar(system.settings, [health])
        self._door.state.system = system
        self._door.asgi_handler = RequestId(self._door.asgi_handler)
        self._whole: Litestar | None = None
        self._loaded = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        kind: str = scope["type"]
        if kind == "lifespan":
            await self._live(receive, send)
        elif self._whole is not None:
            await self._whole(scope, receive, send)
        elif scope["path"] in health.paths:
            await self._door(scope, receive, send)
        else:
            await self._loaded.wait()
            await self(scope, receive, send)

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        stage = "startup"
        try:
            async with opened(self._system, alone=True):
                await send({"type": "lifespan.startup.complete"})
                stage = "shutdown"
                await self._be_whole(receive)
        except Exception:
            await send({"type": f"lifespan.{stage}.failed", "message": ""})
            raise
        await send({"type": "lifespan.shutdown.complete"})

    async def _be_whole(self, receive: Any) -> None:
        """Load it, and have it at work until the server's second message, which asks for the end."""
        try:
            whole = await asyncio.to_thread(self._load, self._system)
            async with whole.lifespan():
                self._whole = whole
                self._loaded.set()
                await receive()
        except Exception as error:
            if self._whole is not None:
                raise
            tell(self._system, error)
            await close(self._system)
            self._give_up(os.EX_SOFTWARE)
