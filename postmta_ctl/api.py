"""The contents page of the API: a line for each group of routes."""

from __future__ import annotations

from litestar.types import ControllerRouterHandler

from postmta_ctl.features.api_keys.routes import router as api_keys
from postmta_ctl.features.auth.routes import router as auth
from postmta_ctl.features.health.routes import health
from postmta_ctl.features.ingest.routes import router as ingest
from postmta_ctl.features.messages.routes import router as messages
from postmta_ctl.features.tracking.routes import router as tracking

ROUTES: list[ControllerRouterHandler] = [
    health,
    auth,
    api_keys,
    messages,
    ingest,
    tracking,
]
