"""The process that answers requests: one for each ``postmta serve``, a child of the one that was started."""

from __future__ import annotations

import os
import sys
from multiprocessing import parent_process
from threading import Thread

from litestar import Litestar

from postmta_ctl.app import create_app
from postmta_ctl.features.auth.service import setup_token
from postmta_ctl.logging import configure_logging
from postmta_ctl.roles import Role
from postmta_ctl.settings import load


def application() -> Litestar:
    """The application, by the settings of the environment."""
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
