"""The contents page of the console: a line for each page."""

from typing import Any

from litestar import Router, get
from litestar.exceptions import HTTPException
from litestar.params import FromPath

from postmta_ctl.console import failures
from postmta_ctl.console.guard import OPEN, guard
from postmta_ctl.console.pages import (
    access,
    analytics,
    audit,
    automation,
    credits,
    domains,
    files,
    first_steps,
    messages,
    nodes,
    overview,
    people,
    policy,
    pools,
    queues,
    scenarios,
    security,
    shaping,
    suppressions,
    templates,
    vmtas,
    warmup,
    webhooks,
)
from postmta_ctl.console.rendering import Page
from postmta_ctl.errors import NotFound, PostMTAError


@get("/{rest:path}", opt=OPEN, sync_to_thread=False)
def nowhere(rest: FromPath[str]) -> Page:
    """What is no page says so as one."""
    raise NotFound(f"There is no page at {rest}.")


_FAILURES: dict[type[Exception] | int, Any] = {
    PostMTAError: failures.on_own_error,
    HTTPException: failures.on_http_exception,
    Exception: failures.on_unexpected,
}

console = Router(
    "/console",
    route_handlers=[
        files.asset,
        *access.PAGES,
        *overview.PAGES,
        *first_steps.PAGES,
        *messages.PAGES,
        *queues.PAGES,
        *domains.PAGES,
        *vmtas.PAGES,
        *warmup.PAGES,
        *pools.PAGES,
        *nodes.PAGES,
        *policy.PAGES,
        *scenarios.PAGES,
        *shaping.PAGES,
        *automation.PAGES,
        *suppressions.PAGES,
        *webhooks.PAGES,
        *people.PAGES,
        *templates.PAGES,
        *security.PAGES,
        *analytics.PAGES,
        *credits.PAGES,
        *audit.PAGES,
        nowhere,
    ],
    guards=[guard],
    exception_handlers=_FAILURES,
    include_in_schema=False,
)
