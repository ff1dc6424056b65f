"""The process that answers requests: one for each ``postmta serve``, a child of the one that was started."""

from __future__ import annotations

import gc
import os
import sys
from multiprocessing import parent_process
from threading import Thread

from litestar import Litestar

from postmta_ctl.assembly import create_system
from postmta_ctl.logging import configure_logging
from postmta_ctl.roles import Role
from postmta_ctl.settings import load
from postmta_ctl.starting import Starting
from postmta_ctl.system import System


def application() -> Starting:
    """The application, by the settings of the environment."""
    settings = load()
    configure_logging(settings)
    Thread(target=_end_with_parent, name="end with parent", daemon=True).start()
    return Starting(create_system(settings), _whole)


def _whole(system: System) -> Litestar:
    """Nothing that is made on the way is garbage, so nobody looks for any: not now, and not among all this later."""
    gc.disable()
    try:
        from postmta_ctl.app import create_app  # noqa: PLC0415 - what takes long, and is not needed for /health

        app = create_app(system.settings, system=system, is_open=True)
        if Role.API in system.settings.role_set:
            app.on_startup.append(_show_setup_token)
        return app
    finally:
        gc.freeze()
        gc.enable()


async def _show_setup_token(app: Litestar) -> None:
    """Whoever reaches the API first must not become its operator for that alone; whoever reads this may."""
    from postmta_ctl.features.auth.service import setup_token  # noqa: PLC0415 - see above

    token = await setup_token(app.state.system)
    if token is not None:
        sys.stderr.write(f"The first registration needs this as setup_token: {token}\n")


def _end_with_parent() -> None:
    """End at once when the process that started this one was killed.

    It would go on serving beside the next one that is started. Nothing is lost by such an end: it is what a power cut
    does, and everything acknowledged is on durable storage.
    """
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(os.EX_UNAVAILABLE)
