"""The embedded node: a sandbox in a process of its own, started with the API and stopped with it.

To everything else it is a node like any other.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import structlog

from postmta_ctl.compiler.node_files import current_release
from postmta_ctl.errors import Busy, PostMTAError
from postmta_ctl.features.nodes import queries, service
from postmta_ctl.features.nodes.schemas import NodeCreate
from postmta_ctl.features.nodes.service import SANDBOX
from postmta_ctl.features.nodes.supervisor import supervise
from postmta_ctl.features.policy.bringing import catch_up
from postmta_ctl.features.policy.publish import release
from postmta_ctl.features.policy.releasing import ITSELF
from postmta_ctl.store.locks import exclusive
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

GONE_SECONDS = 15.0
"""How long a process that was killed may take to be gone, and its node with it."""


@asynccontextmanager
async def running(system: System) -> AsyncIterator[None]:
    """Have the embedded node, with a policy, while the block lasts; one process of the installation has it."""
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(exclusive(system.db, "embedded-node", wait=GONE_SECONDS))
        except Busy:
            log.info("another process has the embedded node")
        else:
            await stack.enter_async_context(_running(system))
        yield


@asynccontextmanager
async def _running(system: System) -> AsyncIterator[None]:
    node_id = await _ensure(system)
    try:
        await _ensure_policy(system)
    except PostMTAError as error:
        # The API must come up all the same: it is how the configuration at fault is mended.
        log.error("the embedded node has no policy", detail=error.detail)
    stop = asyncio.Event()
    supervisor = asyncio.create_task(supervise(system, node_id, stop))
    try:
        yield
    finally:
        stop.set()
        await supervisor


async def _ensure(system: System) -> str:
    """Id of the embedded node, whose row is made on first use and kept in step with its surroundings."""
    folder = (system.settings.data_dir / SANDBOX).absolute()
    async with system.db.reading() as connection:
        row = await queries.by_name(connection, SANDBOX)
    if row is None:
        data = NodeCreate(name=SANDBOX, admin_url=_free_url(), policy_dir=str(folder))
        return (await service.add(system, data, kind=SANDBOX)).node.id
    changes: dict[str, object] = {"policy_dir": str(folder)}
    if not _is_free(row.admin_url):
        changes["admin_url"] = _free_url()
    if current_release(folder) is None:
        # A folder that was moved or cleared: its files are written again.
        changes["published_release"] = None
    async with system.db.transaction() as connection:
        await queries.change(connection, row.id, **changes)
    return row.id


async def _ensure_policy(system: System) -> None:
    """Write a policy into its folder: the newest release, or the first there ever was."""
    # It is not running yet: nobody is asked which release it runs.
    nobody = system.now() + timedelta(days=1)
    await catch_up(system, seen_after=nobody)
    if current_release(system.settings.data_dir / SANDBOX) is None:
        await release(system, ITSELF, reason="first release, for the embedded node")
        await catch_up(system, seen_after=nobody)


def _free_url() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def _is_free(url: str) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", urlsplit(url).port or 0))
        except OSError:
            return False
    return True
